"""A bundle's container: a plain zip file, stored, that only one sequence of bytes can be.

Any program can unpack one. The reader trusts none of the zip's own records: it takes the parts out,
packs them again, and refuses the file unless the very same bytes come out.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG

from edgedigits.errors import BundleError, UsageError

LARGEST = 1 << 30  # bytes; a model of the largest reference system takes a third of it
MOST_PARTS = 16
DAY = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can hold
MODE = 0o100644
LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # of a part, before its name and its bytes
LOCAL = b"PK\x03\x04"
STORED = 0


def pack(parts: Mapping[str, bytes]) -> bytes:
    """A zip file of these parts, in this order; the same parts always give the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, DAY)
            entry.create_system = 3
            entry.external_attr = MODE << 16
            archive.writestr(entry, content)
    return target.getvalue()


def unpack(data: bytes, name: str) -> dict[str, bytes]:
    """The parts of a file that :func:`pack` made, in their order.

    Args:
        data: the file's bytes. name: what to call it in messages.

    Raises:
        BundleError: it is anything else, damaged or made to deceive; nothing is ever inflated.
    """
    if data[:4] != LOCAL:
        raise BundleError(f"{name}: not a bundle; make one with 'edgedigits bundle'")
    parts: dict[str, bytes] = {}
    position = 0
    while data[position : position + 4] == LOCAL:
        part, start, end = _part(data, position, name)
        if part in parts:
            raise BundleError(f"{name}: refused: holds {part} twice")
        if len(parts) == MOST_PARTS:
            raise BundleError(f"{name}: refused: holds more than {MOST_PARTS} parts")
        parts[part] = data[start:end]
        position = end
    if pack(parts) != data:
        raise BundleError(
            f"{name}: damaged or changed: its parts, packed again, give another file; copy it again"
        )
    return parts


def _part(data: bytes, position: int, name: str) -> tuple[str, int, int]:
    """Name, start and end of the part whose header begins there."""
    if position + LOCAL_HEADER.size > len(data):
        raise _cut_short(name)
    fields = LOCAL_HEADER.unpack_from(data, position)
    method, size, name_length, extra_length = fields[3], fields[8], fields[9], fields[10]
    if method != STORED or extra_length:
        raise BundleError(f"{name}: refused: not packed by edgedigits (compressed, or more in it)")
    start = position + LOCAL_HEADER.size + name_length
    part = data[position + LOCAL_HEADER.size : start]
    if start + size > len(data):
        raise _cut_short(name)
    if not (part.isascii() and part.decode("ascii", "replace").isprintable()):
        raise BundleError(f"{name}: refused: a part is called {part[:40]!r}")
    return part.decode("ascii"), start, start + size


def _cut_short(name: str) -> BundleError:
    return BundleError(f"{name}: damaged: it ends in the middle of a part; copy it again")


def read_file(path: Path) -> bytes:
    """The bytes of a bundle's file.

    Raises:
        UsageError: there is no such file.
        BundleError: it cannot be read, is no ordinary file, is empty, or is too large for a bundle.
    """
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise BundleError(f"{path}: not a bundle: not an ordinary file")
        if status.st_size > LARGEST:
            raise BundleError(f"{path}: not a bundle: {status.st_size:,} bytes are too many")
        with path.open("rb") as file:
            data = file.read(LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    if not data:
        raise BundleError(f"{path}: the file is empty")
    return data
