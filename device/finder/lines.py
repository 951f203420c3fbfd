"""Ruled lines and grids: found by strips, so that they may slope and bend, and taken out.

A strip is a narrow column of the frame. In each, a ruled line is a row where thin ink reaches from
side to side; rows that go on from strip to strip, across much of the frame, are a line. Where a pen
stroke crosses it, ink is thicker than the line alone, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.reading import U8

STRIPS = 24
THICKEST = 1 / 45  # of the frame's height; but for small frames at least THICK pixels
THICK = 5
LOOKED_AT = 400  # pixels of the longer side, about, at which lines are looked for
DENSE = 0.2  # share of a frame with ink from which on it is looked at closer
FIRM = 0.75  # of a line's own contrast: ink from which on it may be a stroke across it
DARKER = 1.5  # times a line's own contrast: ink from which on is the pen's
FULL, THIN = 0.88, 0.4  # of a strip's width: how far ink, and thin ink, reach where a line is
STEEPEST = 0.22  # tangent of the steepest line
SKIPPED = 8  # strips that a line may be covered by ink
ALONE = 0.5  # of the strips: how far a line by itself must reach
AMONG = 0.3  # of them: how far one of several must
SEVERAL = 3
ASIDE = 1.5  # pixels that a point of a line may lie beside it
MOST_ASIDE = 0.4  # of a line's points; where more do, the page curls
BENT = 0.5  # of a point's weight: that a line is straight
ROUNDS = 4  # of weighing points by how far they lie aside
BEYOND = 5  # strips that a line goes on past where it was last seen


Chain = list[tuple[int, int]]


@dataclass(frozen=True)
class Line:
    """A line across the frame.

    Attributes:
        points: where it passes, ``(along, across)`` in pixels, one a strip.
        thickness: in pixels, across.
    """

    points: tuple[tuple[float, float], ...]
    thickness: float


def without_lines(contrast: U8, faint: float) -> tuple[U8, float]:
    """Contrast with ruled lines set to 0; the same array where there are none.

    Args:
        contrast: uint8 ``[h, w]``. faint: what counts as ink when lines are looked for.

    Returns:
        The contrast, and that of the lines themselves, of 255; 0 where there are none.
    """
    _, mask = cv2.threshold(contrast, faint, 255, cv2.THRESH_BINARY)
    step = max(1, round(max(contrast.shape) / LOOKED_AT))
    if step > 1 and cv2.countNonZero(mask) > DENSE * mask.size:
        step -= 1  # a fine grid would run together
    small = _reduced(np.asarray(mask, np.uint8), step)
    across, darkest = _lines(small, step), 0.0
    if across:
        contrast, darkest = _taken_out(contrast, across, faint)
        # Where lines cross, the first pass leaves a dot of the second line, which goes with it.
        _, mask = cv2.threshold(contrast, faint, 255, cv2.THRESH_BINARY)
        small = _reduced(np.asarray(mask, np.uint8), step)
    along = _lines(np.ascontiguousarray(small.T), step)
    if along:
        turned, usual = _taken_out(np.ascontiguousarray(contrast.T), along, faint)
        contrast, darkest = np.ascontiguousarray(turned.T), max(darkest, usual)
    return contrast, darkest


def _reduced(mask: U8, step: int) -> U8:
    """The mask at a smaller size: ink where any of ``step`` × ``step`` pixels is."""
    if step == 1:
        return mask
    high, wide = (max(1, side // step) for side in mask.shape)
    cropped = np.ascontiguousarray(mask[: high * step, : wide * step])
    small = cv2.resize(cropped, (wide, high), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(small, 0, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _lines(mask: U8, step: int) -> tuple[Line, ...]:
    """Horizontal lines of a reduced mask, in pixels of the frame."""
    thickest = max(THICK, round(THICKEST * mask.shape[0]))
    thick = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((thickest + 1, 1), np.uint8))
    thick = np.asarray(thick, np.uint8)
    found = find_lines(np.asarray(cv2.subtract(mask, thick), np.uint8), thick)
    if step == 1:
        return found
    shift = (step - 1) / 2
    return tuple(
        Line(
            tuple((x * step, y * step + shift) for x, y in line.points),
            max(1.0, (line.thickness - 0.5) * step),
        )
        for line in found
    )


def _taken_out(contrast: U8, lines: tuple[Line, ...], faint: float) -> tuple[U8, float]:
    """Contrast without horizontal lines but with the pen's strokes on them, and the lines' own."""
    _, mask = cv2.threshold(contrast, faint, 255, cv2.THRESH_BINARY)
    width = float(np.median([line.thickness for line in lines]))
    thickness = max(3, round(width) + 4)
    band = np.zeros_like(contrast)
    core = np.zeros_like(contrast)
    for line in lines:
        ends = np.array(_to_the_ends(line.points, contrast.shape[1] / STRIPS))
        points = np.rint(ends * 8).astype(np.int32)[:, None]
        cv2.polylines(band, [points], False, 255, thickness, cv2.LINE_8, 3)
        cv2.polylines(core, [points], False, 255, 1, cv2.LINE_8, 3)
    # A pen that is darker than the lines is told from them even where it runs along one.
    on_line = contrast[cv2.bitwise_and(core, mask) > 0]
    usual = float(np.median(on_line)) if on_line.size else 0.0
    # Between a line and what stands just above it, blurred ink pales but does not end.
    _, firm = cv2.threshold(contrast, max(faint, FIRM * usual), 255, cv2.THRESH_BINARY)
    high = round(1.6 * width) + 3
    crossing = cv2.morphologyEx(firm, cv2.MORPH_OPEN, np.ones((high, 1), np.uint8))
    _, darker = cv2.threshold(contrast, DARKER * usual + faint / 2, 255, cv2.THRESH_BINARY)
    lined = cv2.bitwise_and(band, mask)
    kept = cv2.bitwise_or(crossing, np.asarray(darker, np.uint8))
    left = cv2.bitwise_or(cv2.bitwise_and(mask, cv2.bitwise_not(band)), cv2.bitwise_and(kept, mask))
    # A stroke that reaches a line from both sides goes on across it.
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, thickness // 2), thickness + 2))
    bridged = cv2.morphologyEx(left, cv2.MORPH_CLOSE, reach)
    gone = cv2.bitwise_and(lined, cv2.bitwise_not(cv2.bitwise_or(kept, bridged)))
    return np.asarray(cv2.bitwise_and(contrast, cv2.bitwise_not(gone)), np.uint8), usual


def find_lines(thin: U8, thick: U8) -> tuple[Line, ...]:
    """Lines from left to right.

    Args:
        thin: uint8 ``[h, w]``, 255 where ink is no higher than a line.
        thick: the same of other ink, strokes and lines that cross; a line goes on beneath it.
    """
    height, width = thin.shape
    strip = width / STRIPS
    reach = int(np.ceil(STEEPEST * strip / 2)) + 1
    near = cv2.dilate(thin, np.ones((2 * reach + 1, 1), np.uint8))
    covered, thin_part, share = (
        cv2.resize(part, (STRIPS, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        for part in (cv2.max(near, thick), near, thin)
    )
    there = np.asarray((covered >= FULL) & (thin_part >= THIN))
    total = np.asarray(cv2.boxFilter(share, -1, (1, 2 * reach + 1), normalize=False), np.float32)
    peaks = _peaks(there, np.asarray(share, np.float32), reach)
    chains = _chains(peaks, strip)
    long = [chain for chain in chains if len(chain) >= AMONG * STRIPS]
    if len(long) < SEVERAL:
        long = [chain for chain in long if len(chain) >= ALONE * STRIPS]
    thickness = [float(np.median([total[row, column] for column, row in c])) for c in long]
    return tuple(
        Line(tuple(((column + 0.5) * strip, row) for column, row in points), thick)
        for points, thick in zip(straightened(long), thickness, strict=True)
    )


def straightened(chains: Sequence[Chain]) -> list[list[tuple[int, float]]]:
    """Chains without the points that writing drew aside.

    A line of a page is close to a parabola across the frame: points far from it are moved onto it.
    A chain of which many points are far from it, as on a page that curls, stays as it is.

    Args:
        chains: (strip, row) of each point.
    """
    if not chains:
        return []
    rows = np.zeros((len(chains), STRIPS), np.float32)
    there = np.zeros((len(chains), STRIPS), np.float32)
    for i, chain in enumerate(chains):
        columns, values = zip(*chain, strict=True)
        rows[i, columns], there[i, columns] = values, 1
    x = np.linspace(-1, 1, STRIPS, dtype=np.float32)
    powers = np.stack([x**0, x, x**2])
    products = (powers[:, None] * powers).reshape(9, STRIPS).T
    ridge = np.diag(np.array([0, 0, BENT], np.float32))
    weights, apart = there, np.zeros_like(rows)
    for _ in range(ROUNDS):
        matrices = (weights @ products).reshape(-1, 3, 3) + ridge
        sides = (weights * rows) @ powers.T
        fitted = np.linalg.solve(matrices, sides[:, :, None])[:, :, 0] @ powers
        apart = np.asarray(rows - fitted, np.float32)
        weights = there / (1 + apart * apart)
    aside = (np.abs(apart) > ASIDE) & (there > 0)
    kept = aside.sum(axis=1) > MOST_ASIDE * there.sum(axis=1)
    moved = np.where(aside & ~kept[:, None], rows - apart, rows)
    return [[(column, float(moved[i, column])) for column, _ in c] for i, c in enumerate(chains)]


def _peaks(there: NDArray[np.bool_], share: NDArray[np.float32], reach: int) -> list[list[int]]:
    """For each strip the rows near which thin ink reaches from side to side.

    Args:
        there: bool ``[h, strips]``, whether ink reaches across within ``reach`` rows.
        share: float32 ``[h, strips]``, share of the columns with thin ink in the very row.
    """
    rows = np.arange(len(share), dtype=np.float32)[:, None]
    size = (1, 2 * reach + 1)
    mass = cv2.boxFilter(share, -1, size, normalize=False)
    moment = cv2.boxFilter(share * rows, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    edges = np.diff(there.T.astype(np.int8), axis=1, prepend=0, append=0)
    columns, first = np.nonzero(edges > 0)
    _, beyond = np.nonzero(edges < 0)
    middles = (first + beyond - 1) // 2
    found: list[list[int]] = [[] for _ in range(share.shape[1])]
    for column, row in zip(columns.tolist(), middles.tolist(), strict=True):
        if mass[row, column]:
            found[column].append(round(float(moment[row, column] / mass[row, column])))
    return found


def _chains(peaks: list[list[int]], strip: float) -> list[list[tuple[int, int]]]:
    """Peaks that go on from strip to strip, as (strip, row)."""
    chains: list[list[tuple[int, int]]] = []
    for column, rows in enumerate(peaks):
        taken: set[int] = set()
        # Chains that have gone furthest choose first.
        for chain in sorted(chains, key=len, reverse=True):
            gap = column - chain[-1][0]
            if gap > SKIPPED or gap <= 0:
                continue
            expected, tolerance = _expected(chain, column, strip)
            near = [row for row in rows if row not in taken and abs(row - expected) <= tolerance]
            if near:
                row = min(near, key=lambda row: abs(row - expected))
                taken.add(row)
                chain.append((column, row))
        chains.extend([(column, row)] for row in rows if row not in taken)
    return chains


def _expected(chain: list[tuple[int, int]], column: int, strip: float) -> tuple[float, float]:
    """Where a chain goes on in a strip, and how far off it may be, in pixels."""
    gap = column - chain[-1][0]
    if len(chain) < 3:
        return chain[-1][1], STEEPEST * strip * gap + 1.5
    first, last = chain[max(0, len(chain) - 6)], chain[-1]
    slope = (last[1] - first[1]) / (last[0] - first[0])
    return last[1] + slope * gap, 2 + 0.04 * strip * gap


def _to_the_ends(
    points: tuple[tuple[float, float], ...], strip: float
) -> list[tuple[float, float]]:
    """A line drawn on at either end, where ink may have covered it."""

    def beyond(end: tuple[float, float], inner: tuple[float, float], step: float) -> Any:
        slope = (end[1] - inner[1]) / (end[0] - inner[0]) if end[0] != inner[0] else 0.0
        return end[0] + step, end[1] + slope * step

    inner = min(6, len(points) - 1)
    return [
        beyond(points[0], points[inner], -BEYOND * strip),
        *points,
        beyond(points[-1], points[-1 - inner], BEYOND * strip),
    ]
