"""Put metadata into a ``.tflite`` file."""

from __future__ import annotations

import json
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgedigits.convert.contents import parse
from edgedigits.device.metadata import (
    DIGEST_FIELD,
    FILE_IDENTIFIER,
    METADATA_NAME,
    NO_DIGEST,
    Metadata,
    content_digest,
)

DATA_ALIGNMENT = 16  # bytes; the schema asks for it, so that kernels can load vectors


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data begins at a multiple of 16 bytes, as the schema's force_align says.

    The generated Python code writes it at any byte.
    """

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the generated code calls it so
        vector = None
        if self.data is not None:
            content = np.asarray(self.data, dtype=np.uint8).tobytes()
            builder.StartVector(1, len(content), DATA_ALIGNMENT)
            head = builder.Head() - len(content)
            builder.head = head
            builder.Bytes[head : head + len(content)] = content
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def stamp(data: bytes, metadata: Metadata) -> bytes:
    """The file with the metadata added, and a digest of the whole inside it.

    What was inside stays as it was; metadata of ours that was there is replaced.

    Args:
        data: bytes of a ``.tflite`` file as a converter made it.
    """
    document = {**metadata.to_json(), "content_sha256": NO_DIGEST.decode()}
    blob = json.dumps(document, ensure_ascii=False).encode()
    model = parse(data)
    entry = _own_entry(model)
    model.buffers[entry.buffer].data = np.frombuffer(blob, dtype=np.uint8)
    packed = _pack(model)
    return packed.replace(DIGEST_FIELD + NO_DIGEST, DIGEST_FIELD + content_digest(packed))


def _pack(model: Any) -> bytes:
    aligned = []
    for buffer in model.buffers:
        copy = _AlignedBuffer()
        copy.data = buffer.data
        aligned.append(copy)
    model.buffers = aligned
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def _own_entry(model: Any) -> Any:
    for entry in model.metadata or []:
        if entry.name == METADATA_NAME.encode():
            return entry
    entry = schema.MetadataT()
    entry.name = METADATA_NAME.encode()
    entry.buffer = len(model.buffers)
    model.buffers.append(schema.BufferT())
    model.metadata = [*(model.metadata or []), entry]
    return entry
