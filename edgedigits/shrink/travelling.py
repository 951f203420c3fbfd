"""Small files through the storage, so that any worker can end a search with any worker's file."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.device.sidecar import sidecar_file
from edgedigits.errors import StorageError

FILE, SIDECAR, MODEL = "file", "sidecar", "keras"
LARGEST = 4 << 20  # bytes, compressed; what is larger stays with the worker that made it


@dataclass(frozen=True, eq=False)
class Parcel:
    """A file, the JSON beside it, and the Keras model it was made of."""

    data: bytes
    sidecar: str
    model: bytes

    @property
    def sha256(self) -> str:
        """Of the file, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def read_parcel(file: Path, model: Path) -> Parcel:
    """What lies here. Raises OSError where something is missing."""
    beside = sidecar_file(file).read_text(encoding="utf-8")
    return Parcel(file.read_bytes(), beside, model.read_bytes())


def pack(parcel: Parcel) -> dict[str, str] | None:
    """A parcel as attributes of a trial; None where it is too large."""
    packed = {FILE: zlib.compress(parcel.data, 9), MODEL: zlib.compress(parcel.model, 9)}
    if sum(map(len, packed.values())) > LARGEST:
        return None
    texts = {name: base64.b64encode(content).decode() for name, content in packed.items()}
    return {**texts, SIDECAR: parcel.sidecar}


def unpack(attributes: Mapping[str, Any], sha256: str) -> Parcel | None:
    """The parcel of a trial; None where it did not travel.

    Raises:
        StorageError: what the storage holds is not that file.
    """
    if FILE not in attributes:
        return None
    try:
        data, model = (
            zlib.decompress(base64.b64decode(attributes[name], validate=True))
            for name in (FILE, MODEL)
        )
    except (ValueError, zlib.error):
        data = model = b""
    parcel = Parcel(data, str(attributes[SIDECAR]), model)
    if parcel.sha256 != sha256:
        raise StorageError("the storage's copy of a file is damaged; run the search anew")
    return parcel
