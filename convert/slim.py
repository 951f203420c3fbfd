"""Make a ``.tflite`` file smaller without changing what it computes.

Taken out: names of tensors, signatures, recorded minima and maxima, the converter's own metadata
and what no operation uses. The bias of a convolution with a scale a channel points at the scales of
its weights: kernels compute its true ones, input times weights, themselves. What is alike is
written once.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgedigits.convert.contents import parse
from edgedigits.device.metadata import FILE_IDENTIFIER, METADATA_NAME

ALIGNMENT = 16  # bytes; the schema asks for it, so that kernels can load vectors


def slim(data: bytes, *, keep_metadata: bool = True) -> bytes:
    """The same graph in the smallest file known to compute the same.

    Args:
        data: bytes of a ``.tflite`` file.
        keep_metadata: whether our own metadata stays; other metadata goes in any case.
    """
    model = parse(data)
    own = METADATA_NAME.encode()
    kept = [entry for entry in model.metadata or () if keep_metadata and entry.name == own]
    model.metadata = kept or None
    model.metadataBuffer = model.signatureDefs = model.description = None
    for graph in model.subgraphs:
        graph.name = None
        _drop_unused_tensors(graph)
        _share_scales(graph)
        for tensor in graph.tensors:
            tensor.name = tensor.shapeSignature = None
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
    _renumber_buffers(model)
    return pack(model)


def _drop_unused_tensors(graph: Any) -> None:
    """Only tensors that an operation reads or writes, in the same order."""
    vectors = [(graph, "inputs"), (graph, "outputs")]
    vectors += [(op, name) for op in graph.operators for name in ("inputs", "outputs")]
    used = sorted({int(n) for owner, name in vectors for n in getattr(owner, name) if n >= 0})
    place = {old: new for new, old in enumerate(used)}
    for owner, name in vectors:
        numbers = [place.get(int(n), -1) for n in getattr(owner, name)]
        setattr(owner, name, np.array(numbers, np.int32))
    graph.tensors = [graph.tensors[n] for n in used]


def _share_scales(graph: Any) -> None:
    for op in graph.operators:
        if len(op.inputs) < 3 or op.inputs[2] < 0:
            continue
        weights, bias = (graph.tensors[op.inputs[i]].quantization for i in (1, 2))
        if weights is None or bias is None or weights.scale is None or bias.scale is None:
            continue
        if len(weights.scale) == len(bias.scale) > 1:
            bias.scale = weights.scale


def _renumber_buffers(model: Any) -> None:
    """Each content once; tensors that are computed have buffer 0, which is empty."""
    contents: list[Any] = [schema.BufferT()]
    places: dict[bytes, int] = {b"": 0}

    def place(number: int) -> int:
        stored = model.buffers[number].data
        content = b"" if stored is None else np.asarray(stored, np.uint8).tobytes()
        if content not in places:
            places[content] = len(contents)
            contents.append(model.buffers[number])
        return places[content]

    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = place(tensor.buffer)
    for entry in model.metadata or ():
        entry.buffer = place(entry.buffer)
    model.buffers = contents


def pack(model: Any) -> bytes:
    """The bytes of a file; vectors and tables that are alike are written once.

    Args:
        model: a ``ModelT``, as from :func:`edgedigits.convert.contents.parse`.
    """
    seen: dict[Any, Any] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.quantization = _once(tensor.quantization, seen)
        for op in graph.operators:
            op.builtinOptions = _once(op.builtinOptions, seen)
        graph.tensors = [_once(tensor, seen) for tensor in graph.tensors]
    model.buffers = [_AlignedBuffer(buffer.data) for buffer in model.buffers]
    builder = _SharingBuilder(1 << 16)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


class _AlignedBuffer:
    """A buffer whose data begins at a multiple of 16 bytes, as the schema's force_align says.

    The generated Python code writes it at any byte.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the generated code calls it so
        vector = None
        if self.data is not None:
            content = np.asarray(self.data, dtype=np.uint8).tobytes()
            builder.StartVector(1, len(content), ALIGNMENT)
            head = builder.Head() - len(content)
            builder.head = head
            builder.Bytes[head : head + len(content)] = content
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


class _Once:
    """An object that is written the first time only; one of the same content is pointed at."""

    def __init__(self, content: Any, seen: dict[Any, Any]) -> None:
        self.content, self.seen, self.key = content, seen, _key(content)

    def Pack(self, builder: Any) -> Any:  # noqa: N802
        if self.key not in self.seen:
            self.seen[self.key] = self.content.Pack(builder)
        return self.seen[self.key]


def _once(content: Any, seen: dict[Any, Any]) -> _Once | None:
    return None if content is None else _Once(content, seen)


def _key(content: Any) -> Any:
    if isinstance(content, _Once):
        return content.key
    if isinstance(content, np.ndarray):
        return content.dtype.str, content.tobytes()
    if isinstance(content, list):
        return tuple(map(_key, content))
    if hasattr(content, "__dict__"):
        fields = sorted(vars(content).items())
        return type(content).__name__, tuple((name, _key(value)) for name, value in fields)
    return content


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes vectors of plain numbers that are alike once."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.vectors: dict[tuple[str, bytes], Any] = {}

    def CreateNumpyVector(self, x: Any) -> Any:  # noqa: N802 - overrides
        key = x.dtype.str, x.tobytes()
        if key not in self.vectors:
            self.vectors[key] = super().CreateNumpyVector(x)
        return self.vectors[key]
