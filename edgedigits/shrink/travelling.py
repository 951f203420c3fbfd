"""Small files through the storage, so that any worker can end a search with any worker's file."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgedigits.device.sidecar import sidecar_file
from edgedigits.errors import StorageError

FILE, SIDECAR = "file", "sidecar"
LARGEST = 4 << 20  # bytes, compressed; a larger file stays with the worker that made it


def pack(file: Path) -> dict[str, str] | None:
    """A file and the JSON beside it as attributes of a trial; None where it is too large."""
    compressed = zlib.compress(file.read_bytes(), 9)
    if len(compressed) > LARGEST:
        return None
    return {
        FILE: base64.b64encode(compressed).decode(),
        SIDECAR: sidecar_file(file).read_text(encoding="utf-8"),
    }


def unpack(attributes: Mapping[str, Any], sha256: str) -> tuple[bytes, str] | None:
    """The file's bytes and the JSON beside it; None where they did not travel.

    Raises:
        StorageError: what the storage holds is not that file.
    """
    if FILE not in attributes:
        return None
    try:
        data = zlib.decompress(base64.b64decode(attributes[FILE], validate=True))
    except (ValueError, zlib.error):
        data = b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StorageError("the storage's copy of a file is damaged; run the search anew")
    return data, str(attributes[SIDECAR])
