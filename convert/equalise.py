"""Cross-layer equalisation: the same function, with weights that eight bits can hold.

Batch normalisation after a ReLU ends up inside the weights of the Dense layer that follows. A unit
that is seldom on has hardly any variance, so its normalisation multiplies by a lot, and one such
column takes the whole range of every output's weights. ReLU lets a positive factor through, so a
unit's scale may move from that layer into the one before, where each unit has a scale of its own.

After M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-Free Quantization Through Weight
Equalization and Bias Correction", ICCV 2019; the balance between activations and weights is that of
G. Xiao et al., "SmoothQuant", ICML 2023, at one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

FARTHEST = 1e4  # a unit's factor against the median, either way
QUIET = 1e-3  # of the median highest activation: a unit that is never on counts as this


@dataclass(frozen=True)
class Pair:
    """A Dense layer, where its ReLU comes out, the normalisation after it, the next Dense layer."""

    first: Any
    relu: Any
    norm: Any
    second: Any


def pairs(model: Any) -> list[Pair]:
    """Where a chain of Keras 2 or 3 layers goes Dense, ReLU, batch normalisation, Dense."""
    layers = [
        layer for layer in model.layers if type(layer).__name__ not in ("InputLayer", "Dropout")
    ]
    kinds = [type(layer).__name__ for layer in layers]
    found = []
    for i, kind in enumerate(kinds):
        if kind != "Dense":
            continue
        inside = _activation(layers[i]) == "relu"
        outside = (
            _activation(layers[i]) == "linear" and i + 1 < len(layers) and _is_relu(layers[i + 1])
        )
        if not (inside or outside):
            continue
        relu = i if inside else i + 1
        if kinds[relu + 1 : relu + 3] == ["BatchNormalization", "Dense"]:
            found.append(Pair(layers[i], layers[relu], layers[relu + 1], layers[relu + 2]))
    return found


def _activation(layer: Any) -> str:
    return str(getattr(layer.activation, "__name__", ""))


def _is_relu(layer: Any) -> bool:
    if type(layer).__name__ == "Activation":
        return _activation(layer) == "relu"
    return type(layer).__name__ == "ReLU" and layer.get_config().get("max_value") is None


def equalise(model: Any, inputs: NDArray[np.float32]) -> int:
    """Move scales between layers in place; what the model computes stays the same.

    Args:
        model: a built Keras model; one that is no chain of layers is left as it is.
        inputs: float32 ``[n, ...]``, the calibration set as model inputs.

    Returns:
        How many pairs of layers were equalised.
    """
    found = pairs(model) if type(model).__name__ == "Sequential" else []
    highest = _highest(model.layers, [pair.relu for pair in found], inputs)
    for pair, top in zip(found, highest, strict=True):
        _equalise(pair, top)
    return len(found)


def _highest(layers: Sequence[Any], watched: list[Any], inputs: NDArray[np.float32]) -> list[F64]:
    """The highest output of each unit of each watched layer over the inputs."""
    tops = [np.zeros(int(layer.output.shape[-1])) for layer in watched]
    if not watched:
        return tops
    last = max(list(layers).index(layer) for layer in watched)
    for start in range(0, len(inputs), 50):
        values = inputs[start : start + 50]
        for layer in layers[: last + 1]:
            if type(layer).__name__ != "InputLayer":
                values = (
                    layer(values, training=False) if _acts_in_training(layer) else layer(values)
                )
            for top, one in zip(tops, watched, strict=True):
                if layer is one:
                    np.maximum(top, np.asarray(values, np.float64).max(axis=0), out=top)
    return tops


def _acts_in_training(layer: Any) -> bool:
    return type(layer).__name__ in ("BatchNormalization", "Dropout")


def _equalise(pair: Pair, top: F64) -> None:
    norm = pair.norm
    mean = np.asarray(norm.moving_mean, np.float64)
    spread = np.asarray(norm.moving_variance, np.float64) + norm.epsilon
    gamma = np.ones_like(mean) if norm.gamma is None else np.asarray(norm.gamma, np.float64)
    kernel = np.asarray(pair.second.kernel, np.float64)
    weights = np.abs(kernel).max(axis=1) * np.abs(gamma) / np.sqrt(spread)
    factor = np.sqrt(weights / np.maximum(top, QUIET * max(float(np.median(top)), 1e-30)))
    middle = float(np.median(factor)) or 1.0
    factor = np.clip(factor / middle, 1 / FARTHEST, FARTHEST)
    # The variance is kept without epsilon, so it must not fall below 0.
    factor *= max(1.0, float(np.sqrt(norm.epsilon / (factor**2 * spread)).max()))
    first = pair.first.get_weights()
    first[0] = (first[0] * factor).astype(np.float32)
    if len(first) > 1:
        first[1] = (first[1] * factor).astype(np.float32)
    pair.first.set_weights(first)
    weights_of_norm = norm.get_weights()
    weights_of_norm[-2] = (mean * factor).astype(np.float32)
    weights_of_norm[-1] = np.maximum(spread * factor**2 - norm.epsilon, 0).astype(np.float32)
    norm.set_weights(weights_of_norm)
