"""Small pictures of digits as strokes of a pen, of any width and size.

A 28×28 digit that is merely enlarged looks like blurred pixels. Here its centre line is found (T. Y.
Zhang, C. Y. Suen, "A fast parallel algorithm for thinning digital patterns", 1984) and drawn anew: a
pixel is ink where its distance from the line is below the pen's radius. Distances are smooth, so that
they can be enlarged to any size and stay sharp.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.preprocess import SIDE

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

GRID = 3  # field points a pixel of the small picture
FIELD = SIDE * GRID
HALF_INK = 110  # of 255: where the outline runs
SOFTENING = 0.14  # small pixels that smoothing adds to the distance at the line itself
BLOB = 1.4  # times the usual radius: wider places are filled, not lines


@dataclass(frozen=True, eq=False)
class Strokes:
    """The strokes of one digit; all distances in pixels of the small picture.

    Attributes:
        line: float32 ``[84, 84]``, distance to the centre line.
        depth: float32 ``[84, 84]``, distance to the outline, above 0 inside the ink.
        radius: half the width of the strokes as they were.
        holes: how many closed loops there are.
    """

    line: F32
    depth: F32
    radius: float
    holes: int

    def field(self, radius: float, own: float) -> F32:
        """Distance to the edge of the ink, below 0 inside, float32 ``[84, 84]``.

        Args:
            radius: of the pen, in pixels of the small picture; less is taken where a loop would
                fill.
            own: 0 for an even pen, to 1 for the pressure that the digit was written with.
        """
        for _ in range(4):
            field = self._field(radius, own)
            if _holes(field < 0) >= self.holes:
                break
            radius *= 0.8
        return field

    def _field(self, radius: float, own: float) -> F32:
        even = self.line - np.float32(SOFTENING + radius)
        pressed = np.float32(self.radius - radius) - self.depth
        blob = np.float32(BLOB * self.radius) - self.depth
        mixed = even + np.float32(own) * (pressed - even)
        return np.asarray(np.minimum(mixed, blob), np.float32)


def trace(images: U8) -> list[Strokes]:
    """The strokes of small digits.

    Args:
        images: uint8 ``[n, 28, 28]``, ink high.
    """
    count = len(images)
    if count == 0:
        return []
    sheet = images.reshape(count * SIDE, SIDE)
    large = cv2.resize(sheet, (FIELD, count * FIELD), interpolation=cv2.INTER_CUBIC)
    large = cv2.GaussianBlur(large, (0, 0), 1.2)
    # Faint digits have an outline too: the threshold follows each digit's strongest ink.
    strongest = images.reshape(count, -1).max(axis=1)
    threshold = np.repeat(HALF_INK * strongest / 255.0, FIELD)[:, None]
    mask = (large > threshold).astype(np.uint8)
    line = thin(mask)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    from_line = cv2.distanceTransform(1 - line, cv2.DIST_L2, 5)
    depth = np.asarray((inside - outside) / GRID, np.float32).reshape(count, FIELD, FIELD)
    distance = np.asarray(cv2.GaussianBlur(from_line, (0, 0), 1.0) / GRID, np.float32)
    distance = distance.reshape(count, FIELD, FIELD)
    lines = line.reshape(count, FIELD, FIELD) > 0
    masks = mask.reshape(count, FIELD, FIELD) > 0
    return [
        Strokes(
            distance[i],
            depth[i],
            float(np.median(depth[i][lines[i]])) if lines[i].any() else 1.0,
            _holes(masks[i]),
        )
        for i in range(count)
    ]


def thin(mask: U8) -> U8:
    """The centre lines of shapes, one pixel wide; 0 and 1, uint8 ``[h, w]`` as given."""
    weights = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)
    first, second = _removable()
    current = mask.copy()
    while True:
        before = int(current.sum())
        for table in (first, second):
            code = cv2.filter2D(current, cv2.CV_8U, weights, borderType=cv2.BORDER_CONSTANT)
            current = np.asarray(cv2.bitwise_and(current, cv2.LUT(code, table)), np.uint8)
        if int(current.sum()) == before:
            return current


@cache
def _removable() -> tuple[U8, U8]:
    """For each of 256 neighbourhoods, 0 where the middle may go in this half step, else 1."""
    tables = np.ones((2, 256), np.uint8)
    for code in range(256):
        around = [code >> i & 1 for i in range(8)]  # from above, clockwise
        changes = sum(
            a == 0 and b == 1 for a, b in zip(around, around[1:] + around[:1], strict=True)
        )
        if not (2 <= sum(around) <= 6 and changes == 1):
            continue
        up, right, down, left = around[0], around[2], around[4], around[6]
        if up * right * down == 0 and right * down * left == 0:
            tables[0, code] = 0
        if up * right * left == 0 and up * down * left == 0:
            tables[1, code] = 0
    return tables[0], tables[1]


def _holes(ink: NDArray[np.bool_]) -> int:
    """How many parts of the background are enclosed; specks of a few points do not count."""
    count, _, stats, _ = cv2.connectedComponentsWithStats((~ink).astype(np.uint8), connectivity=4)
    return int((stats[1:count, cv2.CC_STAT_AREA] > 6).sum()) - 1
