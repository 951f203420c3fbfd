"""From pictures of bytes to the floats that a model takes, whatever its shape and range.

Our own models take ``(28, 28, 1)`` from 0 to 1. An imported one may take ``(28, 28)``, a flat row,
another width and height, three channels, 0 to 255 or −1 to 1.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Range = tuple[float, float]


def picture_shape(input_shape: Shape) -> tuple[int, int, int]:
    """Height, width and channels of the picture behind an input shape.

    Args:
        input_shape: without the batch: ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(side²,)``.

    Raises:
        ValueError: the shape is none of these.
    """
    if len(input_shape) == 3 and input_shape[2] in (1, 3):
        return input_shape[0], input_shape[1], input_shape[2]
    if len(input_shape) == 2:
        return input_shape[0], input_shape[1], 1
    if len(input_shape) == 1 and math.isqrt(input_shape[0]) ** 2 == input_shape[0]:
        side = math.isqrt(input_shape[0])
        return side, side, 1
    raise ValueError(
        f"input shape {input_shape} is not that of a picture: "
        "(h, w), (h, w, 1), (h, w, 3) or one row of side × side values"
    )


def model_pixels(images: NDArray[np.uint8], input_shape: Shape) -> NDArray[np.uint8]:
    """Pictures in a model's shape, still bytes.

    Args:
        images: uint8 ``[n, h, w]``.
        input_shape: as for :func:`picture_shape`.

    Returns:
        uint8 ``[n, *input_shape]``; resized where the model's field differs, grey repeated where it
        has three channels.
    """
    height, width, channels = picture_shape(input_shape)
    if images.shape[1:] != (height, width):
        shrinks = height < images.shape[1] or width < images.shape[2]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = np.empty((len(images), height, width), np.uint8)
        for index, image in enumerate(images):
            resized[index] = cv2.resize(image, (width, height), interpolation=method)
        images = resized
    if channels == 3:
        return np.repeat(images[..., None], 3, axis=3)
    return images.reshape(len(images), *input_shape)


def model_input(
    images: NDArray[np.uint8], input_shape: Shape, input_range: Range = (0.0, 1.0)
) -> NDArray[np.float32]:
    """Pictures as a model takes them.

    Args:
        images: uint8 ``[n, h, w]``, 0 background to 255 ink.
        input_shape: as for :func:`picture_shape`.
        input_range: the model's values for pixel 0 and pixel 255.

    Returns:
        float32 ``[n, *input_shape]``.
    """
    low, high = input_range
    table = (low + np.arange(256) / 255 * (high - low)).astype(np.float32)
    return table[model_pixels(images, input_shape)]
