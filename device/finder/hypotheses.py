"""What may be one digit: a group as it is, its largest piece alone, or parts of it cut apart."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.finder.pieces import Group, Pieces
from edgedigits.device.reading import U8, Box
from edgedigits.preprocess import place

WIDE = 0.65  # width to height from which on a group may hold two digits
CUTS = 3  # places at most where a group may be cut, for each height that it is wide
ROWS = 24  # pixels of the height at which cuts are looked for
WIDEST = 1.5  # of the height: no part of a group that is cut is wider
THICKEST = 0.4  # of the height: the most ink that a cut may cross
ASIDE = np.float32(0.1)  # pixels of ink that a step aside is worth
NARROWEST = 0.18  # of the height: no digit but a 1 is narrower


Columns = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """Ink that may be one digit.

    Attributes:
        group: the number of its group.
        span: numbers of the first cut and the one it ends before; whole groups span all.
        box: around its ink, in the frame.
        crop: uint8 ``[28, 28]``, placed by MNIST's rule.
    """

    group: int
    span: tuple[int, int]
    box: Box
    crop: U8


def hypotheses(
    groups: tuple[Group, ...], pieces: Pieces, strength: U8
) -> tuple[list[Hypothesis], list[int]]:
    """Every hypothesis about every group.

    Args:
        groups: from :func:`edgedigits.device.finder.pieces.group_pieces`.
        pieces: of the frame. strength: uint8 ``[h, w]``, the frame's ink.

    Returns:
        The hypotheses, and for each group the number of its parts (1: it is not cut).
    """
    found: list[Hypothesis] = []
    parts = []
    for number, group in enumerate(groups):
        ink, (x, y) = cut_out(group, pieces, strength)
        cuts = cuts_of(ink) if group.box.w > WIDE * group.box.h else []
        height, width = ink.shape
        edges = [np.zeros(height, np.int64), *cuts, np.full(height, width)]
        parts.append(len(edges) - 1)
        for first in range(len(edges) - 1):
            for last in range(first + 1, len(edges)):
                left, right = int(edges[first].min()), int(edges[last].max())
                middle = edges[last][height // 2] - edges[first][height // 2]
                if middle > WIDEST * group.box.h and middle < width:
                    continue
                part = _between(ink[:, left:right], edges[first] - left, edges[last] - left)
                made = _hypothesis(number, (first, last), part, (x + left, y))
                if made is not None:
                    found.append(made)
    return found, parts


def cut_out(group: Group, pieces: Pieces, strength: U8) -> tuple[U8, tuple[int, int]]:
    """A group's ink without its neighbours', uint8 ``[h, w]``, and where its corner lies."""
    height, width = strength.shape
    x, y, w, h = group.box
    left, top = max(0, x - 1), max(0, y - 1)
    right, bottom = min(width, x + w + 1), min(height, y + h + 1)
    labels = pieces.labels[top:bottom, left:right]
    if len(group.members) == 1:
        own = np.equal(labels, group.members[0]).astype(np.uint8) * 255
    else:
        own = np.isin(labels, group.members).astype(np.uint8) * 255
    own = cv2.dilate(own, np.ones((3, 3), np.uint8))  # the soft edge of a stroke is ink too
    return np.asarray(cv2.bitwise_and(strength[top:bottom, left:right], own), np.uint8), (left, top)


def cuts_of(ink: U8) -> list[Columns]:
    """Where a group may be cut: each cut's column in every row, cuts from left to right.

    A cut is a path from top to bottom through as little ink as possible, at most one column aside
    a row, found by dynamic programming as the seams of S. Avidan, A. Shamir, "Seam carving for
    content-aware image resizing", 2007.

    Args:
        ink: uint8 ``[h, w]``.
    """
    scale = max(1.0, ink.shape[0] / ROWS)
    size = tuple(max(1, round(side / scale)) for side in ink.shape[::-1])
    small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
    cost = np.asarray(small, np.float32) / np.float32(255)
    down, up = _costs(cost), _costs(cost[::-1])[::-1]
    middle = len(cost) // 2
    through = np.asarray(down[middle] + up[middle] - cost[middle], np.float32)
    margin = max(2, round(NARROWEST * len(cost)))
    most = 1 + round(CUTS * len(through) / len(cost))
    chosen: list[int] = []
    valleys = [v for v in _valleys(through) if margin <= v < len(through) - margin]
    for column in sorted(valleys, key=lambda column: float(through[column])):
        if through[column] > THICKEST * len(cost) or len(chosen) == most:
            break
        if all(abs(column - other) >= margin for other in chosen):
            chosen.append(column)
    rows = np.minimum((np.arange(ink.shape[0]) / scale).astype(np.int64), len(cost) - 1)
    return [
        np.rint(_path(down, up, column)[rows] * scale + (scale - 1) / 2).astype(np.int64)
        for column in sorted(chosen)
    ]


def _costs(cost: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the cheapest path from the first row to each pixel costs, float32 ``[h, w]``."""
    total = cost.copy()
    for before, row in zip(total, total[1:], strict=False):
        least = before.copy()
        aside = before + ASIDE
        np.minimum(least[1:], aside[:-1], out=least[1:])
        np.minimum(least[:-1], aside[1:], out=least[:-1])
        row += least
    return total


def _path(down: NDArray[np.float32], up: NDArray[np.float32], column: int) -> Columns:
    """The cheapest path through a column of the middle row: its column in every row."""
    middle = len(down) // 2
    path = np.full(len(down), column, np.int64)
    for totals, rows in ((down, range(middle - 1, -1, -1)), (up, range(middle + 1, len(down)))):
        at = column
        for row in rows:
            first = max(0, at - 1)
            near = totals[row, first : at + 2].tolist()
            near[at - first] -= ASIDE
            at = first + near.index(min(near))
            path[row] = at
    return path


def _valleys(profile: NDArray[np.float32]) -> list[int]:
    """Columns lower than what is left and right of them; of a flat valley the middle."""
    steps = np.flatnonzero(np.diff(profile) != 0)
    starts = np.concatenate([[0], steps + 1])
    ends = np.concatenate([steps, [len(profile) - 1]])
    values = profile[starts]
    return [
        int((starts[i] + ends[i]) // 2)
        for i in range(1, len(values) - 1)
        if values[i] < values[i - 1] and values[i] < values[i + 1]
    ]


def _between(ink: U8, left: Columns, right: Columns) -> U8:
    """Ink from one cut to the next."""
    columns = np.arange(ink.shape[1])
    inside = (columns >= left[:, None]) & (columns < right[:, None])
    return np.asarray(ink * inside, np.uint8)


def _hypothesis(
    group: int, span: tuple[int, int], ink: U8, corner: tuple[int, int]
) -> Hypothesis | None:
    there = ink > 64
    rows = np.flatnonzero(there.any(axis=1))
    columns = np.flatnonzero(there.any(axis=0))
    if rows.size == 0:
        return None
    box = Box(
        corner[0] + int(columns[0]),
        corner[1] + int(rows[0]),
        int(columns[-1] - columns[0]) + 1,
        int(rows[-1] - rows[0]) + 1,
    )
    return Hypothesis(group, span, box, place(ink))
