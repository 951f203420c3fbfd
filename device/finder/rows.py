"""The order in which digits are read: rows from top to bottom, each from left to right."""

from __future__ import annotations

from collections.abc import Sequence

from edgedigits.device.reading import Box

SAME_ROW = 0.5  # of the smaller height: boxes that overlap so much vertically share a row


def in_rows(boxes: Sequence[Box]) -> tuple[tuple[int, ...], ...]:
    """Positions of boxes in reading order.

    A row goes on from a box to the one nearest on its right that overlaps it vertically, so that
    a row may rise or fall along the page.
    """
    order = sorted(range(len(boxes)), key=lambda i: boxes[i].x)
    rows: list[list[int]] = []
    for i in order:
        best, most = None, SAME_ROW
        for row in rows:
            overlap = _overlap(boxes[row[-1]], boxes[i])
            if overlap > most:
                best, most = row, overlap
        if best is None:
            rows.append([i])
        else:
            best.append(i)
    rows.sort(key=lambda row: sum(boxes[i].y + boxes[i].h / 2 for i in row) / len(row))
    return tuple(tuple(row) for row in rows)


def _overlap(first: Box, second: Box) -> float:
    shared = min(first.y + first.h, second.y + second.h) - max(first.y, second.y)
    return shared / max(1, min(first.h, second.h))
