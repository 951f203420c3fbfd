"""Connected pieces of ink, those that can be no digit left out, and pieces that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.finder.ink import Ink
from edgedigits.device.reading import U8, Box

SMALLEST = 8  # pixels of a digit's longer side; below that its shape is lost
SPECK = 0.22  # of the usual height: smaller pieces are dirt, unless they complete another
MOST = 400  # pieces looked at in one frame, the largest first
ALONG_BORDER = 0.3  # of a side: a longer piece at the border is the table or the page's edge
CLOSE = 0.4  # of the height: what is lower at a frame's border comes from outside
GAP = 0.35  # of the usual height: parts of one digit lie no further apart
BROKEN = 0.4  # of it: so far apart lie two parts of a broken digit
PART = 0.85  # of it: one of two parts is not as high
LEAST_WHOLE, MOST_WHOLE, WIDEST_WHOLE = 0.6, 1.4, 1.3  # of it, and of their own height: both parts
LEAST_PART = 0.15  # of it, on its longer side
MOST_PAIRS = 60


@dataclass(frozen=True, eq=False)
class Pieces:
    """Connected pieces of ink of a frame.

    Attributes:
        labels: uint16 or int32 ``[h, w]``, 0 where there is no ink, else 1 + the number of a piece.
        boxes: int32 ``[n, 4]``, left, top, width, height of each.
        areas: ``[n]``, pixels of each; 0 where none of them is strong enough to be ink.
    """

    labels: NDArray[Any]
    boxes: NDArray[np.int32]
    areas: NDArray[np.int32]


@dataclass(frozen=True)
class Group:
    """Pieces that are looked at as one.

    Attributes:
        box: around all of them.
        members: their labels in ``Pieces.labels``, the largest first.
    """

    box: Box
    members: tuple[int, ...]


def find_pieces(ink: Ink) -> Pieces:
    """The connected pieces of a frame's ink."""
    try:
        labels, stats = _connected(ink.mask, cv2.CV_16U)  # a third of the time of 32 bits
    except cv2.error:  # more pieces than 16 bits can tell apart
        labels, stats = _connected(ink.mask, cv2.CV_32S)
    seeded = np.bincount(labels[ink.seeds > 0], minlength=len(stats))[1:] > 0
    return Pieces(
        labels, np.asarray(stats[1:, :4]), np.asarray(stats[1:, cv2.CC_STAT_AREA]) * seeded
    )


def _connected(mask: U8, kind: int) -> tuple[NDArray[Any], NDArray[np.int32]]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=kind)
    return np.asarray(labels), np.asarray(stats, np.int32)


def plausible(pieces: Pieces) -> NDArray[np.int64]:
    """Numbers of the pieces that may be a digit or a part of one, int64, the largest first."""
    height, width = pieces.labels.shape
    x, y, w, h = pieces.boxes.T
    longer = np.maximum(w, h)
    at_border = (x <= 1) | (y <= 1) | (x + w >= width - 1) | (y + h >= height - 1)
    too_long = at_border & ((w > ALONG_BORDER * width) | (h > 0.9 * height))
    # What reaches into the frame, as a pen, is no digit; but a picture may be cut out close to one.
    entering = at_border & (h < CLOSE * height)
    frame = (w > 0.9 * width) | (h > 0.98 * height)
    good = (longer >= 3) & (pieces.areas >= 4) & ~too_long & ~entering & ~frame
    chosen = np.flatnonzero(good)
    return chosen[np.argsort(-pieces.areas[chosen], kind="stable")][:MOST]


def usual_height(pieces: Pieces, chosen: NDArray[np.int64]) -> float:
    """The height that half of all ink exceeds, in pixels; 0 where there is none."""
    heights = pieces.boxes[chosen, 3]
    if heights.size == 0:
        return 0.0
    order = np.argsort(heights)
    weight = np.cumsum(pieces.areas[chosen][order].astype(np.float64))
    return float(heights[order][np.searchsorted(weight, weight[-1] / 2)])


def group_pieces(pieces: Pieces) -> tuple[Group, ...]:
    """Pieces that may be digits, each with the smaller ones that may be parts of it."""
    chosen = plausible(pieces)
    usual = usual_height(pieces, chosen)
    boxes = [Box(*(int(v) for v in pieces.boxes[i])) for i in chosen]
    groups: list[list[int]] = []  # positions in boxes
    around: list[Box] = []
    for i, box in enumerate(boxes):
        home = _home(box, around, usual)
        if home is not None:
            groups[home].append(i)
            around[home] = union(around[home], box)
        elif max(box.w, box.h) >= max(SMALLEST, SPECK * usual):
            groups.append([i])
            around.append(box)
    return tuple(
        Group(box, tuple(int(chosen[i]) + 1 for i in members))
        for box, members in zip(around, groups, strict=True)
        if max(box.w, box.h) >= SMALLEST
    )


def neighbours(groups: Sequence[Group], usual: float) -> tuple[tuple[int, int], ...]:
    """Pairs of groups that may be the two parts of one digit, as the bow of a 5 and its bar.

    Args:
        groups: of a frame. usual: the height of its ink, in pixels.
    """
    if len(groups) < 2 or usual <= 0:
        return ()
    x, y, w, h = np.array([group.box for group in groups], np.float32).T
    right, bottom = x + w, y + h
    across = np.maximum(x[:, None], x) - np.minimum(right[:, None], right)
    along = np.maximum(y[:, None], y) - np.minimum(bottom[:, None], bottom)
    wide = np.maximum(right[:, None], right) - np.minimum(x[:, None], x)
    high = np.maximum(bottom[:, None], bottom) - np.minimum(y[:, None], y)
    lower = np.minimum(h[:, None], h)
    size = np.minimum(np.maximum(w, h)[:, None], np.maximum(w, h))
    good = (
        (np.maximum(across, 0) + np.maximum(along, 0) < BROKEN * usual)
        & (high >= LEAST_WHOLE * usual)
        & (high <= MOST_WHOLE * usual)
        & (wide <= high * WIDEST_WHOLE)
        & (lower < PART * usual)
        & (size >= LEAST_PART * usual)
    )
    first, second = np.nonzero(np.triu(good, 1))
    return tuple(zip(first.tolist(), second.tolist(), strict=True))[:MOST_PAIRS]


def together(first: Group, second: Group) -> Group:
    """Two groups as one."""
    return Group(union(first.box, second.box), (*first.members, *second.members))


def union(first: Box, second: Box) -> Box:
    """The smallest box around two."""
    left, top = min(first.x, second.x), min(first.y, second.y)
    right = max(first.x + first.w, second.x + second.w)
    bottom = max(first.y + first.h, second.y + second.h)
    return Box(left, top, right - left, bottom - top)


def _home(box: Box, around: list[Box], usual: float) -> int | None:
    """The group that a piece, smaller than what is in it, completes."""
    best, nearest = None, np.inf
    for number, other in enumerate(around):
        whole = union(box, other)
        # Stands above, below or within the other: side by side are two digits.
        shared = min(box.x + box.w, other.x + other.w) - max(box.x, other.x)
        if shared < 0.5 * min(box.w, other.w):
            continue
        # A line drawn below a digit is no part of it.
        if box.w > 1.5 * other.w and box.w > 0.8 * other.h:
            continue
        gap = max(box.y, other.y) - min(box.y + box.h, other.y + other.h)
        reach = GAP * min(max(usual, 1.0), max(other.w, other.h))
        if (
            gap > reach
            or whole.h > 1.5 * max(usual, other.h)
            or whole.h > 1.6 * max(other.w, other.h)
        ):
            continue
        # Two whole digits one above the other are rows, not parts.
        if box.h > 0.7 * other.h and gap > 0:
            continue
        if gap < nearest:
            best, nearest = number, gap
    return best
