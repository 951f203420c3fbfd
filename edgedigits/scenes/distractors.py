"""What else lies on a page or comes into the frame: other writing, stains, edges, fingers."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.scenes.conditions import Conditions
from edgedigits.scenes.ink import Lines, Pen, Written, coverage, stain, write_rows
from edgedigits.scenes.paper import soft_noise
from edgedigits.scenes.symbols import (
    SAFE,
    Drawing,
    draw,
    glyph,
    holds_a_one,
    invented,
    scribble,
)
from edgedigits.scenes.view import View

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
Rect = tuple[float, float, float, float]  # left, top, right, bottom

KINDS = ("word", "sign", "scribble", "dot", "line", "underline", "arrow", "invented")
WEIGHTS = np.array([4, 3, 2, 2, 2, 2, 1, 1]) / 17
ARROWS = ("right", "left")


def other_writing(
    rng: np.random.Generator,
    page: F32,
    rows: list[list[Written]],
    height: float,
    pen: Pen,
    view: View,
    conditions: Conditions,
    grain: F32,
) -> None:
    """Draw what is no digit between the digits, in place, touching none of them.

    Args:
        rng: source of chance.
        page: float32 ``[h, w, 3]``, 0 to 1.
        rows: the digits.
        height: of the digits, in page pixels.
        pen: that wrote them.
        view: of the camera.
        conditions: for size and strength.
        grain: float32 ``[h, w]``, for patchy pens.
    """
    taken: list[Rect] = [(d.left, d.top, d.right, d.bottom) for row in rows for d in row]
    layer = np.zeros(page.shape[:2], np.uint8)
    count = 2 + round(8 * conditions.draw(rng))
    for _ in range(count):
        kind = KINDS[int(rng.choice(len(KINDS), p=WEIGHTS))]
        drawing, low = _made(rng, kind, height, rows)
        rect = _free_place(rng, low, taken, 0.22 * height + 3, conditions, kind == "underline")
        if rect is None:
            continue
        taken.append(rect)
        moved = [view.points(line + np.array(rect[:2])) for line in drawing]
        width = pen.width * view.scale(rect[0], rect[1]) * float(rng.uniform(0.8, 1.25))
        draw(layer, moved, width)
    smooth = cv2.GaussianBlur(layer, (0, 0), 0.5).astype(np.float32) / np.float32(255)
    stain(page, 0, 0, smooth, pen, grain)


def _made(
    rng: np.random.Generator, kind: str, height: float, rows: list[list[Written]]
) -> tuple[Drawing, F64]:
    """A drawing whose upper left corner is at 0, in page pixels, and its width and height."""
    if kind == "word":
        drawing, x = [], 0.0
        for _ in range(int(rng.integers(1, 6))):
            lines = _sized(_sign(rng, "sign"), height * float(rng.uniform(0.6, 1.0)))
            span = max(float(line[:, 0].max()) for line in lines)
            drawing += [line + np.array([x, 0.0]) for line in lines]
            x += span + 0.25 * height
    elif kind == "underline":
        longest = max((row[-1].right - row[0].left for row in rows if row), default=3 * height)
        t = np.linspace(0, 1, 12)
        y = np.cumsum(rng.normal(0, 0.012 * height, 12))
        drawing = [np.stack([t * longest * rng.uniform(0.6, 1.2), y - y.min()], axis=1)]
    elif kind == "line":
        angle = rng.uniform(-0.6, 0.6)
        length = height * rng.uniform(0.4, 3)
        end = length * np.array([np.cos(angle), np.sin(angle)])
        start = np.array([0.0, max(0.0, -end[1])])
        drawing = [np.linspace(start, start + end, 6)]
    elif kind == "dot":
        drawing = [np.array([[0.0, 0.0]])]
    else:
        drawing = _sized(_sign(rng, kind), height * float(rng.uniform(0.5, 1.3)))
    low = np.max([line.max(axis=0) for line in drawing], axis=0)
    return drawing, np.asarray(low + 2)


def _sign(rng: np.random.Generator, kind: str) -> Drawing:
    """One sign in the unit square, no part of which would be a digit by itself."""
    while True:
        if kind == "invented":
            made = invented(rng)
        elif kind == "scribble":
            made = scribble(rng)
        else:
            made = glyph(rng, _any(rng, ARROWS if kind == "arrow" else SAFE))
        if kind == "scribble" or not holds_a_one(made, 0.12):
            return made


def _any(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def _sized(drawing: Drawing, size: float) -> Drawing:
    """Moved to 0 and scaled so that its longer side is ``size``."""
    points = np.vstack(drawing)
    low = points.min(axis=0)
    scale = size / max(0.05, float(np.ptp(points, axis=0).max()))
    return [(line - low) * scale for line in drawing]


def _free_place(
    rng: np.random.Generator,
    size: F64,
    taken: list[Rect],
    margin: float,
    conditions: Conditions,
    below: bool,
) -> Rect | None:
    """Somewhere on the page where nothing is; an underline below something."""
    for _ in range(12):
        x = rng.uniform(0.02, 0.98) * conditions.width - size[0] / 2
        y = rng.uniform(0.02, 0.98) * conditions.height - size[1] / 2
        if below and taken:
            left, _, _, bottom = taken[int(rng.integers(len(taken)))]
            x, y = left - 0.1 * size[0], bottom + margin * rng.uniform(1.1, 2)
        rect = (float(x), float(y), float(x + size[0]), float(y + size[1]))
        if not any(_meet(rect, other, margin) for other in taken):
            return rect
    return None


def _meet(a: Rect, b: Rect, margin: float) -> bool:
    return (
        a[0] - margin < b[2]
        and b[0] - margin < a[2]
        and a[1] - margin < b[3]
        and b[1] - margin < a[3]
    )


def smudges(
    rng: np.random.Generator, page: F32, mask: U8, height: float, conditions: Conditions
) -> None:
    """Soft stains and eraser marks, in place; faint where digits are."""
    rows, columns = page.shape[0] // 4 + 1, page.shape[1] // 4 + 1
    spots = np.zeros((rows, columns), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        centre = int(rng.integers(columns)), int(rng.integers(rows))
        size = height * rng.uniform(0.2, 0.9, 2) / 4 + 1
        axes = round(size[0]), round(size[1])
        cv2.ellipse(spots, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
    soft = cv2.GaussianBlur(spots, (0, 0), float(rng.uniform(0.06, 0.25)) * height / 4 + 0.8)
    large = cv2.resize(soft, (page.shape[1], page.shape[0]), interpolation=cv2.INTER_LINEAR)
    patchy = 0.7 + 0.4 * soft_noise(rng, page.shape[0], page.shape[1], max(3.0, 0.1 * height))
    amount = large.astype(np.float32) / np.float32(255) * patchy
    reach = max(3, round(0.25 * height))
    near = cv2.blur(cv2.dilate(mask, np.ones((reach, reach), np.uint8)), (reach, reach))
    amount = amount * (1 - near.astype(np.float32) * np.float32(0.8 / 255))
    goal = np.float32(0.55 if page.mean() > 0.45 else 1.6)
    page *= 1 - (amount * rng.uniform(0.3, 0.9))[:, :, None].astype(np.float32) * (1 - goal)


def show_through(
    rng: np.random.Generator,
    page: F32,
    digits: Pictures,
    height: float,
    pen: Pen,
    conditions: Conditions,
    view: View,
    grain: F32,
) -> None:
    """The writing on the back of the page: mirrored, soft and faint, in place."""
    strength = 0.08 + 0.13 * conditions.draw(rng)
    lines = Lines(1.2 * height, 1.8 * height, max(1, int(conditions.height / (1.8 * height))))
    back = np.zeros(page.shape[:2], np.float32)
    for row in write_rows(rng, digits, height, lines, pen, conditions):
        for written in row:
            seen = coverage(written, view)
            if seen is not None:
                left, top, cover = seen
                part = back[top : top + cover.shape[0], left : left + cover.shape[1]]
                np.maximum(part, cover, out=part)
    mirrored = cv2.GaussianBlur(back[:, ::-1], (0, 0), float(rng.uniform(0.8, 2.2)))
    faint = Pen(pen.width, pen.colour, strength, pen.grain, pen.light)
    stain(page, 0, 0, np.asarray(mirrored, np.float32), faint, grain)


def table_edge(rng: np.random.Generator, page: F32, mask: U8) -> None:
    """The paper ends and the table begins, at one or two sides, in place; never over a digit."""
    height, width = mask.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (width * 0.5, width * 0.5, height * 0.5, height * 0.5)  # left, right, top, bottom room
    if len(rows):
        box = (columns[0], width - columns[-1], rows[0], height - rows[-1])
    table = np.array(rng.uniform(0.05, 0.5, 3), np.float32)
    table = 0.6 * table.mean() + 0.4 * table
    relief = 1 + 0.12 * soft_noise(rng, height, width, float(rng.uniform(2, 40)))
    sides = rng.choice(4, size=int(rng.integers(1, 3)), replace=False)
    for side in sides:
        room = 0.7 * float(box[side]) * float(rng.uniform(0.2, 0.9))
        slope = float(rng.uniform(-0.25, 0.25)) * room / max(height, width)
        across = (x, width - x, y, height - y)[side] + slope * (y if side < 2 else x)
        beyond = np.clip(room - across + 0.5, 0, 1)[:, :, None]
        fall = 1 - 0.25 * np.exp(-np.clip(across - room, 0, 60) / 5)
        page *= fall[:, :, None]
        page += beyond * (table * relief[:, :, None] - page)


def intruder(rng: np.random.Generator, page: F32, mask: U8) -> None:
    """A pen or a finger that reaches into the frame, in place; none where digits leave no room."""
    height, width = mask.shape
    near = cv2.dilate(mask, np.ones((15, 15), np.uint8))
    for _ in range(6):
        start = np.array([rng.uniform(0, width), height if rng.random() < 0.8 else 0.0])
        if rng.random() < 0.5:
            start = np.array([width if rng.random() < 0.7 else 0.0, rng.uniform(0, height)])
        aim = np.array([rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height])
        end = start + (aim - start) * rng.uniform(0.2, 0.6)
        start = start - (aim - start) * 0.2
        finger = rng.random() < 0.5
        thick = max(4, round(width * float(rng.uniform(0.06, 0.12) if finger else 0.018)))
        shape = np.zeros((height, width), np.uint8)
        ends = [tuple(int(v) for v in point) for point in (start, end)]
        cv2.line(shape, ends[0], ends[1], 255, thick, cv2.LINE_AA)
        if (near[shape > 0] > 0).any():
            continue
        skin = np.array([0.42, 0.52, 0.72]) * rng.uniform(0.5, 1.1)
        colour = np.asarray(skin if finger else rng.uniform(0.03, 0.5, 3), np.float32)
        inner = cv2.GaussianBlur(shape, (0, 0), thick / 5).astype(np.float32) / np.float32(255)
        shadow = cv2.GaussianBlur(np.roll(shape, thick // 3, axis=1), (0, 0), thick / 3)
        page *= 1 - 0.3 * shadow.astype(np.float32)[:, :, None] / np.float32(255)
        cover = shape.astype(np.float32)[:, :, None] / np.float32(255)
        page += cover * (colour * (0.45 + 0.6 * inner[:, :, None]) - page)
        return
