"""What is known of a model file: inside it, or in a JSON file beside it.

A slim file holds no metadata. ``NAME.json`` beside ``NAME.tflite`` records the file's ``sha256``,
and its metadata under ``metadata``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from edgedigits.device.metadata import Metadata, is_unchanged, metadata_of_text, read_metadata
from edgedigits.errors import ModelFileError
from edgedigits.files import read_file

LARGEST = 1 << 20  # bytes; a longer JSON file beside a model is something else


def sidecar_file(path: Path) -> Path:
    """``NAME.json`` for ``NAME.tflite``."""
    return path.with_suffix(".json")


def sidecar(data: bytes, metadata: Metadata) -> dict[str, Any]:
    """What the JSON file beside a file of these bytes says."""
    digest = hashlib.sha256(data).hexdigest()
    return {"bytes": len(data), "sha256": digest, "metadata": metadata.to_json()}


def file_metadata(path: Path, data: bytes) -> Metadata | None:
    """The metadata of a file, or None where there is none that can be understood.

    Args:
        path: the file; a JSON file is looked for beside it. data: its bytes, looked into first.

    Raises:
        ModelFileError: the JSON file beside it was written for another file.
    """
    return read_metadata(data) or _read_sidecar(path, data)


def is_as_written(path: Path, data: bytes) -> bool:
    """Whether the file is, byte for byte, what edgedigits wrote; arguments and errors as above."""
    if read_metadata(data) is not None:
        return is_unchanged(data)
    return _read_sidecar(path, data) is not None


def _read_sidecar(path: Path, data: bytes) -> Metadata | None:
    beside = sidecar_file(path)
    try:
        if beside.stat().st_size > LARGEST:
            return None
        document = json.loads(read_file(beside))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not {"sha256", "metadata"} <= document.keys():
        return None
    if document["sha256"] != hashlib.sha256(data).hexdigest():
        raise ModelFileError(
            f"{beside}: was written for another file than {path.name} beside it (its sha256 is "
            "another); export it again, or take the JSON file away"
        )
    return metadata_of_text(json.dumps(document["metadata"]).encode())
