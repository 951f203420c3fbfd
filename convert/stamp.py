"""Put metadata into a ``.tflite`` file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgedigits.convert.contents import parse
from edgedigits.convert.packing import pack
from edgedigits.device.metadata import (
    DIGEST_FIELD,
    METADATA_NAME,
    NO_DIGEST,
    Metadata,
    content_digest,
)


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
    packed = pack(model)
    return packed.replace(DIGEST_FIELD + NO_DIGEST, DIGEST_FIELD + content_digest(packed))


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
