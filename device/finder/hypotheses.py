"""What may be one digit: a group as it is, its largest piece alone, or parts of it cut apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.finder.pieces import Group, Pieces
from edgedigits.device.reading import U8, Box
from edgedigits.preprocess import extent, place

WIDE = 0.65  # width to height from which on a group may hold two digits
CUTS = 3  # places at most where a group may be cut, for each height that it is wide
ROWS, MIDDLE = 24, 12  # pixels of the height at which cuts are looked for, and the row half way
WALL = 1e3  # pixels of ink: no path goes there
WIDEST = 1.5  # of the height: no part of a group that is cut is wider
THICKEST = 0.4  # of the height: the most ink that a cut may cross
WAIST = 0.9  # of the height: the most that the outline may measure at a straight cut
ASIDE = np.float32(0.1)  # pixels of ink that a step aside is worth
VISIBLE = 65  # of 255: ink from which on it counts for a box
NARROWEST = 0.18  # of the height: no digit but a 1 is narrower


Columns = NDArray[np.int64]
F32 = NDArray[np.float32]


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
    groups: Sequence[Group], pieces: Pieces, strength: U8, *, uncut: int = 0
) -> tuple[list[Hypothesis], list[int]]:
    """Every hypothesis about every group.

    Args:
        groups: from :func:`edgedigits.device.finder.pieces.group_pieces`.
        pieces: of the frame. strength: uint8 ``[h, w]``, the frame's ink.
        uncut: how many groups, the last, are not cut.

    Returns:
        The hypotheses, and for each group the number of its parts (1: it is not cut).
    """
    inks = [cut_out(group, pieces, strength) for group in groups]
    first_uncut = len(groups) - uncut
    wide = [i for i, g in enumerate(groups[:first_uncut]) if g.box.w > WIDE * g.box.h]
    cuts = dict(zip(wide, cuts_of([inks[i][0] for i in wide]), strict=True))
    found: list[Hypothesis] = []
    parts = []
    for number, group in enumerate(groups):
        ink, (x, y) = inks[number]
        height, width = ink.shape
        edges = [np.zeros(height, np.int64), *cuts.get(number, []), np.full(height, width)]
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


def cuts_of(inks: Sequence[U8]) -> list[list[Columns]]:
    """Where groups may be cut: each cut's column in every row, cuts from left to right.

    A cut is a path from top to bottom through as little ink as possible, at most one column aside
    a row, found by dynamic programming as the seams of S. Avidan, A. Shamir, "Seam carving for
    content-aware image resizing", 2007.

    Args:
        inks: of each group, uint8 ``[h, w]``.
    """
    if not inks:
        return []
    costs = []
    for ink in inks:
        size = max(1, round(ink.shape[1] * ROWS / ink.shape[0])), ROWS
        small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
        costs.append(np.asarray(small, np.float32) / np.float32(255))
    # All groups side by side, with walls between, once as they are and once upside down.
    wall = np.full((ROWS, 1), WALL, np.float32)
    sheet = np.hstack([part for cost in costs for part in (cost, wall)])
    both = _costs(np.hstack([sheet, sheet[::-1]]))
    down, up = both[:, : sheet.shape[1]], both[::-1, sheet.shape[1] :]
    found, start = [], 0
    for ink, cost in zip(inks, costs, strict=True):
        own = slice(start, start + cost.shape[1])
        start += cost.shape[1] + 1
        found.append(_cuts(down[:, own], up[:, own], cost, ink.shape))
    return found


def _costs(cost: F32) -> F32:
    """What the cheapest path from the first row to each pixel costs, float32 ``[h, w]``."""
    total = cost.copy()
    for before, row in itertools.pairwise(total):
        least = before.copy()
        aside = before + ASIDE
        np.minimum(least[1:], aside[:-1], out=least[1:])
        np.minimum(least[:-1], aside[1:], out=least[:-1])
        row += least
    return np.asarray(total)


def _cuts(down: F32, up: F32, cost: F32, shape: tuple[int, ...]) -> list[Columns]:
    """The best cuts of one group, in pixels of the frame."""
    width = cost.shape[1]
    most = 1 + round(CUTS * width / ROWS)
    through = down[MIDDLE] + up[MIDDLE] - cost[MIDDLE]
    paths = {
        column: _path(down, up, column)
        for column in _lowest(through, THICKEST * ROWS, most, taken=())
    }
    # Where two rings touch, paths slip into the rings; the waist of their outline is straight.
    for column in _lowest(_outline(cost), WAIST * ROWS, most - len(paths), taken=tuple(paths)):
        paths[column] = np.full(ROWS, column)
    rows = np.arange(shape[0]) * ROWS // shape[0]
    scale = shape[1] / width
    return [
        np.rint((paths[column][rows] + 0.5) * scale - 0.5).astype(np.int64)
        for column in sorted(paths)
    ]


def _lowest(profile: F32, limit: float, most: int, taken: tuple[int, ...]) -> list[int]:
    """The lowest valleys of a profile that keep their distance from each other and from others."""
    margin = max(2, round(NARROWEST * ROWS))
    valleys = [v for v in _valleys(profile) if margin <= v < len(profile) - margin]
    chosen: list[int] = []
    for column in sorted(valleys, key=lambda column: float(profile[column])):
        if profile[column] > limit or len(chosen) >= most:
            break
        if all(abs(column - other) >= margin for other in (*taken, *chosen)):
            chosen.append(column)
    return chosen


def _outline(cost: F32) -> F32:
    """How far apart the highest and lowest ink of each column lie, float32 ``[w]``."""
    there = cost > VISIBLE / 255
    first, last = there.argmax(axis=0), ROWS - there[::-1].argmax(axis=0)
    extent = np.where(there.any(axis=0), last - first, 0).astype(np.float32)
    return np.asarray(np.convolve(extent, np.full(3, 1 / 3), "same"), np.float32)


def _path(down: F32, up: F32, column: int) -> Columns:
    """The cheapest path through a column of the middle row: its column in every row."""
    path = np.full(ROWS, column, np.int64)
    for totals, rows in ((down, range(MIDDLE - 1, -1, -1)), (up, range(MIDDLE + 1, ROWS))):
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
    x, y, w, h = extent(ink, VISIBLE)
    if w == 0:
        return None
    return Hypothesis(group, span, Box(corner[0] + x, corner[1] + y, w, h), place(ink))
