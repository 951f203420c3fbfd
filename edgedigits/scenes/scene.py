"""A labelled camera frame, put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.device.reading import Box
from edgedigits.scenes.camera import expose, light, limits
from edgedigits.scenes.conditions import Conditions
from edgedigits.scenes.distractors import (
    intruder,
    other_writing,
    show_through,
    smudges,
    table_edge,
)
from edgedigits.scenes.ink import (
    Pen,
    Written,
    choose_pen,
    coverage,
    digit_height,
    row_lines,
    stain,
    tight,
    write_rows,
)
from edgedigits.scenes.paper import choose_ruling, ground, print_lines, soft_noise
from edgedigits.scenes.view import View, look

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class SceneDigit:
    """A digit in a frame, and the box tight around its visible ink, in pixels."""

    digit: int
    box: Box


@dataclass(frozen=True, eq=False)
class Scene:
    """A frame and the truth about it.

    Attributes:
        image: uint8 ``[h, w, 3]``, BGR.
        rows: the digits in reading order: rows from top to bottom, each from left to right.
        conditions: names of what is on.
        mask: uint8 ``[h, w]``, how far digits' ink covers each pixel, 0 to 255, before light and
            camera spoil it; nothing else is in it.
    """

    image: U8
    rows: tuple[tuple[SceneDigit, ...], ...]
    conditions: tuple[str, ...]
    mask: U8

    @property
    def digits(self) -> tuple[SceneDigit, ...]:
        """All digits in reading order."""
        return tuple(digit for row in self.rows for digit in row)

    @property
    def text(self) -> tuple[str, ...]:
        """One string a row."""
        return tuple("".join(str(digit.digit) for digit in row) for row in self.rows)


def make_scene(rng: np.random.Generator, digits: Pictures, conditions: Conditions) -> Scene:
    """A camera frame of handwritten digits.

    What is written depends on the generator alone: with the same state, other conditions show the
    same digits, in so far as they leave room for them.

    Args:
        rng: the only source of chance: the same state gives the same frame.
        digits: uint8 pictures ``[n, 28, 28]``, ink high, with labels.
        conditions: what is hard about the frame, and its size.

    Raises:
        DataError: the pictures have no labels, or there are none.
    """
    parts = [np.random.default_rng(seed) for seed in rng.integers(2**63, size=8)]
    size_rng, view_rng, paper_rng, ink_rng, other_rng, light_rng, camera_rng, back_rng = parts
    height = digit_height(size_rng, conditions)
    pen = choose_pen(size_rng, height, "dark" in conditions)
    ruling = choose_ruling(size_rng, height, conditions)
    tilt = conditions.draw(view_rng) if "tilt" in conditions else None
    view = look(view_rng, conditions.width, conditions.height, tilt)

    page = ground(paper_rng, conditions)
    if ruling is not None:
        print_lines(paper_rng, page, ruling, view, conditions)
    grain = np.clip(0.5 + soft_noise(paper_rng, conditions.height, conditions.width, 2), 0, 1)
    if "show-through" in conditions:
        show_through(back_rng, page, digits, height, pen, conditions, view, grain)

    written: list[list[Written]] = []
    if "empty" not in conditions:
        spacing = None if ruling is None else ruling.spacing
        lines = row_lines(ink_rng, height, conditions, spacing)
        written = write_rows(ink_rng, digits, height, lines, pen, conditions)
    kept, rows, mask = _ink(page, written, view, grain)
    _clutter(other_rng, page, kept, height, pen, view, conditions, grain, mask)

    light(light_rng, page, conditions)
    contrast = _contrast(page, mask)
    image = expose(camera_rng, page, conditions, limits(pen.width, height, contrast))
    return Scene(image, rows, conditions.names, mask)


def _ink(
    page: F32, written: list[list[Written]], view: View, grain: F32
) -> tuple[list[list[Written]], tuple[tuple[SceneDigit, ...], ...], U8]:
    """Put the digits on the page, in place; those that the frame would cut are left out."""
    mask = np.zeros(page.shape[:2], np.uint8)
    kept: list[list[Written]] = []
    rows: list[tuple[SceneDigit, ...]] = []
    for line in written:
        row: list[SceneDigit] = []
        there: list[Written] = []
        for digit in line:
            seen = coverage(digit, view)
            box = None if seen is None else tight(*seen)
            if seen is None or box is None:
                continue
            left, top, cover = seen
            stain(page, left, top, cover, digit.pen, grain)
            part = mask[top : top + cover.shape[0], left : left + cover.shape[1]]
            np.maximum(part, np.rint(cover * 255).astype(np.uint8), out=part)
            row.append(SceneDigit(digit.digit, box))
            there.append(digit)
        if row:
            rows.append(tuple(row))
            kept.append(there)
    return kept, tuple(rows), mask


def _clutter(
    rng: np.random.Generator,
    page: F32,
    rows: list[list[Written]],
    height: float,
    pen: Pen,
    view: View,
    conditions: Conditions,
    grain: F32,
    mask: U8,
) -> None:
    """What is on the page or in the frame besides digits, in place."""
    wanted = "distractors" in conditions or ("empty" in conditions and rng.random() < 0.75)
    if not wanted:
        return
    other = pen if rng.random() < 0.6 else choose_pen(rng, height, pen.light)
    other_writing(rng, page, rows, height, other, view, conditions, grain)
    if rng.random() < 0.4:
        smudges(rng, page, mask, height, conditions)
    if rng.random() < 0.35:
        table_edge(rng, page, mask)
    if rng.random() < 0.35:
        intruder(rng, page, mask)


def _contrast(page: F32, mask: U8) -> float:
    """How far ink and ground lie apart, 0 to 1 of full scale."""
    ink = mask > 200
    if not ink.any():
        return 0.4
    green = page[:, :, 1]
    return float(abs(np.median(green[::3, ::3]) - np.median(green[ink])))
