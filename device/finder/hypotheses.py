"""What may be one digit: a group as it is, its largest piece alone, or parts of it cut apart."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.finder.pieces import Group, Pieces
from edgedigits.device.reading import U8, Box
from edgedigits.preprocess import place

WIDE = 0.7  # width to height from which on a group may hold two digits
CUTS = 7  # places at most where a group may be cut
WIDEST = 1.5  # of the height: no part of a group that is cut is wider
WAIST, THIN = 0.7, 0.5  # of the height: the most that a cut's outline and ink may measure
NARROWEST = 0.18  # of the height: no digit but a 1 is narrower


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
        ink, origin = cut_out(group, pieces, strength)
        cuts = cut_places(ink, group.box) if group.box.w > WIDE * group.box.h else []
        edges = [0, *cuts, ink.shape[1]]
        parts.append(len(edges) - 1)
        for first in range(len(edges) - 1):
            for last in range(first + 1, len(edges)):
                width = edges[last] - edges[first]
                if width > WIDEST * group.box.h and width < ink.shape[1]:
                    continue
                part = ink[:, edges[first] : edges[last]]
                made = _hypothesis(
                    number, (first, last), part, (origin[0] + edges[first], origin[1])
                )
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
        own = cv2.inRange(labels, group.members[0], group.members[0])
    else:
        own = np.isin(labels, group.members).astype(np.uint8) * 255
    own = cv2.dilate(own, np.ones((3, 3), np.uint8))  # the soft edge of a stroke is ink too
    return np.asarray(cv2.bitwise_and(strength[top:bottom, left:right], own), np.uint8), (left, top)


def cut_places(ink: U8, box: Box) -> list[int]:
    """Columns where a group may be cut, left to right.

    Where the outline has a waist from above and below, or a vertical line meets least ink.
    """
    there = ink > 64
    amount = there.sum(axis=0).astype(np.float32)
    some = amount > 0
    top = np.where(some, there.argmax(axis=0), 0)
    bottom = np.where(some, len(there) - there[::-1].argmax(axis=0), 0)
    extent = (bottom - top).astype(np.float32)
    margin = max(2, int(NARROWEST * box.h))
    chosen: list[int] = []
    for profile, most in ((extent, WAIST), (amount, THIN)):
        smooth = _smooth(profile, max(1, box.h // 12))
        valleys = (v for v in _valleys(smooth) if margin <= v < len(smooth) - margin)
        for column in sorted(valleys, key=lambda column: float(smooth[column])):
            if smooth[column] > most * box.h or len(chosen) == CUTS:
                break
            if all(abs(column - other) >= margin for other in chosen):
                chosen.append(column)
    return sorted(chosen)


def _smooth(profile: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    window = np.full(2 * reach + 1, 1 / (2 * reach + 1), np.float32)
    return np.asarray(np.convolve(profile, window, "same"), np.float32)


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
