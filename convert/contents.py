"""What is really inside a ``.tflite`` file. Needs the runtime's schema module, not TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from edgedigits.errors import MissingPackageError, ModelFileError

FLOATS = ("FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16")


@dataclass(frozen=True)
class TensorContents:
    """One tensor.

    Attributes:
        index, name: as in the file; dtype: the schema's name, for example ``INT8``.
        shape: as stored. bytes: of constant data, 0 for activations.
        scales, zero_points: one, or one a channel; empty where not quantised.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]


@dataclass(frozen=True)
class OpContents:
    """One operation: its name and version, and the numbers of its tensors (−1 left out)."""

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Contents:
    """The main graph of a file.

    Attributes:
        tensors, ops: in the file's order. inputs, outputs: tensor numbers.
        subgraphs: how many graphs there are. metadata: names of the metadata entries.
    """

    tensors: tuple[TensorContents, ...]
    ops: tuple[OpContents, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int
    metadata: tuple[str, ...]

    def used_tensors(self) -> set[int]:
        """Numbers of the tensors that an operation reads or writes."""
        return {number for op in self.ops for number in (*op.inputs, *op.outputs)}

    def floats(self) -> list[tuple[OpContents, TensorContents]]:
        """Every float tensor that an operation touches, with the first operation that does."""
        found: dict[int, OpContents] = {}
        for op in self.ops:
            for number in (*op.inputs, *op.outputs):
                if self.tensors[number].dtype in FLOATS:
                    found.setdefault(number, op)
        return [(op, self.tensors[number]) for number, op in found.items()]

    def verdict(self) -> str:
        """One line: whether the file computes in integers only."""
        floats = self.floats()
        if not floats:
            kinds = sorted({self.tensors[n].dtype.lower() for n in self.used_tensors()} - {"int32"})
            return f"fully integer: yes ({', '.join(kinds)})"
        ops = sorted({op.name for op, _ in floats})
        quantised = any(t.dtype in ("INT8", "INT4", "UINT8", "INT16") for t in self.tensors)
        what = "quantised weights, float arithmetic" if quantised else "float"
        return f"fully integer: no ({what}; float tensors at {', '.join(ops)})"

    def activation_scales(self) -> dict[str, tuple[float, int]]:
        """(scale, zero point) by name of every quantised tensor that is computed, not stored."""
        return {
            tensor.name: (tensor.scales[0], tensor.zero_points[0])
            for tensor in self.tensors
            if tensor.bytes == 0 and len(tensor.scales) == len(tensor.zero_points) == 1
        }


def read_contents(data: bytes, name: str) -> Contents:
    """Parse the bytes of a ``.tflite`` file.

    Args:
        data: the file. name: what to call it in messages.

    Raises:
        ModelFileError: the bytes do not hold a graph. MissingPackageError: no schema module.
    """
    _schema()
    try:
        model = parse(data)
        graph = model.subgraphs[0]
        contents = Contents(
            tensors=tuple(_tensor(i, t, model.buffers) for i, t in enumerate(graph.tensors)),
            ops=tuple(_op(i, op, model.operatorCodes) for i, op in enumerate(graph.operators)),
            inputs=_numbers(graph.inputs),
            outputs=_numbers(graph.outputs),
            subgraphs=len(model.subgraphs),
            metadata=tuple(_text(entry.name) for entry in model.metadata or ()),
        )
        named = {*contents.used_tensors(), *contents.inputs, *contents.outputs}
        if not named <= set(range(len(contents.tensors))):
            raise ValueError("an operation names a tensor that does not exist")
        return contents
    except Exception as error:  # a damaged file leads the parser anywhere
        raise ModelFileError(f"{name}: its graph cannot be read; the file is damaged") from error


def parse(data: bytes) -> Any:
    """A file as the schema's object tree (``ModelT``), with all constant data in its buffers.

    Some writers keep constant data behind the graph and leave only its place in the buffer; here it
    is brought back in.
    """
    model = _schema().ModelT.InitFromPackedBuf(data, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1: the data is in the buffer
            if buffer.offset + buffer.size > len(data):
                raise ValueError("constant data lies beyond the end of the file")
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def _schema() -> Any:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError:
        raise MissingPackageError("looking inside a model", "report", "ai-edge-litert") from None
    return schema_py_generated


@lru_cache(maxsize=2)
def _names(enum: type) -> dict[int, str]:
    return {value: key for key, value in vars(enum).items() if isinstance(value, int)}


def _tensor(index: int, tensor: Any, buffers: list[Any]) -> TensorContents:
    stored = buffers[tensor.buffer].data
    quantisation = tensor.quantization
    scales = () if quantisation is None or quantisation.scale is None else quantisation.scale
    zeros = () if quantisation is None or quantisation.zeroPoint is None else quantisation.zeroPoint
    return TensorContents(
        index=index,
        name=_text(tensor.name),
        dtype=_names(_schema().TensorType)[tensor.type],
        shape=_numbers(tensor.shape),
        bytes=0 if stored is None else len(stored),
        scales=tuple(float(scale) for scale in scales),
        zero_points=_numbers(zeros),
    )


def _op(index: int, op: Any, codes: list[Any]) -> OpContents:
    code = codes[op.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = _names(_schema().BuiltinOperator)[number]
    if name == "CUSTOM" and code.customCode is not None:
        name = f"CUSTOM {_text(code.customCode)}"
    return OpContents(
        index=index,
        name=name,
        version=int(code.version),
        inputs=tuple(n for n in _numbers(op.inputs) if n >= 0),
        outputs=tuple(n for n in _numbers(op.outputs) if n >= 0),
    )


def _numbers(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(v) for v in np.asarray(values).reshape(-1))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
