"""The ladder: small models for a given number of bytes of their int8 file, container and all.

Few and plain convolutions: in so small a file an operation costs about 280 bytes beside its
weights and a channel 16, so that depthwise-separable layers, two operations for one, save nothing.
"""

from __future__ import annotations

from edgedigits.models.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    GlobalPool,
    Layer,
    MaxPool,
)
from edgedigits.models.spec import ModelSpec, TrainingDefaults

MOMENTUM = 0.9  # small models move fast; their mean and variance have to follow


def _block(*filters: int) -> tuple[Layer, ...]:
    return tuple(
        layer
        for count in filters
        for layer in (Conv(count, activation=None), BatchNorm(MOMENTUM), Activation())
    )


def _rung(name: str, *blocks: tuple[int, ...], data: str = "mnist") -> ModelSpec:
    """Blocks of 3×3 convolutions with pooling between them, the mean of each channel, a head."""
    layers: list[Layer] = []
    for number, filters in enumerate(blocks):
        layers += [*([MaxPool()] if number else []), *_block(*filters)]
    return ModelSpec(
        name=name,
        layers=(*layers, GlobalPool(), Dense(10, activation="softmax")),
        origin="Ours, of the ladder: " + name.rpartition("-")[2].replace("k", " KiB") + " as int8.",
        training=TrainingDefaults(epochs=40, batch_size=128, learning_rate=0.004, data=data),
    )


MODELS = (
    _rung("mnist-8k", (8,), (12,), (16, 16)),
    _rung("mnist-16k", (12,), (20,), (24, 24)),
    _rung("mnist-32k", (16,), (24,), (32, 32, 28)),
    _rung("mnist-64k", (16,), (32, 32), (48, 64)),
    _rung("fashion-32k", (16,), (24, 24), (32, 40), data="fashion-mnist"),
    _rung("fashion-64k", (24,), (32, 32), (48, 60), data="fashion-mnist"),
    _rung("fashion-256k", (32,), (64, 64), (112, 120), data="fashion-mnist"),
)
