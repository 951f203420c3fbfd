"""What light and the camera do to a page."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.scenes.conditions import Conditions
from edgedigits.scenes.paper import colours, soft_noise

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

COARSE = 8  # pixels a point of a light field that has no edges


@dataclass(frozen=True)
class Limits:
    """How far a frame may be spoilt before a person could not read it.

    Attributes:
        blur: standard deviation, in pixels.
        noise: standard deviation, 0 to 1 of full scale.
    """

    blur: float
    noise: float


def limits(pen_width: float, height: float, contrast: float) -> Limits:
    """Limits for digits of this pen width and height, in pixels, and contrast, 0 to 1."""
    return Limits(
        blur=min(0.4 * pen_width + 0.4, 0.05 * height + 0.3),
        noise=min(0.09, 0.2 * contrast * min(1.5, 0.5 + 0.22 * pen_width)),
    )


def light(rng: np.random.Generator, page: F32, conditions: Conditions) -> None:
    """Light the page, in place: uneven, and with shadow, vignette and cast where these are on."""
    height, width = page.shape[:2]
    rows, columns = height // COARSE + 1, width // COARSE + 1
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x, y = x / columns * 2 - 1, y / rows * 2 - 1
    slope = rng.uniform(-0.07, 0.07, 2).astype(np.float32)
    field = np.float32(rng.uniform(0.78, 0.98)) * (1 + slope[0] * x + slope[1] * y)
    if "vignette" in conditions:
        strength = 0.2 + 0.4 * conditions.draw(rng)
        centre = rng.uniform(-0.25, 0.25, 2).astype(np.float32)
        far = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
        field *= 1 - np.float32(strength) * np.clip(far / 2, 0, 1)
    if "shadow" in conditions and rng.random() < 0.5:
        field *= _soft_shadow(rng, x, y, conditions.draw(rng))
        whole = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    else:
        whole = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
        if "shadow" in conditions:
            whole *= _hard_shadow(rng, height, width, conditions.draw(rng))
    gains = rng.uniform(0.98, 1.02, 3)
    if "cast" in conditions:
        strength = 0.3 + 0.7 * conditions.draw(rng)
        casts = ((0.55, 0.82, 1), (0.7, 0.9, 1), (1, 0.9, 0.75), (0.8, 1, 0.85), (0.95, 0.8, 1))
        cast = np.array(casts[int(rng.integers(len(casts)))])
        gains = gains * (1 + strength * (cast - 1))
    cv2.multiply(page, colours([whole * gain for gain in gains.astype(np.float32)]), dst=page)


def _soft_shadow(rng: np.random.Generator, x: F32, y: F32, strength: float) -> F32:
    """A shadow without an edge: of a head, or away from the lamp."""
    dark = np.float32(0.25 + 0.35 * strength)
    angle = rng.uniform(0, 2 * np.pi)
    across = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    if rng.random() < 0.5:
        across = np.float32(rng.uniform(0.5, 0.9)) - np.hypot(x - across.mean(), y * 1.3)
    edge = np.float32(rng.uniform(-0.4, 0.4))
    slope = np.float32(rng.uniform(3, 9))
    return np.asarray(1 - dark / (1 + np.exp(-slope * (across - edge))), np.float32)


def _hard_shadow(rng: np.random.Generator, height: int, width: int, strength: float) -> F32:
    """A shadow with an edge: of a hand with fingers, or of something straight."""
    shape = np.zeros((height // 2 + 1, width // 2 + 1), np.uint8)
    rows, columns = shape.shape
    if rng.random() < 0.5:
        points = rng.uniform(-0.3, 1.3, (4, 2)) * (columns, rows)
        hull = cv2.convexHull(np.rint(points).astype(np.int32))
        cv2.fillConvexPoly(shape, hull, 255)
    else:
        corner = np.array([rng.choice([0.0, 1.0]), rng.choice([0.0, 1.0])]) * (columns, rows)
        middle = np.array([columns, rows]) / 2
        palm = corner + (middle - corner) * rng.uniform(0, 0.3)
        cv2.circle(shape, (int(palm[0]), int(palm[1])), round(0.3 * rows), 255, -1)
        for _ in range(4):
            tip = palm + (middle - palm) * rng.uniform(0.6, 1.3) + rng.normal(0, 0.14, 2) * rows
            start = palm + rng.normal(0, 0.1, 2) * rows
            ends = [(int(p[0]), int(p[1])) for p in (start, tip)]
            cv2.line(shape, ends[0], ends[1], 255, round(0.13 * rows))
    soft = cv2.GaussianBlur(shape, (0, 0), float(np.exp(rng.uniform(np.log(0.7), np.log(9)))))
    large = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)
    dark = np.float32((0.2 + 0.35 * strength) / 255)
    return np.asarray(1 - dark * large.astype(np.float32), np.float32)


def expose(rng: np.random.Generator, page: F32, conditions: Conditions, limit: Limits) -> U8:
    """The frame as the camera gives it: blur, noise and compression.

    Args:
        rng: source of chance.
        page: float32 ``[h, w, 3]``, lit, 0 to 1.
        conditions: which of them are on; a little blur and noise is in every frame.
        limit: how far they may go.

    Returns:
        uint8 ``[h, w, 3]``, BGR.
    """
    sigma = min(limit.blur, float(rng.uniform(0.35, 0.6)))
    page = np.asarray(cv2.GaussianBlur(page, (5, 5), sigma), np.float32)
    if "blur" in conditions:
        page = _blurred(rng, page, conditions.draw(rng), limit.blur)
    amount = min(limit.noise, float(rng.uniform(0.002, 0.008)))
    shot = 0.0
    if "noise" in conditions:
        strength = conditions.draw(rng)
        amount = limit.noise * (0.15 + 0.85 * strength)
        shot = float(rng.random())
    page = _noisy(rng, page, amount, shot)
    np.clip(page, 0, 1, out=page)
    frame = np.asarray(cv2.convertScaleAbs(page, alpha=255), np.uint8)
    if "jpeg" in conditions:
        quality = round(80 - 55 * conditions.draw(rng))
        frame = compressed(frame, quality)
    return frame


def _blurred(rng: np.random.Generator, page: F32, strength: float, most: float) -> F32:
    sigma = 0.5 + max(0.2, most - 0.5) * (0.25 + 0.75 * strength)
    kind = int(rng.integers(3))
    if kind == 0:
        return np.asarray(cv2.GaussianBlur(page, (0, 0), sigma))
    size = 2 * int(np.ceil(2 * sigma)) + 1
    kernel = np.zeros((size, size), np.uint8)
    middle = size // 2
    if kind == 1:  # out of focus: a disc, whose standard deviation is half its radius
        radius = round(2 * sigma * 16)
        centre = (middle * 16, middle * 16)
        cv2.circle(kernel, centre, radius, 255, -1, cv2.LINE_AA, 4)
    else:  # a moving camera: a line, whose standard deviation is its length / 3.5
        angle = rng.uniform(0, np.pi)
        reach = min(1.75 * sigma, middle) * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(int(v) for v in np.rint((middle + s * reach) * 16)) for s in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 255, 1, cv2.LINE_AA, 4)
    weights = kernel.astype(np.float32) / max(1.0, float(kernel.sum()))
    return np.asarray(cv2.filter2D(page, -1, weights, borderType=cv2.BORDER_REFLECT))


def _noisy(rng: np.random.Generator, page: F32, amount: float, shot: float) -> F32:
    """Sensor noise: each pixel's own, and blotches of colour; ``shot``: more of it in the light."""
    height, width = page.shape[:2]
    noise = np.float32(amount) * rng.standard_normal((height, width), dtype=np.float32)
    if shot > 0:
        noise *= 1 - np.float32(shot) + np.float32(shot) * np.sqrt(np.clip(page[:, :, 1], 0, 1))
    colour = [np.float32(0.7 * amount) * soft_noise(rng, height, width, 3) for _ in range(2)]
    return np.asarray(cv2.add(page, colours([noise + colour[0], noise, noise + colour[1]])))


def compressed(frame: U8, quality: int) -> U8:
    """The frame after JPEG compression of this quality, 1 to 100."""
    done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("OpenCV cannot write JPEG")
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
