"""Ways of writing that MNIST's writers seldom used: the crossed 7, the 1 with flag and foot."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.preprocess import SIDE, place

U8 = NDArray[np.uint8]

FINE = 4  # sub-pixels a pixel: lines are drawn large and made small
SHIFT = 4  # binary places of the coordinates that cv2.line is given


def other_styles(rng: np.random.Generator, count: int, digits: Pictures) -> Pictures:
    """Ones with a flag, ones with flag and foot, and crossed sevens, a third of each.

    Args:
        rng: the only source of chance. count: how many.
        digits: uint8 ``[n, 28, 28]`` with labels, among them 1 and 7.
    """
    assert digits.labels is not None
    ones, sevens = (digits.images[digits.labels == digit] for digit in (1, 7))
    images = np.empty((count, SIDE, SIDE), np.uint8)
    labels = np.empty(count, np.int64)
    for i in range(count):
        seven = i % 3 == 0
        source = sevens if seven else ones
        picture = source[int(rng.integers(len(source)))]
        lines = _bar(rng, picture) if seven else _flag(rng, picture, foot=i % 3 == 1)
        images[i] = place(_with_lines(picture, lines, float(rng.uniform(1.4, 2.8))))
        labels[i] = 7 if seven else 1
    return Pictures(images, labels)


Line = tuple[float, float, float, float]


def _extent(picture: U8) -> tuple[int, int, float]:
    rows = np.flatnonzero(picture.max(axis=1) > 64)
    return int(rows[0]), int(rows[-1]), float(rows[-1] - rows[0] + 1)


def _middle(picture: U8, row: int) -> float:
    """Where the ink of a row lies on average."""
    ink = picture[row].astype(np.float64)
    return float((ink * np.arange(len(ink))).sum() / max(1.0, ink.sum()))


def _bar(rng: np.random.Generator, picture: U8) -> list[Line]:
    top, _, height = _extent(picture)
    row = int(top + height * rng.uniform(0.42, 0.62))
    x, half = _middle(picture, row), height * rng.uniform(0.16, 0.3)
    tilt = half * np.tan(rng.uniform(-0.35, 0.2))
    return [(x - half, row - tilt, x + half, row + tilt)]


def _flag(rng: np.random.Generator, picture: U8, *, foot: bool) -> list[Line]:
    top, bottom, height = _extent(picture)
    x, reach = _middle(picture, top + 1), height * rng.uniform(0.18, 0.62)
    angle = rng.uniform(0.5, 1.0)
    lines = [(x, top + 0.5, x - reach * np.cos(angle), top + 0.5 + reach * np.sin(angle))]
    if foot:
        low, half = _middle(picture, bottom - 1), height * rng.uniform(0.15, 0.32)
        lines.append((low - half, bottom - 0.5, low + half, bottom - 0.5 + rng.uniform(-1, 1)))
    return lines


def _with_lines(picture: U8, lines: list[Line], width: float) -> U8:
    """The picture with lines of a pen, width in pixels; on a wider field, so that none is cut."""
    wide = cv2.copyMakeBorder(picture, SIDE // 2, SIDE // 2, SIDE // 2, SIDE // 2, 0)
    large = np.zeros((wide.shape[0] * FINE, wide.shape[1] * FINE), np.uint8)
    for line in lines:
        x0, y0, x1, y1 = (round((v + SIDE // 2 + 0.5) * FINE * 2**SHIFT) for v in line)
        thick = max(1, round(width * FINE))
        cv2.line(large, (x0, y0), (x1, y1), 255, thick, cv2.LINE_AA, SHIFT)
    drawn = cv2.resize(large, wide.shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.max(wide, drawn), np.uint8)
