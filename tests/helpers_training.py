"""Small data and small models for the tests that train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data


def small_npz(path: Path, *, train: int = 300, test: int = 100, classes: int = 10) -> Path:
    """An ``.npz`` of the first embedded digits with a label below ``classes``."""
    digits = load_data("digits")
    assert digits.test is not None
    arrays: dict[str, Any] = {}
    for name, pictures, count in (("train", digits.train, train), ("test", digits.test, test)):
        assert pictures.labels is not None
        chosen = np.flatnonzero(pictures.labels < classes)[:count]
        arrays[f"x_{name}"] = pictures.images[chosen]
        arrays[f"y_{name}"] = pictures.labels[chosen]
    np.savez(path, **arrays)
    return path


def some_digits(count: int, start: int = 0) -> Pictures:
    """Some of the embedded digits with their labels."""
    return load_data("digits").train.take(np.arange(start, start + count))


def small_cnn(keras: Any, *, normalised: bool = False) -> Any:
    """A chain with every kind of layer that pruning must follow, from either Keras."""
    layers = keras.layers
    norm = [layers.BatchNormalization(name="norm")] if normalised else []
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 3, activation="relu", name="conv_1"),
            layers.MaxPooling2D(name="pool_1"),
            *norm,
            layers.Conv2D(8, 3, strides=2, padding="same", name="conv_2"),
            layers.ReLU(name="relu"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.Flatten(name="flatten"),
            layers.Dense(12, activation="relu", name="dense_1"),
            layers.Dropout(0.2, name="dropout"),
            layers.Dense(10, activation="softmax", name="dense_2"),
        ]
    )


def random_weights(model: Any, seed: int) -> None:
    """Give every array of a model random values, so that biases and statistics count too."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [rng.uniform(0.1, 1, w.shape) * rng.choice([-1, 1], w.shape) for w in model.get_weights()]
    )
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta, mean, np.abs(variance) + 0.5])
