"""What is really inside a ``.tflite`` file. Needs the runtime's schema module, not TensorFlow.

A file of unknown origin may declare any size and point anywhere. It is read table by table with a
budget, so that a damaged one is refused in a time that its length bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from edgedigits.convert.graph import BITS, FLOATS, Contents, OpContents, TensorContents
from edgedigits.convert.options import read_options
from edgedigits.errors import MissingPackageError, ModelFileError

__all__ = ["FLOATS", "Contents", "OpContents", "TensorContents", "parse", "read_contents"]

SPARE = 100_000  # items that even a tiny file may hold
LONGEST_TEXT = 10_000  # bytes of a name


class DamagedError(ValueError):
    """What is wrong with a file's graph, in words that end a message."""


def read_contents(data: bytes, name: str) -> Contents:
    """Read the bytes of a ``.tflite`` file.

    Args:
        data: the file. name: what to call it in messages.

    Raises:
        ModelFileError: the bytes do not hold a graph. MissingPackageError: no schema module.
    """
    _schema()
    try:
        return _Reader(data).contents()
    except DamagedError as error:
        raise ModelFileError(
            f"{name}: its graph cannot be read: {error}; the file is damaged"
        ) from error
    except Exception as error:  # a damaged file leads the reader anywhere
        raise ModelFileError(f"{name}: its graph cannot be read; the file is damaged") from error


def parse(data: bytes) -> Any:
    """A file of our own as the schema's object tree (``ModelT``), constant data in its buffers.

    Some writers keep constant data behind the graph and leave only its place in the buffer; here it
    is brought back in. There is no limit on what a damaged file makes of this.
    """
    model = _schema().ModelT.InitFromPackedBuf(data, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1: the data is in the buffer
            if buffer.offset + buffer.size > len(data):
                raise ValueError("constant data lies beyond the end of the file")
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


class _Reader:
    """Reads tables of a file, and gives up when it has read more than the file can hold."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.left = len(data) + SPARE
        self.model = _schema().Model.GetRootAs(data, 0)
        self.buffers = self._length(self.model.BuffersLength(), "buffers")

    def contents(self) -> Contents:
        """The main graph."""
        subgraphs = self._length(self.model.SubgraphsLength(), "graphs")
        if subgraphs == 0:
            raise DamagedError("it holds no graph")
        graph = self.model.Subgraphs(0)
        count = self._length(graph.TensorsLength(), "tensors")
        stored: dict[int, Any] = {}
        tensors = tuple(self._tensor(i, graph.Tensors(i), stored) for i in range(count))
        codes = list(self._each(self.model.OperatorCodesLength, self.model.OperatorCodes, "codes"))
        ops = tuple(
            self._op(i, op, codes, count)
            for i, op in enumerate(self._each(graph.OperatorsLength, graph.Operators, "operations"))
        )
        entries = self._each(self.model.MetadataLength, self.model.Metadata, "metadata")
        return Contents(
            tensors=tensors,
            ops=ops,
            inputs=self._places(graph.InputsAsNumpy(), count, "the graph's inputs", least=0),
            outputs=self._places(graph.OutputsAsNumpy(), count, "the graph's outputs", least=0),
            subgraphs=subgraphs,
            metadata=tuple(self._text(entry.Name()) for entry in entries),
            constants=stored,
            description=self._text(self.model.Description()),
            version=int(self.model.Version()),
        )

    def _length(self, items: int, what: str) -> int:
        self.left -= items
        if self.left < 0:
            raise DamagedError(f"it declares more {what} than it can hold")
        return items

    def _each(
        self, length: Callable[[], int], item: Callable[[int], Any], what: str
    ) -> Iterator[Any]:
        for i in range(self._length(length(), what)):
            yield item(i)

    def _tensor(self, index: int, tensor: Any, stored: dict[int, Any]) -> TensorContents:
        quantisation = tensor.Quantization()
        shape = self._numbers(tensor.ShapeAsNumpy(), "sides of a shape")
        dtype = _name(_schema().TensorType, tensor.Type(), f"the type of tensor {index}")
        content = self._stored(tensor.Buffer(), index)
        scales: tuple[float, ...] = ()
        zeros: tuple[int, ...] = ()
        if quantisation is not None:
            self._length(quantisation.ScaleLength(), "scales")
            if quantisation.ScaleLength():
                scales = tuple(quantisation.ScaleAsNumpy().tolist())
                if not np.isfinite(scales).all():
                    raise DamagedError(f"a scale of tensor {index} is no number")
            zeros = self._numbers(
                quantisation.ZeroPointAsNumpy() if quantisation.ZeroPointLength() else 0,
                "zero points",
            )
        made = TensorContents(
            index=index,
            name=self._text(tensor.Name()),
            dtype=dtype,
            shape=shape,
            bytes=len(content),
            scales=scales,
            zero_points=zeros,
            axis=0 if quantisation is None else int(quantisation.QuantizedDimension()),
            variable=bool(tensor.IsVariable()),
            free=-1 in self._numbers(tensor.ShapeSignatureAsNumpy(), "sides of a shape"),
        )
        if len(content):
            stored[index] = content
            needed = -(-made.elements * BITS.get(dtype, 0) // 8)
            if needed > len(content) and tensor.Sparsity() is None:
                raise DamagedError(
                    f"tensor {index} ({dtype.lower()} {list(shape)}) needs {needed:,} bytes and "
                    f"has {len(content):,}"
                )
        return made

    def _stored(self, number: int, tensor: int) -> Any:
        if not 0 <= number < self.buffers:
            raise DamagedError(f"tensor {tensor} names buffer {number} of {self.buffers}")
        buffer = self.model.Buffers(number)
        if buffer.Offset() > 1:  # 0 and 1: the data is in the buffer
            if buffer.Offset() + buffer.Size() > len(self.data):
                raise DamagedError("constant data lies beyond the end of the file")
            return np.frombuffer(self.data, np.uint8, buffer.Size(), buffer.Offset())
        if buffer.DataLength() == 0:
            return np.empty(0, np.uint8)
        return buffer.DataAsNumpy()  # refuses what is longer than the file

    def _op(self, index: int, op: Any, codes: list[Any], tensors: int) -> OpContents:
        if not 0 <= op.OpcodeIndex() < len(codes):
            raise DamagedError(f"operation {index} is of kind {op.OpcodeIndex()} of {len(codes)}")
        code = codes[op.OpcodeIndex()]
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _name(_schema().BuiltinOperator, number, f"the kind of operation {index}")
        if name == "CUSTOM":
            name = f"CUSTOM {self._text(code.CustomCode())}".rstrip()
        inputs = self._places(op.InputsAsNumpy(), tensors, f"operation {index}")
        outputs = self._places(op.OutputsAsNumpy(), tensors, f"operation {index}")
        return OpContents(
            index=index,
            name=name,
            version=int(code.Version()),
            inputs=tuple(n for n in inputs if n >= 0),
            outputs=tuple(n for n in outputs if n >= 0),
            options=read_options(_schema(), op),
        )

    def _places(self, values: Any, tensors: int, what: str, least: int = -1) -> tuple[int, ...]:
        numbers = self._numbers(values, "tensor numbers")
        for number in numbers:
            if not least <= number < tensors:
                raise DamagedError(f"{what} names tensor {number} of {tensors}")
        return numbers

    def _numbers(self, values: Any, what: str) -> tuple[int, ...]:
        if isinstance(values, int):  # how the generated code says that there are none
            return ()
        self._length(len(values), what)
        return tuple(values.tolist())

    def _text(self, value: bytes | None) -> str:
        if value is None:
            return ""
        self._length(len(value), "letters")
        text = value[:LONGEST_TEXT].decode("utf-8", "replace")
        return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _schema() -> Any:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError:
        raise MissingPackageError("looking inside a model", "report", "ai-edge-litert") from None
    return schema_py_generated


@lru_cache(maxsize=2)
def _names(enum: type) -> dict[int, str]:
    return {value: key for key, value in vars(enum).items() if isinstance(value, int)}


def _name(enum: type, value: int, what: str) -> str:
    if value not in _names(enum):
        raise DamagedError(f"{what} is {value}, which the format does not know")
    return _names(enum)[value]
