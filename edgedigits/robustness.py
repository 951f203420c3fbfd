"""Pictures made harder in a known way, to see how far a model's answers hold.

Each distortion takes uint8 ``[n, h, w]``, 0 background to 255 ink, and a generator, and gives
pictures of the same shape. What lies outside a picture is background.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
Distortion = Callable[[U8, np.random.Generator], U8]

SHIFT = 2  # pixels
ROTATION = 15  # degrees
NOISE = 40  # standard deviation, of 255
BLUR = 1  # standard deviation, pixels

DIRECTIONS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def shifted(images: U8, rng: np.random.Generator) -> U8:
    """Each moved by 2 pixels in one of 8 directions, which it draws; diagonals by 2 and 2."""
    chosen = rng.integers(len(DIRECTIONS), size=len(images))
    moved = np.zeros_like(images)
    for number, (down, right) in enumerate(DIRECTIONS):
        own = chosen == number
        moved[own] = move(images[own], SHIFT * down, SHIFT * right)
    return moved


def move(images: U8, down: int, right: int) -> U8:
    """All moved by whole pixels; what leaves the picture is lost."""
    _, height, width = images.shape
    moved = np.zeros_like(images)
    target = _kept(down, height), _kept(right, width)
    source = _kept(-down, height), _kept(-right, width)
    moved[:, target[0], target[1]] = images[:, source[0], source[1]]
    return moved


def _kept(by: int, size: int) -> slice:
    return slice(max(0, by), size + min(0, by))


def rotated(images: U8, rng: np.random.Generator) -> U8:
    """Each turned about its middle by 15 degrees, to the side that it draws."""
    signs = rng.choice((-1, 1), size=len(images))
    return _each(images, lambda image, i: turn(image, ROTATION * float(signs[i])))


def turn(image: U8, degrees: float) -> U8:
    """One picture ``[h, w]`` turned about its middle, anticlockwise, bilinear."""
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8)


def thin(images: U8, _rng: np.random.Generator) -> U8:
    """Each pixel the least of itself and its four neighbours: strokes lose a pixel a side."""
    return _each(images, lambda image, _: cv2.erode(image, CROSS))


def thick(images: U8, _rng: np.random.Generator) -> U8:
    """Each pixel the most of itself and its four neighbours: strokes gain a pixel a side."""
    return _each(images, lambda image, _: cv2.dilate(image, CROSS))


def noisy(images: U8, rng: np.random.Generator) -> U8:
    """Gaussian noise of standard deviation 40 added to each pixel, clipped to 0 and 255."""
    noise = rng.normal(0, NOISE, images.shape)
    return np.asarray(np.clip(np.rint(images + noise), 0, 255), np.uint8)


def blurred(images: U8, _rng: np.random.Generator) -> U8:
    """Each through a Gaussian of standard deviation 1 pixel."""

    def blur(image: U8, _: int) -> U8:
        smooth = cv2.GaussianBlur(
            image.astype(np.float32), (9, 9), BLUR, borderType=cv2.BORDER_CONSTANT
        )
        return np.asarray(np.rint(smooth), np.uint8)

    return _each(images, blur)


def _each(images: U8, change: Callable[[U8, int], Any]) -> U8:
    changed = np.empty_like(images)
    for i, image in enumerate(images):
        changed[i] = change(image, i)
    return changed


DISTORTIONS: dict[str, Distortion] = {
    "shifted": shifted,
    "rotated": rotated,
    "thin": thin,
    "thick": thick,
    "noisy": noisy,
    "blurred": blurred,
}
