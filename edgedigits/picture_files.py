"""Picture files as arrays: photographs upright, everything else as it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.errors import DataError
from edgedigits.files import read_file
from edgedigits.picture_headers import pixels

HEADER = 1 << 20  # bytes of a file among which its size stands
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})


def read_picture(path: Path) -> NDArray[Any]:
    """A picture file as OpenCV decodes it: ``[h, w]`` or ``[h, w, 3 or 4]`` (BGR or BGRA).

    Raises:
        DataError: the file cannot be read, is no picture, or has more pixels than can be decoded.
    """
    try:
        data = np.frombuffer(read_file(path), dtype=np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    # Photographs are turned upright by their EXIF data; PNG and the like may be transparent.
    photograph = path.suffix.lower() in {".jpg", ".jpeg"}
    with _silent_opencv():
        flag = cv2.IMREAD_COLOR if photograph else cv2.IMREAD_UNCHANGED
        try:
            picture = cv2.imdecode(data, flag) if len(data) else None
        except cv2.error as error:  # more than 2^30 pixels, or than there is memory for
            size = pixels(data[:HEADER].tobytes())
            what = "" if size is None else f", {size[0]:,}×{size[1]:,} pixels,"
            raise DataError(
                f"{path}: the picture{what} is too large to be decoded; make it smaller"
            ) from error
    if picture is None:
        raise DataError(f"{path}: is no picture that can be read; replace it or take it away")
    return np.asarray(picture)


@contextmanager
def _silent_opencv() -> Iterator[None]:
    """OpenCV's own complaints about a damaged file would stand beside our one line."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
