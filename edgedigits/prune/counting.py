"""What a Keras model is made of, layer by layer: weights, zeros among them, arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LayerCount:
    """One convolution or dense layer.

    Attributes:
        name: the layer's name. outputs: its filters or units.
        weights: values of its kernel; zeros: how many of them are exactly zero.
        macs: multiplications with addition for one picture.
    """

    name: str
    outputs: int
    weights: int
    zeros: int
    macs: int


def count_layers(model: Any) -> tuple[LayerCount, ...]:
    """Every layer of a Keras 2 or 3 model that has a kernel, in order."""
    rows = []
    for layer in model.layers:
        kernel = getattr(layer, "depthwise_kernel", None)
        if kernel is None:
            kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        values = np.asarray(kernel)
        shape = tuple(layer.output.shape)[1:]
        rows.append(
            LayerCount(
                name=layer.name,
                outputs=int(shape[-1]),
                weights=values.size,
                zeros=int((values == 0).sum()),
                macs=values.size * math.prod(shape[:-1]),
            )
        )
    return tuple(rows)
