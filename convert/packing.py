"""From a parsed ``.tflite`` file back to bytes."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgedigits.device.metadata import FILE_IDENTIFIER

ALIGNMENT = 16  # bytes; the schema asks for it, so that kernels can load vectors


def pack(model: Any, *, share: bool = False) -> bytes:
    """The bytes of a file, constant data at multiples of 16 bytes.

    Args:
        model: a ``ModelT``, as from :func:`edgedigits.convert.contents.parse`; it is used up.
        share: whether vectors and tables that are alike are written once.
    """
    model.buffers = [_AlignedBuffer(buffer.data) for buffer in model.buffers]
    if share:
        _point_at_one(model)
    builder = _SharingBuilder(1 << 16) if share else flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def _point_at_one(model: Any) -> None:
    seen: dict[Any, Any] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.quantization = _once(tensor.quantization, seen)
        for op in graph.operators:
            op.builtinOptions = _once(op.builtinOptions, seen)
        graph.tensors = [_once(tensor, seen) for tensor in graph.tensors]


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
