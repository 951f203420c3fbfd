"""Digits written on a page: which, where, how large, with which pen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.device.reading import Box
from edgedigits.errors import DataError
from edgedigits.scenes.conditions import Conditions
from edgedigits.scenes.pen import GRID, Strokes, trace
from edgedigits.scenes.view import View

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

SMALLEST = 18  # pixels of the smallest digit's height
VISIBLE = 90  # of 255: coverage from which a pixel belongs to a digit's box
MOST_DIGITS = 60
OVERLAP = 0.25  # of the narrower digit: so far one may reach over another that it touches
CHUNK = 6  # digits traced at once

DARK_INKS = (  # blue, green, red, each 0 to 1
    (0.09, 0.08, 0.08),
    (0.12, 0.1, 0.1),
    (0.45, 0.16, 0.1),
    (0.6, 0.28, 0.14),
    (0.35, 0.1, 0.06),
    (0.36, 0.34, 0.34),
    (0.16, 0.14, 0.66),
    (0.2, 0.4, 0.1),
)
LIGHT_INKS = ((0.95, 0.95, 0.95), (0.88, 0.9, 0.9), (0.55, 0.88, 0.94), (0.9, 0.8, 0.65))


@dataclass(frozen=True)
class Pen:
    """A pen.

    Attributes:
        width: of its strokes, in page pixels.
        colour: blue, green and red, 0 to 1.
        strength: how far the ink covers, 0 to 1.
        grain: how patchy it is, 0 to 1.
        light: whether it is lighter than the ground.
    """

    width: float
    colour: tuple[float, float, float]
    strength: float
    grain: float
    light: bool


@dataclass(frozen=True, eq=False)
class Written:
    """One digit on the page.

    Attributes:
        digit: which.
        field: float32 ``[84, 84]``, distance to the edge of its ink.
        matrix: float64 ``[3, 3]``, field points to page pixels.
        scale: page pixels a pixel of the 28×28 picture.
        left, top, right, bottom: of its ink, in page pixels.
        pen: that wrote it.
    """

    digit: int
    field: F32
    matrix: F64
    scale: float
    left: float
    top: float
    right: float
    bottom: float
    pen: Pen


def choose_pen(rng: np.random.Generator, height: float, dark: bool) -> Pen:
    """A pen for digits of this height, on paper or on a dark board."""
    share = float(np.exp(rng.uniform(np.log(0.045), np.log(0.165))))
    width = max(1.4, share * height)
    strength, grain = float(rng.uniform(0.78, 1.0)), 0.3 * float(rng.random()) ** 2
    if dark:
        colour = LIGHT_INKS[int(rng.integers(len(LIGHT_INKS)))]
        return Pen(max(1.8, width), colour, strength, grain + 0.15, True)
    colour = DARK_INKS[int(rng.integers(len(DARK_INKS)))]
    return Pen(width, colour, strength, grain, False)


def digit_height(rng: np.random.Generator, conditions: Conditions) -> float:
    """The usual height of a frame's digits, in pixels."""
    largest = max(SMALLEST + 1.0, 0.42 * conditions.height)
    if rng.random() < 0.05:
        return float(rng.uniform(0.4, 0.8)) * min(conditions.height, conditions.width)
    return float(np.exp(rng.uniform(np.log(SMALLEST), np.log(largest))))


@dataclass(frozen=True)
class Lines:
    """Where the rows of a page lie: the first base line and the distance, in page pixels."""

    first: float
    pitch: float
    count: int


def row_lines(
    rng: np.random.Generator, height: float, conditions: Conditions, ruling: float | None
) -> Lines:
    """Base lines for rows of digits; on ruled paper at its lines, more often than not.

    Args:
        rng: source of chance.
        height: of the digits, in pixels.
        conditions: for the frame's size.
        ruling: distance of the paper's lines, which lie at its multiples; None for blank paper.
    """
    margin = float(rng.uniform(0.05, 0.12)) * conditions.height
    room = conditions.height - 2 * margin
    pitch = height * float(rng.uniform(1.5, 2.3))
    on_lines = ruling is not None and rng.random() < 0.75
    if ruling is not None and on_lines:
        pitch = ruling * np.ceil(1.4 * height / ruling)
    fit = max(1, int((room - height) / pitch) + 1)
    count = min(fit, int(rng.integers(1, 7)))
    slack = max(0.0, room - height - (count - 1) * pitch)
    first = margin + height + float(rng.random()) * slack
    if ruling is not None and on_lines:
        first = max(1.0, np.floor(first / ruling)) * ruling - float(rng.uniform(0, 0.12)) * height
    return Lines(float(first), float(pitch), count)


def write_rows(
    rng: np.random.Generator,
    digits: Pictures,
    height: float,
    lines: Lines,
    pen: Pen,
    conditions: Conditions,
) -> list[list[Written]]:
    """Rows of digits on a page, left to right.

    Args:
        rng: source of chance.
        digits: uint8 pictures to choose from, with labels.
        height: of the digits, in pixels; each differs by up to an eighth from it.
        lines: where the rows stand.
        pen: that writes.
        conditions: for the frame's size, and whether digits touch.

    Raises:
        DataError: the pictures have no labels, or there are none.
    """
    if digits.labels is None or len(digits) == 0:
        raise DataError("scenes need labelled pictures of digits; these have no labels")
    chosen = rng.integers(len(digits), size=MOST_DIGITS)
    hand = _Hand(rng, height, pen)
    radius = 10 * pen.width / height  # of 20 pixels
    spare = _traced(digits.images[chosen], digits.labels[chosen], radius)
    margin = float(rng.uniform(0.04, 0.1)) * conditions.width
    gap = height * float(np.exp(rng.uniform(np.log(0.14), np.log(0.8))))
    touch = 0.25 + 0.45 * conditions.draw(rng) if "touching" in conditions else 0.0
    indent = float(rng.random()) * 0.3 * conditions.width
    rows = []
    for number in range(lines.count):
        base = lines.first + number * lines.pitch
        x = margin + (indent if rng.random() < 0.7 else float(rng.random()) * indent)
        row: list[Written] = []
        for _ in range(int(rng.integers(1, 11))):
            following = next(spare, None)
            if following is None:
                break
            strokes, label = following
            step = gap * float(rng.uniform(0.6, 1.4)) + 2.0
            if rng.random() < 0.08:
                step += height * float(rng.uniform(0.6, 1.6))
            written = hand.write(strokes, label, x, base, row, step, rng.random() < touch)
            if written.right > conditions.width - margin:
                break
            row.append(written)
        if row:
            rows.append(row)
    return rows


def _traced(images: U8, labels: NDArray[np.int64], radius: float) -> Iterator[tuple[Strokes, int]]:
    """Strokes and label of each picture that a pen of this radius can write.

    Only as many are traced as are asked for.
    """
    for start in range(0, len(images), CHUNK):
        some = slice(start, start + CHUNK)
        for strokes, label in zip(trace(images[some], labels[some]), labels[some], strict=True):
            # What must keep its outline would stand out among the lines of a finer pen.
            if strokes.is_line or radius > 0.7 * strokes.radius:
                yield strokes, int(label)


class _Hand:
    """How one writer writes: slant, pressure, restlessness."""

    def __init__(self, rng: np.random.Generator, height: float, pen: Pen) -> None:
        self.rng, self.height, self.pen = rng, height, pen
        self.slant = float(rng.normal(0.02, 0.1))
        self.own = float(rng.uniform(0, 0.6)) if rng.random() < 0.5 else 0.0
        self.restless = float(rng.uniform(0.01, 0.07))

    def write(
        self,
        strokes: Strokes,
        digit: int,
        x: float,
        base: float,
        row: list[Written],
        step: float,
        touches: bool,
    ) -> Written:
        """A digit to the right of the row's last one, ``step`` pixels away or touching it."""
        rng = self.rng
        ink = np.argwhere(strokes.depth > 0)
        span = ink.max(axis=0) - ink.min(axis=0) + 1 if len(ink) else np.array([60, 30])
        size = self.height * float(rng.uniform(0.88, 1.12))
        scale = size / max(float(span[0]), 0.75 * float(span[1])) * GRID
        radius = self.pen.width / 2 / scale
        field = strokes.field(max(0.2, radius), self.own)
        turn = float(np.clip(rng.normal(0, 0.05), -0.12, 0.12))
        slant = self.slant + float(rng.normal(0, 0.03))
        cos, sin = np.cos(turn), np.sin(turn)
        matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, -slant], [0, 1]])
        matrix = matrix * (scale / GRID)
        inside = np.argwhere(field < 0)[:, ::-1]
        points = (inside if len(inside) else np.array([[42, 42]])) @ matrix.T
        low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
        down = base + float(rng.normal(0, self.restless)) * self.height - high[1]
        right = x - low[0]
        if row:
            right = row[-1].right + step - low[0]
            if touches:
                right = _until_touching(row[-1], points, down, right)
        placed = np.eye(3)
        placed[:2, :2] = matrix
        placed[:2, 2] = right, down
        return Written(
            digit,
            field,
            placed,
            scale,
            float(low[0] + right),
            float(low[1] + down),
            float(high[0] + right),
            float(high[1] + down),
            self.pen,
        )


def _until_touching(last: Written, points: F64, down: float, right: float) -> float:
    """How far right new ink may lie to touch the last digit's; ``right`` where it never would."""
    before = np.argwhere(last.field < 0)[:, ::-1] @ last.matrix[:2, :2].T + last.matrix[:2, 2]
    rows = np.rint(np.concatenate([before[:, 1], points[:, 1] + down]) / 2).astype(int)
    rows -= rows.min()
    edge = np.full(rows.max() + 1, -1e6)
    start = np.full(rows.max() + 1, 1e6)
    np.maximum.at(edge, rows[: len(before)], before[:, 0])
    np.minimum.at(start, rows[len(before) :], points[:, 0])
    closest = float((start - edge).min())  # of ink to ink in one row, were `right` 0
    if closest > 1e5:
        return right
    touching = -closest - 0.35 * last.pen.width
    overlap = last.right - (float(points[:, 0].min()) + touching)
    width = min(last.right - last.left, float(np.ptp(points[:, 0])))
    return touching if overlap < OVERLAP * width else right


def coverage(written: Written, view: View) -> tuple[int, int, F32] | None:
    """How far a digit's ink covers the frame's pixels.

    Returns:
        Left, top, and float32 ``[h, w]``, 0 to 1; None where it is not wholly inside the frame.
    """
    x, y = (written.left + written.right) / 2, (written.top + written.bottom) / 2
    around = view.around(x, y)
    corners = np.array(
        [
            [written.left, written.top, 1],
            [written.right, written.top, 1],
            [written.left, written.bottom, 1],
            [written.right, written.bottom, 1],
        ]
    )
    seen = corners @ around.T
    seen = seen[:, :2] / seen[:, 2:]
    left, top = np.floor(seen.min(axis=0)).astype(int) - 3
    right, bottom = np.ceil(seen.max(axis=0)).astype(int) + 4
    if left < 0 or top < 0 or right > view.width or bottom > view.height:
        return None
    moved = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ around @ written.matrix
    scale = written.scale * view.scale(x, y)
    # A smooth field may be sampled coarsely: no aliasing, unlike the ink itself.
    method = cv2.INTER_CUBIC if scale > GRID else cv2.INTER_LINEAR
    field = cv2.warpPerspective(
        written.field,
        moved,
        (int(right - left), int(bottom - top)),
        flags=method,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=9.0,
    )
    cover = np.clip(0.5 - np.asarray(field, np.float32) * np.float32(scale), 0, 1)
    return int(left), int(top), np.asarray(cover, np.float32)


def tight(left: int, top: int, cover: F32) -> Box | None:
    """The box around what is visible; None where nothing is."""
    ink = np.rint(cover * 255) >= VISIBLE
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0:
        return None
    return Box(
        int(left + columns[0]),
        int(top + rows[0]),
        int(columns[-1] - columns[0] + 1),
        int(rows[-1] - rows[0] + 1),
    )


def stain(page: F32, left: int, top: int, cover: F32, pen: Pen, grain: F32) -> None:
    """Put ink on a page, in place.

    Args:
        page: float32 ``[h, w, 3]``, 0 to 1.
        left, top: where ``cover`` lies.
        cover: float32 ``[a, b]``, 0 to 1.
        pen: the ink.
        grain: float32 ``[h, w]``, 0 to 1, where a patchy pen leaves gaps.
    """
    height, width = cover.shape
    part = page[top : top + height, left : left + width]
    patchy = 1 - np.float32(pen.grain) * grain[top : top + height, left : left + width]
    amount = (cover * np.float32(pen.strength) * patchy)[:, :, None]
    colour = np.array(pen.colour, np.float32)
    goal = colour if pen.light else part * colour
    part += amount * (goal - part)
