"""Arrays as people save them, brought to uint8 ``[n, 28, 28]`` pictures and int64 labels.

What is safe is converted, and a note says so; anything else is refused.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Images, Labels
from edgedigits.errors import DataError
from edgedigits.preprocess import SIDE, to_grey

PIXELS = SIDE * SIDE
MAX_CLASSES = 1000  # a larger label is a mistake in the file, not a class
MIN_SIDE, MAX_SIDE = 8, 1024  # pixels; what may be scaled to 28×28


def to_images(array: NDArray[Any], where: str) -> tuple[Images, tuple[str, ...]]:
    """Bring pictures of any usual shape and dtype to bytes.

    Args:
        array: ``[n, h, w]``, ``[n, h, w, 1]``, ``[n, h, w, 3]`` (RGB) or ``[n, 784]``; whole
            numbers 0 to 255, booleans, or floats 0 to 1 or 0 to 255.
        where: file and array, for messages.

    Returns:
        uint8 ``[n, 28, 28]``, and one note a conversion.

    Raises:
        DataError: no pictures, another shape, or values outside these ranges.
    """
    if array.ndim == 2 and array.shape[1] == PIXELS:
        array = array.reshape(-1, SIDE, SIDE)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[:, :, :, 0]
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] != 3):
        raise DataError(
            f"{where}: shape {_shape(array)} is no set of pictures; expected n×28×28, n×28×28×1, "
            "n×28×28×3 or n×784"
        )
    if len(array) == 0:
        raise DataError(f"{where}: holds no pictures")
    images, notes = _to_bytes(array, where)
    if images.ndim == 4:
        images = np.stack([to_grey(image[:, :, ::-1]) for image in images])
        notes.append(f"{where}: three channels were taken as RGB and turned to grey")
    if images.shape[1:] != (SIDE, SIDE):
        note = scaling_note(images.shape[1], images.shape[2], where)
        images = scale(images)
        notes.append(note)
    return np.ascontiguousarray(images), tuple(notes)


def _to_bytes(array: NDArray[Any], where: str) -> tuple[NDArray[np.uint8], list[str]]:
    if array.dtype == np.uint8:
        return array, []
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255, [f"{where}: true and false became 255 and 0"]
    if array.dtype.kind not in "iuf":
        raise DataError(f"{where}: values are {array.dtype}, not numbers")
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"{where}: holds values that are not finite numbers")
    if low < 0 or high > 255:
        raise DataError(
            f"{where}: values go from {low:g} to {high:g}; expected 0 to 255, or 0 to 1"
        )
    if array.dtype.kind == "f" and high <= 1:
        scaled = np.rint(array * 255).astype(np.uint8)
        return scaled, [f"{where}: {array.dtype} values 0 to 1 were multiplied by 255"]
    if array.dtype.kind == "f":
        return np.rint(array).astype(np.uint8), [
            f"{where}: {array.dtype} values were rounded to whole numbers 0 to 255"
        ]
    return array.astype(np.uint8), []


def scaling_note(height: int, width: int, where: str) -> str:
    """The note for pictures that are not 28×28.

    Raises:
        DataError: scaling them is not safe: not square, or of an unlikely size.
    """
    if height != width or not MIN_SIDE <= height <= MAX_SIDE:
        raise DataError(
            f"{where}: pictures are {width}×{height}; expected {SIDE}×{SIDE}, or squares of "
            f"{MIN_SIDE} to {MAX_SIDE} pixels, which are scaled to it"
        )
    return f"{where}: pictures of {width}×{height} were scaled to {SIDE}×{SIDE}"


def scale(images: NDArray[np.uint8]) -> Images:
    """Scale square pictures, uint8 ``[n, s, s]``, to uint8 ``[n, 28, 28]`` with anti-aliasing."""
    method = cv2.INTER_AREA if images.shape[1] > SIDE else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=method) for image in images])


def to_labels(array: NDArray[Any], pictures: int, where: str) -> Labels:
    """Bring class numbers to int64.

    Args:
        array: ``[n]`` or ``[n, 1]``; whole numbers 0 to 999, also stored as floats.
        pictures: how many pictures there are.
        where: file and array, for messages.

    Raises:
        DataError: another count, not whole numbers, negative, or 1,000 and more.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"{where}: labels have shape {_shape(array)}; expected one number a picture"
        )
    if len(array) != pictures:
        raise DataError(f"{where}: {len(array):,} labels for {pictures:,} pictures")
    if array.dtype.kind not in "iuf" or (
        array.dtype.kind == "f" and (array != np.rint(array)).any()
    ):
        raise DataError(f"{where}: labels are not whole numbers")
    if len(array) and not (array.min() >= 0 and array.max() < MAX_CLASSES):
        bad = array[(array < 0) | (array >= MAX_CLASSES)][0]
        raise DataError(
            f"{where}: label {bad:g} is no class number; expected 0 to {MAX_CLASSES - 1}"
        )
    return array.astype(np.int64)


def number_names(labels: Labels) -> tuple[str, ...]:
    """Class names "0", "1", … up to the highest label."""
    return tuple(str(i) for i in range(int(labels.max()) + 1 if len(labels) else 0))


def check_test_labels(labels: Labels, classes: int, where: str) -> None:
    """Refuse test labels that training has no class for.

    Raises:
        DataError: a label is ``classes`` or more.
    """
    if len(labels) and labels.max() >= classes:
        raise DataError(
            f"{where}: label {labels.max()} is outside the classes of the training part, "
            f"0 to {classes - 1}"
        )


def _shape(array: NDArray[Any]) -> str:
    return "×".join(str(size) for size in array.shape) or "of a single value"
