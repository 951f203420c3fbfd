"""Whole files: read without waiting, written at once or not at all, and their digests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from edgedigits.errors import RunError

SCHEMA_VERSION = 1

NOT_ORDINARY = "is no ordinary file"

# What reading a damaged .npz file raises: NumPy, zipfile and zlib each have their own.
DAMAGED_NPZ = (OSError, ValueError, KeyError, EOFError, RuntimeError, BadZipFile, zlib.error)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError while writing ``path`` into one clear line.

    Raises:
        RunError: naming the path and the cause (disk full, no permission, …).
    """
    try:
        yield
    except OSError as error:
        fix = {
            errno.ENOSPC: "the disk is full; free some space and run the command again",
            errno.EDQUOT: "the disk quota is used up; free some space and run the command again",
            errno.EACCES: "no permission to write there; choose another folder",
            errno.EROFS: "the file system is read-only; choose another folder",
            errno.ENOTDIR: "a part of the path is a file; choose another folder",
            errno.EEXIST: "a part of the path is a file; choose another folder",
        }.get(error.errno or 0, error.strerror or str(error))
        raise RunError(f"{path}: cannot write: {fix}") from error


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well.

    The temporary name keeps the suffix, because Keras and OpenCV choose a format by it.

    Raises:
        RunError: the folder cannot be written or the disk is full; ``path`` is as it was before.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
    temporary = Path(name)
    try:
        with writing(path):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file at once, or not at all. Raises RunError as :func:`atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_together(*files: tuple[Path, bytes]) -> None:
    """Write files that belong together, or none of them; the last named takes its place last.

    Raises:
        RunError: as :func:`atomic_path`; all files are as they were before.
    """
    with contextlib.ExitStack() as stack:
        for path, data in reversed(files):
            with stack.enter_context(atomic_path(path)).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # so that no file takes its place before all have room


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file at once, or not at all. Raises RunError as :func:`atomic_path`."""
    write_bytes(path, text.encode())


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON document, ``schema_version`` first. Raises RunError as :func:`atomic_path`."""
    document = {"schema_version": SCHEMA_VERSION, **document}
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_file(path: Path) -> bytes:
    """The bytes of an ordinary file, and never a wait for the other end of a pipe.

    Raises:
        OSError: it cannot be read, or is something else.
    """

    def at_once(name: str, flags: int) -> int:  # a named pipe would have us wait for a writer
        return os.open(name, flags | os.O_NONBLOCK)

    with open(path, "rb", opener=at_once) as file:  # Path.open takes no opener
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, NOT_ORDINARY, str(path))
        return file.read()


def not_a_file(path: Path) -> str:
    """What is wrong with a path that is no file, for a message."""
    if path.is_dir():
        return "is a folder"
    return NOT_ORDINARY if path.exists() else "no such file"


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON document.

    Args:
        path: the file.
        what: what the file is, for the message, for example ``"the calibration set"``.

    Raises:
        RunError: the file is missing, is not JSON, or is of another schema version.
    """
    try:
        document = json.loads(read_file(path).decode("utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: not found; it should hold {what}") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read as {what}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read as {what}: {error}") from error
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
        raise RunError(f"{path}: not {what} of schema version {SCHEMA_VERSION}; make it again")
    return document


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
