"""The one preprocessor: from a picture of one digit to the 28×28 pixels a model sees.

Training, calibration, evaluation and camera all call it, so that a digit looks the same to the
model wherever it comes from. NumPy and OpenCV only.

MNIST's rule (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"): the ink
is scaled, with anti-aliasing, so that its longer side is 20 pixels, and placed in a 28×28 field
with its centre of mass in the middle.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 28  # pixels of the field
BOX = 20  # pixels of the longer side of the ink
INK_THRESHOLD = 32  # of 255: fainter pixels do not count as ink when its box is looked for

U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Preprocessing:
    """The parameters of the preprocessor, as they travel inside a model file.

    Attributes:
        side: width and height of the model's field, in pixels.
        box: longer side of the ink, in pixels; 0 where pictures are taken as they are.
        ink: which pixels are high, always ``"high"``: 0 is background, 255 is ink.
        low: the model's input value for pixel 0.
        high: the model's input value for pixel 255.
    """

    side: int = SIDE
    box: int = BOX
    ink: str = "high"
    low: float = 0.0
    high: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """The parameters as plain values."""
        return asdict(self)


def to_grey(picture: NDArray[Any]) -> U8:
    """A picture as one byte a pixel.

    Args:
        picture: ``[h, w]``, ``[h, w, 1]``, ``[h, w, 3]`` (BGR) or ``[h, w, 4]`` (BGRA, laid on
            white); uint8, or uint16, which is scaled to a byte.

    Returns:
        uint8 ``[h, w]``.

    Raises:
        ValueError: another shape or dtype.
    """
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    if picture.dtype != np.uint8:
        raise ValueError(f"pixels are {picture.dtype}, not uint8 or uint16")
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[:, :, 0]
    if picture.ndim == 2:
        return np.ascontiguousarray(picture)
    if picture.ndim == 3 and picture.shape[2] == 4:
        alpha = picture[:, :, 3:].astype(np.uint16)
        over_white = (picture[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
        picture = over_white.astype(np.uint8)
    if picture.ndim == 3 and picture.shape[2] == 3:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    raise ValueError(f"shape {picture.shape} is not a grey, BGR or BGRA picture")


def is_dark_on_light(grey: U8) -> bool:
    """Whether the background is lighter than the ink, judged by the picture's border."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    middle = (int(grey.min()) + int(grey.max())) / 2
    return bool(np.median(border) > middle)


def ink_high(grey: U8) -> U8:
    """Turn dark-on-light into light-on-dark and stretch: background 0, strongest ink 255.

    Args:
        grey: uint8 ``[h, w]``, a picture of one symbol.

    Returns:
        uint8 ``[h, w]``. A picture without contrast becomes all 0.
    """
    ink = 255 - grey if is_dark_on_light(grey) else grey
    background = float(np.median(np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])))
    span = float(ink.max()) - background
    if span < 1:
        return np.zeros_like(ink)
    stretched = (ink.astype(np.float32) - background) * (255.0 / span)
    return np.asarray(np.clip(np.rint(stretched), 0, 255), dtype=np.uint8)


def extent(ink: U8, least: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the pixels of at least that value; all 0 where none is."""
    x, y, w, h = cv2.boundingRect((ink >= least).view(np.uint8))
    return int(x), int(y), int(w), int(h)


def place(ink: U8, *, side: int = SIDE, box: int = BOX) -> U8:
    """Place one symbol by MNIST's rule.

    Args:
        ink: uint8 ``[h, w]``, 0 background to 255 ink.
        side: width and height of the result, in pixels.
        box: longer side of the ink in the result, in pixels.

    Returns:
        uint8 ``[side, side]``; all 0 where there is no ink. The strongest pixel is 255.
    """
    field = np.zeros((side, side), dtype=np.uint8)
    x, y, w, h = extent(ink, INK_THRESHOLD)
    if w == 0:
        return field
    cut = ink[y : y + h, x : x + w]
    scale = box / max(cut.shape)
    height = max(1, round(cut.shape[0] * scale))
    width = max(1, round(cut.shape[1] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(cut, (width, height), interpolation=method), dtype=np.float32)
    np.clip(small, 0, 255, out=small)
    small *= 255.0 / max(1.0, float(small.max()))

    mass = float(small.sum())
    centre_y = float((small.sum(axis=1) * np.arange(height)).sum()) / mass
    centre_x = float((small.sum(axis=0) * np.arange(width)).sum()) / mass
    middle = (side - 1) / 2
    # Held inside the field: a lopsided symbol must not lose ink for the sake of its centre.
    top = min(max(round(middle - centre_y), 0), side - height)
    left = min(max(round(middle - centre_x), 0), side - width)
    field[top : top + height, left : left + width] = np.rint(small).astype(np.uint8)
    return field


def picture_to_digit(picture: NDArray[Any]) -> U8:
    """A picture of one symbol, of any size and polarity, as the model sees it.

    Args:
        picture: as for :func:`to_grey`.

    Returns:
        uint8 ``[28, 28]``, ink high, placed by MNIST's rule.

    Raises:
        ValueError: the array is not a picture.
    """
    return place(ink_high(to_grey(picture)))
