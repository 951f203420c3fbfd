"""From a grey frame to ink: the light flattened, the polarity found, ink told from paper.

Ink is measured as contrast: the share of the background's light that it takes away (or, light on
dark, adds). Dividing by the background makes ink in a shadow as strong as ink in the sun.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgedigits.device.finder.lines import without_lines
from edgedigits.device.reading import U8

REDUCED = 160  # pixels of the longer side at which the background is looked at
MEDIANS = (7, 15)  # pixels at half that size: strokes are the smaller part of so much
SKEWED = 1.0  # skewness from which on it is clear on which side of the page's light the ink lies
REACH = 0.06  # of the longer side: strokes are mostly narrower, shadows wider
FAR = 0.2  # of it: the thickest marker's strokes are narrower
INSIDE = 1.25  # times the light nearby: a marker hides the page, and what is farther off tells
SAMPLED = 420  # pixels of the longer side, about, that noise and ink are judged by
DIM = 32  # of 255: in the dark, noise is no ink
BLACK = 0.85  # of the ink's usual contrast: darker against all around are markers, not shadows
DARKEST_SHADOW = 150  # of 255: lighter than this against all around is never a marker
SUN = 1.2  # times the light in a shadow that the sun adds to it
FAINTEST = 14  # of 255: weaker contrast is never ink
SEED = 0.55  # of the ink's usual contrast: every piece of ink reaches it somewhere
GROWN = 0.35  # of it: as far as a piece of ink goes on
LINED = 1.3  # of the lines' contrast: how far they vary
NOISY = 4.0  # of 255: a frame's noise from which on it is smoothed before ink is looked for
NOISES = 4.0  # standard deviations of the paper's noise that ink must exceed


@dataclass(frozen=True, eq=False)
class Ink:
    """The ink of a frame.

    Attributes:
        strength: uint8 ``[h, w]``, 0 paper to 255 strongest ink.
        mask: uint8 ``[h, w]``, 255 where there may be ink, else 0.
        seeds: uint8 ``[h, w]``, 255 where ink is so strong that its whole piece counts.
        dark_on_light: whether the ink is darker than its background.
    """

    strength: U8
    mask: U8
    seeds: U8
    dark_on_light: bool


def find_ink(grey: U8) -> Ink:
    """Tell ink from its background.

    Args:
        grey: uint8 ``[h, w]``.
    """
    dark = is_dark_on_light(grey)
    contrast = flatten(grey if dark else cv2.bitwise_not(grey), inverted=not dark)
    noise = noise_of(contrast)
    if noise > NOISY:
        contrast = np.asarray(cv2.GaussianBlur(contrast, (5, 5), 0), np.uint8)
        noise = noise_of(contrast)
    floor = max(FAINTEST, NOISES * noise)
    contrast, lined = without_lines(contrast, floor)
    level = ink_level(contrast, noise)
    if level < floor:
        nothing = np.zeros_like(grey)
        return Ink(nothing, nothing, nothing, dark)
    if LINED * lined < SEED * level:  # what is left of paler lines is no ink
        floor = max(floor, LINED * lined)
    _, mask = cv2.threshold(contrast, max(floor, GROWN * level), 255, cv2.THRESH_BINARY)
    _, seeds = cv2.threshold(contrast, max(floor, SEED * level), 255, cv2.THRESH_BINARY)
    strength = cv2.convertScaleAbs(contrast, alpha=255.0 / level)
    return Ink(strength, mask, seeds, dark)


def _reduce(grey: U8, longer: int) -> U8:
    scale = min(1.0, longer / max(grey.shape))
    size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def is_dark_on_light(grey: U8) -> bool:
    """Whether what stands out from its surroundings is darker than they are.

    Strokes are few and far from the local median, on one side of it, which the third moment tells.
    The surroundings are small ones first, in which the edge of a page or table counts for nothing;
    where that decides nothing, as with a thick marker, larger ones.
    """
    small = _reduce(grey, 2 * REDUCED)
    skewness = 0.0
    for median in MEDIANS:
        around = cv2.medianBlur(_reduce(small, REDUCED // 2), median)
        size = (small.shape[1], small.shape[0])
        light = cv2.resize(around, size, interpolation=cv2.INTER_LINEAR)
        apart = cv2.subtract(small, light, dtype=cv2.CV_32F)
        spread = float(np.sqrt((apart * apart).mean()))
        skewness = float(cv2.sumElems(cv2.pow(apart, 3))[0]) / apart.size / max(spread, 1.0) ** 3
        if abs(skewness) > SKEWED:
            break
    return skewness <= 0


def background(small: U8, reach: float) -> U8:
    """The light of a page without its dark ink, uint8 ``[h, w]``.

    Args:
        small: uint8 ``[h, w]``, a reduced frame. reach: width of the widest stroke, of the longer
            side.
    """
    width = max(3, int(reach * max(small.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    # Light that falls towards the frame's border goes on falling beyond it.
    side = min(width // 2, min(small.shape) - 1)
    wide = np.pad(small.astype(np.int16), side, mode="reflect", reflect_type="odd")
    around = cv2.medianBlur(np.clip(wide, 0, 255).astype(np.uint8), 3)
    closed = cv2.morphologyEx(around, cv2.MORPH_CLOSE, kernel)
    smooth = cv2.blur(closed, (5, 5))[side : side + small.shape[0], side : side + small.shape[1]]
    return np.asarray(smooth, np.uint8)


def flatten(grey: U8, *, inverted: bool = False) -> U8:
    """Contrast of dark ink against the page around it: uint8 ``[h, w]``, 255 where it is black.

    Against what is near, so that a shadow is page; where that is ink itself, inside the strokes of
    a marker, against what is farther off.

    Args:
        grey: uint8 ``[h, w]``. inverted: whether light was turned into dark.
    """
    contrast = _glow if inverted else _contrast
    small = _reduce(grey, REDUCED)
    light, far = background(small, REACH), background(small, FAR)
    near = contrast(grey, light)
    if not (far > INSIDE * light).any():
        return near
    shaded = _sunlit(light) if inverted else DARKEST_SHADOW
    marker = max(shaded, BLACK * ink_level(near, noise_of(near)))
    _, black = cv2.threshold(contrast(grey, far), marker, 255, cv2.THRESH_TOZERO)
    return np.asarray(cv2.max(near, black), np.uint8)


def _contrast(grey: U8, light: U8) -> U8:
    """The share of a page's light that is missing, of 255; the light is that of a reduced frame."""
    size = (grey.shape[1], grey.shape[0])
    light = np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.bitwise_not(cv2.divide(grey, light, scale=255.0)), np.uint8)


def _sunlit(light: U8) -> float:
    """How much light the sun at most adds to a usual ground, of 255, as :func:`_glow` has it."""
    usual = 255.0 - float(np.median(light))
    return min(DARKEST_SHADOW, SUN * 255.0 * usual / (255.0 - min(usual, 254.0)))


def _glow(grey: U8, light: U8) -> U8:
    """The light that ink adds, of 255, both inverted; in a shadow, as much as outside of it.

    Divided by the light of the ground, and scaled so that where the ground is as usual it is the
    share of what was missing to white.
    """
    usual = 255.0 - float(np.median(light))
    size = (grey.shape[1], grey.shape[0])
    light = np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    ground = cv2.add(cv2.bitwise_not(light), DIM)
    scale = 255.0 * (usual + DIM) / (255.0 - min(usual, 254.0))
    return np.asarray(cv2.divide(cv2.subtract(light, grey), ground, scale=scale), np.uint8)


def _sample(contrast: U8) -> U8:
    """Enough of its pixels to judge it by."""
    step = max(2, round(max(contrast.shape) / SAMPLED))
    return np.ascontiguousarray(contrast[::step, ::step])


def noise_of(contrast: U8) -> float:
    """Standard deviation of the paper's noise, of 255: of what a small median takes away."""
    some = _sample(contrast)
    rough = cv2.absdiff(some, cv2.medianBlur(some, 3))
    histogram = cv2.calcHist([rough], [0], None, [256], [0, 256]).ravel().cumsum()
    return 1.5 * float(np.searchsorted(histogram, 0.7 * histogram[-1]))


def ink_level(contrast: U8, noise: float) -> float:
    """The usual contrast of ink, of 255: Otsu's upper class of what rises above the noise."""
    some = _sample(contrast)
    values = some[some > max(FAINTEST, NOISES * noise)]
    if values.size < 8:
        return 0.0
    cut, _ = cv2.threshold(values.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    upper = values[values > cut]
    return float(upper.mean()) if upper.size else float(values.mean())
