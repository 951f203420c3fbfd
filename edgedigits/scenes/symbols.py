"""Things a pen draws that are not digits, as lines: letters, signs, scribbles, arrows.

A drawing is a list of lines, each float64 ``[n, 2]`` (x, y) in a unit square; :func:`draw` puts it
on a picture.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.scenes.glyphs import GLYPHS, LOOKALIKES, SAFE

__all__ = ["GLYPHS", "LOOKALIKES", "SAFE", "draw", "glyph", "invented", "scribble"]

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Drawing = list[F64]

STEPS = 5  # points between two points of a stroke
SHIFT = 4  # fractional bits of OpenCV's coordinates


@cache
def _strokes(name: str) -> tuple[tuple[bool, F64], ...]:
    """Whether each stroke is smooth, and its points in the unit square."""
    strokes = []
    for text in GLYPHS[name].split("/"):
        points = np.array([[int(p[0]), int(p[1])] for p in text.lstrip("~").split()], float)
        strokes.append((text.startswith("~"), points / 9))
    return tuple(strokes)


@cache
def _basis() -> F64:
    """Catmull-Rom weights, ``[STEPS, 4]``."""
    t = np.arange(STEPS)[:, None] / STEPS
    powers = np.hstack([t**0, t, t**2, t**3])
    return np.asarray(
        powers @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    )


def smooth(points: F64) -> F64:
    """A smooth line through points ``[n, 2]``."""
    if len(points) < 3:
        return straight(points)
    held = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    if np.allclose(points[0], points[-1], atol=0.02):  # a closed loop stays round where it closes
        held[0], held[-1] = points[-2], points[1]
    windows = np.stack([held[i : len(held) - 3 + i] for i in range(4)], axis=1)
    line = np.einsum("sk,nkd->nsd", _basis(), windows).reshape(-1, 2)
    return np.vstack([line, points[-1:]])


def straight(points: F64) -> F64:
    """The same line with points between its corners."""
    if len(points) < 2:
        return points
    t = (np.arange(STEPS) / STEPS)[None, :, None]
    line = points[:-1, None] * (1 - t) + points[1:, None] * t
    return np.vstack([line.reshape(-1, 2), points[-1:]])


def glyph(rng: np.random.Generator, name: str, wildness: float = 1.0) -> Drawing:
    """One symbol of :data:`GLYPHS` as somebody would write it: slanted, turned, uneven.

    Args:
        rng: source of chance.
        name: of the symbol.
        wildness: 0 for the table's form, 1 for handwriting.
    """
    lines = []
    for is_smooth, points in _strokes(name):
        uneven = points + rng.normal(0, 0.028 * wildness, points.shape)
        uneven += rng.normal(0, 0.015 * wildness, 2)
        if is_smooth and np.array_equal(points[0], points[-1]):
            uneven[-1] = uneven[0] + rng.normal(0, 0.02 * wildness, 2)
        lines.append(smooth(uneven) if is_smooth else straight(uneven))
    return hand(rng, lines, wildness)


def hand(rng: np.random.Generator, lines: Drawing, wildness: float = 1.0) -> Drawing:
    """Lines with a writer's slant, turn, proportions and sway."""
    angle = rng.normal(0, np.deg2rad(7) * wildness)
    slant = rng.normal(0.05, 0.17) * wildness
    wide = 1 + wildness * rng.uniform(-0.32, 0.2)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[wide, -slant], [0, 1]])
    phase, wave = rng.uniform(0, 2 * np.pi, 2), rng.uniform(2, 6, 2)
    sway = rng.normal(0, 0.022 * wildness, 2)
    moved = []
    for line in lines:
        bent = line + sway * np.sin(line[:, ::-1] * wave + phase)
        moved.append((bent - 0.5) @ matrix.T + 0.5)
    return moved


def scribble(rng: np.random.Generator) -> Drawing:
    """A restless line: zigzag, loops or a tangle."""
    kind = rng.integers(3)
    if kind == 0:  # something struck out
        turns = int(rng.integers(5, 12))
        x = np.linspace(0, 1, turns) + rng.normal(0, 0.05, turns)
        y = np.where(np.arange(turns) % 2, 0.75, 0.25) + rng.normal(0, 0.08, turns)
        return [straight(np.stack([x, y], axis=1))]
    if kind == 1:  # loops like practised e's
        t = np.linspace(0, rng.uniform(3, 6) * 2 * np.pi, 70)
        size = rng.uniform(0.15, 0.3)
        x = t / t[-1] + size * np.cos(t)
        y = 0.5 + size * rng.uniform(0.8, 2) * np.sin(t)
        return hand(rng, [np.stack([x, y], axis=1)])
    points = np.cumsum(rng.normal(0, 0.35, (int(rng.integers(8, 16)), 2)), axis=0)
    points -= points.min(axis=0)
    return [smooth(points / max(0.1, float(points.max())))]


def invented(rng: np.random.Generator) -> Drawing:
    """A sign of no known script: three to six strokes, some crossing."""
    lines = []
    for _ in range(int(rng.integers(3, 7))):
        middle = rng.uniform(0.25, 0.75, 2)
        angle = rng.choice([0, np.pi / 2, np.pi / 4, -np.pi / 4]) + rng.normal(0, 0.2)
        step = rng.uniform(0.15, 0.4) * np.array([np.cos(angle), np.sin(angle)])
        start, end = middle - step, middle + step
        if rng.random() < 0.5:
            lines.append(straight(np.stack([start, end])))
            continue
        across = np.array([start[1] - end[1], end[0] - start[0]]) * rng.uniform(-0.6, 0.6)
        lines.append(smooth(np.stack([start, middle + across, end])))
    return hand(rng, lines)


def holds_a_one(drawing: Drawing, gap: float) -> bool:
    """Whether a stroke stands upright and alone, as in い or ‖: cut out of a frame, it is a 1.

    Args:
        drawing: lines, in any unit.
        gap: distance from which strokes are apart, in the same unit.
    """
    for number, line in enumerate(drawing):
        wide, high = np.ptp(line, axis=0)
        if high < 2 * gap or wide > 0.75 * high:
            continue
        others = [other for index, other in enumerate(drawing) if index != number]
        if not others:
            return True
        away = line[:, None] - np.vstack(others)[None]
        if float(np.hypot(away[..., 0], away[..., 1]).min()) > gap:
            return True
    return False


def draw(canvas: U8, drawing: Drawing, width: float, value: int = 255) -> None:
    """Draw lines on a picture, in place, with smooth edges.

    Args:
        canvas: uint8 ``[h, w]``.
        drawing: lines in pixels of the canvas.
        width: of the pen, in pixels; whole pixels are drawn, at least 1.
        value: of the ink.
    """
    thickness = max(1, round(width))
    for line in drawing:
        fixed = np.rint(line * (1 << SHIFT)).astype(np.int32)
        if len(fixed) == 1:
            radius = round(max(1.0, 0.75 * width) * (1 << SHIFT))
            x, y = (int(v) for v in fixed[0])
            cv2.circle(canvas, (x, y), radius, value, -1, cv2.LINE_AA, SHIFT)
            continue
        cv2.polylines(canvas, [fixed], False, value, thickness, cv2.LINE_AA, SHIFT)
