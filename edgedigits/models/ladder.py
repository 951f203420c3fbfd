"""The ladder: small models for a given number of bytes, from 2 to 300 thousand parameters."""

from __future__ import annotations

from edgedigits.models.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Depthwise,
    GlobalPool,
    Layer,
    MaxPool,
)
from edgedigits.models.spec import ModelSpec, TrainingDefaults


def _conv(
    filters: int, kernel: int = 3, stride: int = 1, padding: str = "same"
) -> tuple[Layer, ...]:
    bare = Conv(filters, kernel, padding, None, stride)  # type: ignore[arg-type]
    return (bare, BatchNorm(), Activation())


def _separable(filters: int, kernel: int = 3, stride: int = 1) -> tuple[Layer, ...]:
    return (Depthwise(kernel, stride, "same", None), BatchNorm(), *_conv(filters, 1))


HEAD: tuple[Layer, ...] = (GlobalPool(), Dense(10, activation="softmax"))
DEFAULTS = TrainingDefaults(epochs=60, batch_size=128, learning_rate=0.004)

CANDIDATES = {
    "x8-plain": (*_conv(8), MaxPool(), *_conv(12), MaxPool(), *_conv(16), *_conv(16), *HEAD),
    "x8-sep": (*_conv(28, 3, 2), *_separable(28), *_separable(28, 3, 2), *_separable(28), *HEAD),
    "x8-mix": (*_conv(8, 3, 2), *_conv(16, 3, 2), *_separable(32), *_separable(40), *HEAD),
    "x16-plain": (*_conv(12), MaxPool(), *_conv(20), MaxPool(), *_conv(24), *_conv(24), *HEAD),
}
MODELS = tuple(
    ModelSpec(name=name, layers=layers, origin="Ours.", training=DEFAULTS)
    for name, layers in CANDIDATES.items()
)
