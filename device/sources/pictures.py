"""Pictures as a source: a pattern of numbered files, a folder in natural order, one picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.errors import DataError, UsageError
from edgedigits.picture_files import SUFFIXES, read_picture
from edgedigits.preprocess import to_grey

__all__ = ["SUFFIXES", "PictureSequence", "is_pattern", "is_picture", "list_pictures"]

NUMBER = re.compile(r"%(0?)([0-9]*)d")


class PictureSequence:
    """Every picture once, in order; see :class:`~edgedigits.device.sources.source.Source`.

    Pictures with transparency are laid on white and given as grey, those of 16 bits likewise.

    Args:
        name: a picture, a folder, or a pattern such as ``folder/img_%03d.png``.

    Raises:
        UsageError: there are no such pictures.
    """

    live = False
    fps: float | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = False
        self._paths = iter(list_pictures(name))

    def read(self) -> NDArray[Any] | None:
        """The next picture, or None after the last. Raises DataError for one that is damaged."""
        path = next(self._paths, None)
        if path is None:
            self.ended = True
            return None
        picture = read_picture(path)
        if picture.dtype == np.uint8 and (picture.ndim == 2 or picture.shape[2] == 3):
            return picture
        try:
            return to_grey(picture)
        except ValueError as error:
            raise DataError(f"{path}: cannot be used as a picture: {error}") from error

    def close(self) -> None:
        """No more pictures."""
        self._paths = iter(())


def is_picture(name: str) -> bool:
    """Whether the source is one picture: a file with the ending of one."""
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and path.is_file()


def is_pattern(name: str) -> bool:
    """Whether the file's name holds a number's place, such as ``%03d``."""
    return NUMBER.search(Path(name).name) is not None


def list_pictures(name: str) -> list[Path]:
    """The files of a picture, a folder (natural order: 2 before 10) or a pattern (by number).

    A pattern may begin at any number and have gaps. Hidden files are passed over.

    Raises:
        UsageError: none are there.
    """
    path = Path(name)
    if path.is_file():
        return [path]
    try:
        if path.is_dir():
            found = [file for file in path.iterdir() if _is_picture(file)]
            wanted = f"pictures ({', '.join(sorted(SUFFIXES))})"
        else:
            expression = _expression(path.name)
            found = [file for file in path.parent.iterdir() if expression.fullmatch(file.name)]
            wanted = "files of this pattern"
    except OSError as error:
        raise UsageError(f"source {name}: cannot be read: {error.strerror or error}") from error
    if not found:
        raise UsageError(f"source {name}: there are no {wanted}")
    return sorted(found, key=_natural)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", path.name)
    # Text and numbers alternate, so that like is compared with like.
    keys = [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)]
    return keys, path.name


def _expression(pattern: str) -> re.Pattern[str]:
    """What the names of a printf pattern look like: ``%03d`` is three digits or more."""
    found = NUMBER.search(pattern)
    assert found is not None
    zero, width = found.group(1), int(found.group(2) or 1)
    number = f"(?:[0-9]{{{width}}}|[1-9][0-9]{{{width},}})" if zero else "(?:0|[1-9][0-9]*)"
    before, after = pattern[: found.start()], pattern[found.end() :]
    return re.compile(re.escape(before) + number + re.escape(after))
