"""Pages of the embedded digits, as a camera might see them."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.data.registry import load_data
from edgedigits.device.reading import Box

HEIGHT, STEP, LINE = 56, 70, 110  # pixels of a digit's field, from digit to digit, from row to row


@cache
def _digit(label: int) -> NDArray[np.uint8]:
    """The embedded digit nearest to the mean of its class, cut to its ink and enlarged."""
    digits = load_data("digits").train
    assert digits.labels is not None
    members = digits.images[digits.labels == label].astype(np.float32)
    distance = ((members - members.mean(axis=0)) ** 2).sum(axis=(1, 2))
    image = members[distance.argmin()].astype(np.uint8)
    soft = cv2.resize(image, (4 * 28, 4 * 28), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    large = np.asarray(np.clip((soft - 140) * 4, 0, 255), np.uint8)  # as sharp as a pen
    ys, xs = np.nonzero(large > 100)
    return np.asarray(large[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1], np.uint8)


def page_of_digits(
    rows: list[str], *, shift: tuple[int, int] = (0, 0)
) -> tuple[NDArray[np.uint8], list[Box]]:
    """A grey page of 640×480 pixels with some noise and a shadow, and each digit's box."""
    ink = np.zeros((480, 640), np.float32)
    boxes = []
    for r, row in enumerate(rows):
        for c, character in enumerate(row):
            digit = _digit(int(character))
            width = max(8, round(HEIGHT * digit.shape[1] / digit.shape[0]))
            drawn = cv2.resize(digit, (width, HEIGHT), interpolation=cv2.INTER_AREA)
            x, y = 60 + STEP * c + shift[0], 90 + LINE * r + shift[1]
            part = ink[y : y + HEIGHT, x : x + width]
            np.maximum(part, drawn.astype(np.float32) / 255, out=part)
            boxes.append(Box(x, y, width, HEIGHT))
    light = np.linspace(225, 150, 640, dtype=np.float32)[None, :]
    noise = np.random.default_rng(1).normal(0, 2, ink.shape)
    return np.asarray(np.clip(light * (1 - 0.8 * ink) + noise, 0, 255), np.uint8), boxes
