"""Pictures of symbols as coarse scanners, other pens and low resolution leave them.

MNIST's digits come from one scanner and one way of reducing them to 20 pixels. A reader that saw
only those takes 8 pixels' worth of a digit, or one cut at a threshold, for none.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.preprocess import BOX, extent, place

U8 = NDArray[np.uint8]

FINE = 3  # sub-pixels a pixel while strokes are changed
NARROWEST, WIDEST = 0.75, 1.35  # times the width: other hands write narrower and wider
COARSEST, FINEST = 7, 20  # pixels of the symbol's height that a scanner had
SHARED = 0.35  # of the pictures that go through each of the steps that only some go through


def worn(rng: np.random.Generator, images: U8) -> U8:
    """Changed copies, each placed by MNIST's rule again.

    Args:
        rng: the only source of chance.
        images: uint8 ``[n, 28, 28]``, ink high.

    Returns:
        uint8 ``[n, 28, 28]``, in the same order; a picture without ink stays so.
    """
    return np.stack([_worn(rng, image) for image in images]) if len(images) else images.copy()


def _worn(rng: np.random.Generator, image: U8) -> U8:
    x, y, w, h = extent(image, 32)
    if w == 0:
        return np.zeros_like(image)
    stretch = float(np.exp(rng.uniform(np.log(NARROWEST), np.log(WIDEST))))
    size = max(2, round(w * stretch * FINE)), h * FINE
    large = cv2.resize(image[y : y + h, x : x + w], size, interpolation=cv2.INTER_CUBIC)
    large = cv2.copyMakeBorder(large, 12, 12, 12, 12, cv2.BORDER_CONSTANT, value=0)
    large = _pen(rng, np.asarray(large, np.uint8))
    large = _resolution(rng, large)
    if rng.random() < SHARED:
        large = cv2.GaussianBlur(large, (0, 0), float(rng.uniform(1, 4)))
    if rng.random() < SHARED:
        large = _tones(rng, np.asarray(large, np.uint8))
    return place(np.asarray(large, np.uint8))


def _pen(rng: np.random.Generator, large: U8) -> U8:
    """Finer or bolder strokes, by up to two thirds of a pixel to either side."""
    width = int(rng.integers(-2, 3))
    if width == 0:
        return large
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(width) + 1,) * 2)
    change = cv2.dilate if width > 0 else cv2.erode
    changed = np.asarray(change(large, kernel), np.uint8)
    return changed if changed.max() > 128 else large  # no stroke may vanish


def _resolution(rng: np.random.Generator, large: U8) -> U8:
    """As few pixels as a coarse scanner or a far camera has, brought back smoothly or in steps."""
    rows = int(rng.integers(COARSEST, FINEST + 1))
    scale = rows / (BOX * FINE)
    size = tuple(max(3, round(side * scale)) for side in large.shape[::-1])
    small = cv2.resize(large, size, interpolation=cv2.INTER_AREA)
    ways = (cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST)
    way = ways[int(rng.choice(3, p=(0.45, 0.45, 0.1)))]
    return np.asarray(cv2.resize(small, large.shape[::-1], interpolation=way), np.uint8)


def _tones(rng: np.random.Generator, large: U8) -> U8:
    """Harder or softer contrast, down to black and white alone."""
    part = large.astype(np.float32) / np.float32(max(1, int(large.max())))
    steep = float(np.exp(rng.uniform(np.log(1.0), np.log(12))))
    middle = float(rng.uniform(0.3, 0.55))
    toned = np.clip((part - middle) * steep + middle, 0, 1)
    return np.asarray(np.rint(255 * toned), np.uint8)
