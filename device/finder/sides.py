"""Strokes told from edges: a stroke has paper on both sides, the edge of a page or table on one."""

from __future__ import annotations

import numpy as np

from edgedigits.device.reading import U8, Box

UPRIGHT = 1.8  # height to width from which on ink may be an edge
LIGHTER = 0.4  # of the contrast with the one side: the least contrast with the other
PAPER = 0.8  # of a side's pixels are darker than its paper, whatever else stands there
NEAREST = 3  # pixels of a side at least


def is_edge(grey: U8, box: Box, dark_on_light: bool) -> bool:
    """Whether upright ink is the border between two grounds.

    Args:
        grey: uint8 ``[h, w]``, the frame. box: of the ink, in its pixels.
        dark_on_light: the polarity of the frame's ink.

    Returns:
        False also for ink that is not upright or has only one side within the frame.
    """
    if box.h <= UPRIGHT * box.w:
        return False
    wide = max(NEAREST, box.w) + 2
    rows = slice(box.y + box.h // 5, box.y + box.h - box.h // 5)
    left = grey[rows, max(0, box.x - wide) : max(0, box.x - 1)]
    right = grey[rows, box.x + box.w + 1 : box.x + box.w + wide]
    if min(left.shape[1], right.shape[1]) < NEAREST or left.shape[0] == 0:
        return False
    stroke = grey[rows, box.x : box.x + box.w]
    if not dark_on_light:
        stroke, left, right = 255 - stroke, 255 - left, 255 - right
    rows_ink = np.sort(stroke.min(axis=1))
    ink = float(rows_ink[len(rows_ink) // 2])  # a slanted stroke is a small part of its box
    near, far = sorted(_paper(side) - ink for side in (left, right))
    return near < LIGHTER * far


def _paper(side: U8) -> float:
    values = np.sort(side, axis=None)
    return float(values[int(PAPER * (len(values) - 1))])
