"""Boxes, digits and scores drawn into a copy of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.reading import U8, Box, Candidate, Reading
from edgedigits.device.tracking import Tracked

FONT = cv2.FONT_HERSHEY_SIMPLEX
Colour = tuple[int, int, int]

# BGR; green and orange are told apart with any colour vision.
SURE: Colour = (84, 120, 0)  # green, the only one dark enough for light text
UNSURE: Colour = (0, 159, 230)  # orange
REJECTED: Colour = (140, 140, 140)
DARK: Colour = (0, 0, 0)
LIGHT: Colour = (255, 255, 255)


@dataclass(frozen=True)
class _Pen:
    """Sizes in pixels, in proportion to the picture."""

    line: int
    letter: int  # height of a digit's label

    @classmethod
    def of(cls, height: int, width: int) -> _Pen:
        side = (height * width) ** 0.5
        return cls(line=max(1, round(side / 350)), letter=max(13, round(side / 30)))


def to_bgr(image: NDArray[Any]) -> U8:
    """A copy of a picture as BGR.

    Args:
        image: uint8 ``[h, w]``, ``[h, w, 1]``, ``[h, w, 3]`` (BGR) or ``[h, w, 4]`` (BGRA, whose
            alpha is dropped).

    Returns:
        uint8 ``[h, w, 3]``.

    Raises:
        ValueError: another shape or dtype.
    """
    if image.dtype != np.uint8:
        raise ValueError(f"pixels are {image.dtype}, not uint8")
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        grey = image.reshape(image.shape[:2])
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.ndim == 3 and image.shape[2] in (3, 4):
        return np.array(image[:, :, :3], order="C")
    raise ValueError(f"shape {image.shape} is not a grey, BGR or BGRA picture")


def draw(
    image: NDArray[Any], found: Reading | Tracked, *, rejected: Sequence[Candidate] = ()
) -> U8:
    """An annotated copy of a picture.

    Each digit has its box, the digit above it and its score in percent below it. Sure answers are
    green: accepted ones of a reading, committed ones of tracks. Tracks not committed yet are
    orange, tracks not seen in this frame have a thin box.

    Args:
        image: as for :func:`to_bgr`, the frame that was read.
        found: what to draw.
        rejected: candidates to draw thin and grey, for example ``reading.rejected``.

    Returns:
        uint8 ``[h, w, 3]``, BGR; ``image`` is not changed.

    Raises:
        ValueError: the array is not a picture.
    """
    canvas = to_bgr(image)
    if canvas.size == 0:
        return canvas
    pen = _Pen.of(*canvas.shape[:2])
    thin = max(1, pen.line // 2)
    for candidate in rejected:
        _frame(canvas, candidate.box, REJECTED, thin)
    if isinstance(found, Reading):
        for digit in found.digits:
            _digit(canvas, pen, digit.box, digit.digit, digit.score, SURE, pen.line)
    else:
        for track in found.tracks:
            colour = SURE if track.committed else UNSURE
            line = thin if track.missed else pen.line
            _digit(canvas, pen, track.box, track.digit, track.score, colour, line)
    return canvas


def _fill(canvas: U8, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
    canvas[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = colour


def _frame(canvas: U8, box: Box, colour: Colour, line: int) -> None:
    """A line around a box, not over its ink; cv2.rectangle's lines are thicker than asked for."""
    left, top, right, bottom = box.x, box.y, box.x + box.w, box.y + box.h
    for edge in ((top - line, top), (bottom, bottom + line)):
        _fill(canvas, left - line, edge[0], right + line, edge[1], colour)
    for edge in ((left - line, left), (right, right + line)):
        _fill(canvas, edge[0], top, edge[1], bottom, colour)


def _digit(
    canvas: U8, pen: _Pen, box: Box, digit: int, score: float, colour: Colour, line: int
) -> None:
    _frame(canvas, box, colour, line)
    middle = box.x + box.w // 2
    _label(canvas, str(digit), middle, box.y - line, pen.letter, colour, above=True)
    percent = str(min(99, round(100 * score))) if score < 1 else "100"
    small = max(8, round(pen.letter * 0.6))
    _label(canvas, percent, middle, box.y + box.h + line, small, colour, above=False)


def _label(
    canvas: U8, text: str, middle: int, edge: int, letter: int, colour: Colour, *, above: bool
) -> None:
    """Text on a plate above or below ``edge``, always inside the picture."""
    stroke = max(1, round(letter / 9))
    scale = cv2.getFontScaleFromHeight(FONT, letter, stroke)
    (width, height), _ = cv2.getTextSize(text, FONT, scale, stroke)
    pad = max(1, round(letter / 6))
    plate_w, plate_h = width + 2 * pad, height + 2 * pad
    limit_y, limit_x = canvas.shape[:2]
    left = int(np.clip(middle - plate_w // 2, 0, max(0, limit_x - plate_w)))
    top = int(np.clip(edge - plate_h if above else edge, 0, max(0, limit_y - plate_h)))
    _fill(canvas, left, top, left + plate_w, top + plate_h, colour)
    ink = LIGHT if colour == SURE else DARK
    where = (left + pad, top + plate_h - 1 - pad)
    cv2.putText(canvas, text, where, FONT, scale, ink, stroke, cv2.LINE_AA)
