"""Readings made by hand, for what comes after recognition."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edgedigits.device.reading import U8, Box, Candidate, Reading

WIDTH, HEIGHT = 640, 480


def digit_crop(digit: int, seed: int = 0) -> U8:
    """uint8 ``[28, 28]``: a printed digit with some noise, ink high."""
    crop = np.zeros((28, 28), np.uint8)
    cv2.putText(crop, str(digit), (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2)
    noise = np.random.default_rng([digit, seed]).integers(0, 25, crop.shape)
    return np.clip(crop.astype(int) + noise, 0, 255).astype(np.uint8)


def candidate(
    digit: int,
    box: tuple[int, int, int, int],
    *,
    score: float = 0.95,
    accepted: bool = True,
    crop: U8 | None = None,
) -> Candidate:
    """A candidate whose other nine scores share what is left."""
    scores = np.full(10, (1 - score) / 9, np.float32)
    scores[digit] = score
    return Candidate(
        box=Box(*box),
        crop=digit_crop(digit) if crop is None else crop,
        scores=scores,
        digit=digit,
        score=score,
        accepted=accepted,
    )


def reading(
    *rows: Sequence[Candidate],
    rejected: Sequence[Candidate] = (),
    size: tuple[int, int] = (WIDTH, HEIGHT),
    dark_on_light: bool = True,
) -> Reading:
    """A reading with these rows."""
    return Reading(
        width=size[0],
        height=size[1],
        rows=tuple(tuple(row) for row in rows if row),
        rejected=tuple(rejected),
        dark_on_light=dark_on_light,
    )


def line(text: str, x: int, y: int, *, step: int = 40, w: int = 30, h: int = 44) -> list[Candidate]:
    """Digits beside each other; a space leaves one out."""
    return [
        candidate(int(sign), (x + index * step, y, w, h))
        for index, sign in enumerate(text)
        if sign != " "
    ]
