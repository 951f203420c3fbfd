"""Small pictures of digits as strokes of a pen, of any width and size.

A 28×28 digit that is merely enlarged looks like blurred pixels. Here its centre line is found
(T. Y. Zhang, C. Y. Suen, "A fast parallel algorithm for thinning digital patterns", 1984) and drawn
anew: a pixel is ink where its distance from the line is below the pen's radius. Distances are
smooth, so that they can be enlarged to any size and stay sharp.
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
LEVELS = (110, 145, 180, 210)  # of 255: where the outline may run; higher ones open small loops
SOFTENING = 0.14  # small pixels that smoothing adds to the distance at the line itself
BLOB = 1.85  # times the usual radius: wider places are filled, not lines
FINE, FINE_BULGE = 1.25, 1.5  # radius and bulge up to which a loop cannot hide
BOLD = 2.1  # radius in small pixels from which a line says too little about its digit
LOOPS = {0: 1, 6: 1, 8: 2, 9: 1}


@dataclass(frozen=True, eq=False)
class Strokes:
    """The strokes of one digit; all distances in pixels of the small picture.

    Attributes:
        line: float32 ``[84, 84]``, distance to the centre line.
        depth: float32 ``[84, 84]``, distance to the outline, above 0 inside the ink.
        radius: half the width of the strokes as they were.
        holes: how many closed loops there are.
        is_line: whether the centre line alone still shows the digit. Where loops have run full of
            ink it does not, and the outline is kept.
    """

    line: F32
    depth: F32
    radius: float
    holes: int
    is_line: bool

    def field(self, radius: float, own: float) -> F32:
        """Distance to the edge of the ink, below 0 inside, float32 ``[84, 84]``.

        Args:
            radius: of the pen, in pixels of the small picture; less is taken where a loop would
                fill, and about its own where the digit must keep its outline.
            own: 0 for an even pen, to 1 for the pressure that the digit was written with.
        """
        if not self.is_line:
            return self._field(float(np.clip(radius, 0.8 * self.radius, 1.2 * self.radius)), 1.0)
        for _ in range(4):
            field = self._field(radius, own)
            if _holes(field < 0) >= self.holes:
                break
            radius *= 0.8
        return field

    def _field(self, radius: float, own: float) -> F32:
        even = self.line - np.float32(SOFTENING + radius)
        pressed = np.float32(self.radius - radius) - self.depth
        return np.asarray(even + np.float32(own) * (pressed - even), np.float32)


def trace(images: U8, labels: NDArray[np.int64]) -> list[Strokes]:
    """The strokes of small digits.

    Args:
        images: uint8 ``[n, 28, 28]``, ink high.
        labels: int64 ``[n]``.
    """
    count = len(images)
    if count == 0:
        return []
    mask = _outlines(images, labels)
    line = thin(mask)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    from_line = cv2.distanceTransform(1 - line, cv2.DIST_L2, 5)
    fields = (count, FIELD, FIELD)
    depth = np.asarray((inside - outside) / GRID, np.float32).reshape(fields)
    distance = np.asarray(cv2.GaussianBlur(from_line, (0, 0), 1.0) / GRID, np.float32)
    distance, lines, masks = distance.reshape(fields), line.reshape(fields), mask.reshape(fields)
    return [
        _strokes(distance[i], depth[i], lines[i] > 0, masks[i] > 0, int(labels[i]))
        for i in range(count)
    ]


def _outlines(images: U8, labels: NDArray[np.int64]) -> U8:
    """Where ink is, on a finer grid: 0 and 1, uint8 ``[n * 84, 84]``."""
    count = len(images)
    sheet = images.reshape(count * SIDE, SIDE)
    large = cv2.resize(sheet, (FIELD, count * FIELD), interpolation=cv2.INTER_CUBIC)
    large = cv2.GaussianBlur(large, (0, 0), 0.9)
    masks = []
    for tile, image, label in zip(large.reshape(count, FIELD, FIELD), images, labels, strict=True):
        # Faint digits have an outline too: the levels follow each digit's strongest ink.
        unit = float(image.max()) / 255
        mask = tile > LEVELS[0] * unit
        parts = _parts(mask)
        for level in LEVELS[1:]:
            if _holes(mask) >= LOOPS.get(int(label), 0):
                break
            higher = tile > level * unit
            if _parts(higher) > parts:  # the pen's line itself breaks
                break
            mask = higher
        masks.append(mask)
    return np.asarray(np.concatenate(masks), np.uint8)


def _strokes(
    line: F32, depth: F32, on_line: NDArray[np.bool_], mask: NDArray[np.bool_], label: int
) -> Strokes:
    widths = depth[on_line]
    if len(widths) == 0:
        return Strokes(line, depth, 1.0, 0, False)
    radius = float(np.median(widths))
    holes = _holes(mask)
    bulge = float(widths.max()) / radius
    # A loop that a fine pen did not close is an open loop, not one run full.
    open_or_all = holes >= LOOPS.get(label, 0) or (radius < FINE and bulge < FINE_BULGE)
    is_line = open_or_all and radius < BOLD and bulge < BLOB
    return Strokes(line, depth, radius, holes, is_line)


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
            return np.asarray(current, np.uint8)


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


def _parts(ink: NDArray[np.bool_]) -> int:
    """How many pieces the ink is in."""
    return int(cv2.connectedComponents(ink.astype(np.uint8))[0]) - 1
