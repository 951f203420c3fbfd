"""What is written on: paper, boards, their textures and printed lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.scenes.conditions import Conditions
from edgedigits.scenes.view import View

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

LINE_COLOURS = (  # blue, green, red: how much of the light a printed line leaves
    (0.92, 0.72, 0.55),
    (0.85, 0.6, 0.45),
    (0.75, 0.75, 0.75),
    (0.6, 0.6, 0.6),
    (0.45, 0.45, 0.45),
    (0.72, 0.85, 0.6),
    (0.66, 0.66, 0.92),
)
BOARDS = (
    (0.13, 0.13, 0.12),
    (0.16, 0.2, 0.12),
    (0.22, 0.25, 0.17),
    (0.3, 0.16, 0.1),
    (0.1, 0.1, 0.16),
)
PAPERS = (
    (1, 1, 1),
    (0.97, 0.99, 1),
    (1, 0.98, 0.96),
    (0.88, 0.96, 1),
    (0.8, 0.94, 1),
    (0.95, 0.97, 0.93),
)


def soft_noise(rng: np.random.Generator, height: int, width: int, grain: float) -> F32:
    """Smooth noise, float32 ``[height, width]``, mean 0, most of it within ±1.

    Args:
        rng: source of chance.
        height, width: in pixels.
        grain: size of its patches, in pixels; below 2 it is white noise.
    """
    if grain < 2:
        return 0.5 * rng.standard_normal((height, width), dtype=np.float32)
    rows, columns = max(2, round(height / grain) + 1), max(2, round(width / grain) + 1)
    small = 0.6 * rng.standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def colours(channels: Sequence[F32]) -> F32:
    """Blue, green and red, each ``[h, w]``, as float32 ``[h, w, 3]``.

    NumPy is slow where the last axis has length 3; channels are computed one by one.
    """
    return np.asarray(cv2.merge([np.asarray(channel, np.float32) for channel in channels]))


def ground(rng: np.random.Generator, conditions: Conditions) -> F32:
    """Blank paper or a board, float32 ``[h, w, 3]``, 0 to 1."""
    height, width = conditions.height, conditions.width
    dark = "dark" in conditions
    tints = BOARDS if dark else PAPERS
    tint = np.array(tints[int(rng.integers(len(tints)))], np.float32)
    if not dark:
        tint = tint * np.float32(rng.uniform(0.84, 0.98))
    relief = 0.006 * soft_noise(rng, height, width, 60) + 0.006 * soft_noise(rng, height, width, 3)
    if dark:  # wiped chalk
        relief = relief + 0.12 * np.abs(soft_noise(rng, height, width, 90))
        relief = relief + 0.08 * soft_noise(rng, height, width, 7)
    if "texture" in conditions:
        relief = relief + texture(rng, height, width, conditions.draw(rng))
    relief += 1
    return colours([relief * share for share in tint])


def texture(rng: np.random.Generator, height: int, width: int, strength: float) -> F32:
    """Fibre, wood, cloth or creases: how the ground's brightness varies, float32 ``[h, w]``."""
    kind = int(rng.integers(4))
    if kind == 0:
        fine = soft_noise(rng, height, width, 1) * (0.3 + 0.7 * strength)
        return 0.06 * fine + 0.05 * strength * soft_noise(rng, height, width, 5)
    if kind == 1:
        return (0.03 + 0.09 * strength) * _wood(rng, height, width)
    if kind == 2:
        return (0.02 + 0.06 * strength) * _cloth(rng, height, width)
    return (0.05 + 0.13 * strength) * creases(rng, height, width)


def _wood(rng: np.random.Generator, height: int, width: int) -> F32:
    """Grain along one side, that wavers."""
    long, across = (width, height) if rng.random() < 0.7 else (height, width)
    rings = np.cumsum(rng.standard_normal(across + 80, dtype=np.float32))
    rings -= cv2.blur(rings[:, None], (1, 31))[:, 0]
    rings /= max(1e-3, float(np.abs(rings).max()))
    waver = 18 * soft_noise(rng, across, long, float(rng.uniform(120, 300)))
    index = np.clip(np.arange(across)[:, None] + 40 + waver, 0, across + 79).astype(np.intp)
    grain = rings[index] + 0.3 * soft_noise(rng, across, long, 30)
    return np.asarray(grain if (long, across) == (width, height) else grain.T, np.float32)


def _cloth(rng: np.random.Generator, height: int, width: int) -> F32:
    """A weave of two sets of threads."""
    period = float(rng.uniform(3, 9))
    x = np.sin(2 * np.pi * np.arange(width, dtype=np.float32) / np.float32(period))
    y = np.sin(2 * np.pi * np.arange(height, dtype=np.float32) / np.float32(period))
    weave = x[None, :] * y[:, None] + 0.4 * (x[None, :] + y[:, None])
    return np.asarray(weave * (0.8 + 0.4 * soft_noise(rng, height, width, 12)), np.float32)


def creases(rng: np.random.Generator, height: int, width: int) -> F32:
    """Crumpled paper: facets that meet at folds."""
    rows, columns = height // 4 + 1, width // 4 + 1
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) * 4
    shade = np.zeros((rows, columns), np.float32)
    for _ in range(int(rng.integers(4, 12))):
        angle, sharp = rng.uniform(0, np.pi), rng.uniform(3, 10)
        across = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
        distance = across - np.float32(rng.uniform(float(across.min()), float(across.max())))
        reach = np.float32(rng.uniform(60, 200))
        side = np.tanh(distance / np.float32(sharp)) * np.exp(-np.abs(distance) / reach)
        shade += np.float32(rng.normal(0, 0.5)) * side
    return np.asarray(cv2.resize(shade, (width, height), interpolation=cv2.INTER_LINEAR))


@dataclass(frozen=True)
class Ruling:
    """Printed lines, at multiples of ``spacing`` page pixels; ``squared``: upright ones too."""

    spacing: float
    squared: bool


def choose_ruling(rng: np.random.Generator, height: float, conditions: Conditions) -> Ruling | None:
    """The lines of the paper, of a distance that suits digits of this height."""
    if "squared" in conditions:
        return Ruling(max(11.0, height * float(rng.uniform(0.55, 1.5))), True)
    if "ruled" in conditions:
        return Ruling(max(14.0, height * float(rng.uniform(0.85, 2.0))), False)
    return None


def print_lines(
    rng: np.random.Generator, page: F32, ruling: Ruling, view: View, conditions: Conditions
) -> None:
    """Print the lines on the page, in place, as the camera sees them."""
    height, width = conditions.height, conditions.width
    strength = conditions.draw(rng)
    colour = np.array(LINE_COLOURS[int(rng.integers(len(LINE_COLOURS)))], np.float32)
    thickness = int(rng.choice([1, 1, 1, 2, 2, 3])) if ruling.spacing > 22 else 1
    layer = np.zeros((height, width), np.uint8)
    margin = 0.3  # beyond the frame, for what tilt brings in
    for y in np.arange(-margin * height, (1 + margin) * height, ruling.spacing):
        at = np.round(y / ruling.spacing) * ruling.spacing
        _line(layer, view, (-margin * width, at), ((1 + margin) * width, at), thickness)
    if ruling.squared:
        start = float(rng.random()) * ruling.spacing
        for x in np.arange(start - margin * width, (1 + margin) * width, ruling.spacing):
            _line(layer, view, (x, -margin * height), (x, (1 + margin) * height), thickness)
    _print(page, layer, colour, 0.35 + 0.6 * strength, "dark" in conditions)
    if not ruling.squared and rng.random() < 0.4:
        edge = np.zeros((height, width), np.uint8)
        x = float(rng.uniform(0.02, 0.09)) * width
        _line(edge, view, (x, -margin * height), (x, (1 + margin) * height), thickness)
        red = np.array((0.62, 0.6, 0.95), np.float32)
        _print(page, edge, red, 0.4 + 0.5 * strength, "dark" in conditions)


def _line(
    layer: U8, view: View, start: tuple[float, float], end: tuple[float, float], thickness: int
) -> None:
    t = np.linspace(0, 1, 25)[:, None]
    points = view.points(np.array([start]) * (1 - t) + np.array([end]) * t)
    fixed = np.rint(np.clip(points, -4000, 8000) * 16).astype(np.int32)
    cv2.polylines(layer, [fixed], False, 255, thickness, cv2.LINE_AA, 4)


def _print(page: F32, layer: U8, colour: F32, strength: float, dark: bool) -> None:
    cover = layer.astype(np.float32)[:, :, None] * np.float32(strength / 255)
    if dark:  # on a board lines are painted, lighter than the ground
        page += 0.45 * cover * (colour - page)
    else:
        page *= 1 - cover * (1 - colour)
