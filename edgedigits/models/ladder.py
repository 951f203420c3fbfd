"""The ladder: small models for a given number of bytes of their int8 file, container and all.

All are plain convolutions with pooling between groups of them, and the mean of each channel at the
end; only in 4 KiB, with so few channels that their means say too little, all places are kept. Deep
and narrow learns more than shallow and wide in the same bytes, and more than depthwise-separable
(A. Howard and others, "MobileNets", 2017), whose many operations and channels cost bytes of their
own. Where the first convolution moves two pixels at a time, what follows has a quarter of the
places to compute: docs/ladder.md has the figures.
"""

from __future__ import annotations

from edgedigits.models.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    Layer,
    MaxPool,
)
from edgedigits.models.spec import ModelSpec, TrainingDefaults

MOMENTUM = 0.9  # small models move fast; their mean and variance have to follow


def _conv(filters: int, kernel: int = 3, stride: int = 1) -> tuple[Layer, ...]:
    return (
        Conv(filters, kernel, activation=None, stride=stride),
        BatchNorm(MOMENTUM),
        Activation(),
    )


def _plain(name: str, *blocks: tuple[int, ...], strided: int | None = None) -> ModelSpec:
    """Blocks of plain convolutions with pooling between them, and the head.

    Args:
        strided: filters of a convolution before them that moves two pixels at a time; None: none.
    """
    layers: list[Layer] = [] if strided is None else [*_conv(strided, stride=2)]
    for number, filters in enumerate(blocks):
        layers += [MaxPool()] if number else []
        layers += [layer for count in filters for layer in _conv(count)]
    return _spec(name, (*layers, GlobalPool()))


def _spec(name: str, layers: tuple[Layer, ...]) -> ModelSpec:
    data, size, *fast = name.split("-")
    return ModelSpec(
        name=name,
        layers=(*layers, Dense(10, activation="softmax")),
        origin=f"Ours, of the ladder: at most {size.removesuffix('k')} KiB as int8"
        + ("; the first layer halves the picture." if fast else "."),
        training=TrainingDefaults(
            epochs=30,
            batch_size=128,
            learning_rate=0.004,
            data="fashion-mnist" if data == "fashion" else "mnist",
        ),
    )


MODELS = (
    _spec(
        "mnist-4k",
        (*_conv(5, 4, stride=2), *_conv(8), MaxPool(), *_conv(7), MaxPool(), Flatten()),
    ),
    _plain("mnist-8k", (6, 6), (10, 12), (12, 12)),
    _plain("mnist-16k", (8, 8), (16, 20), (20, 20)),
    _plain("mnist-32k", (12, 12), (24, 28), (32, 32)),
    _plain("mnist-8k-fast", (12,), (12, 12, 12), strided=9),
    _plain("mnist-16k-fast", (16,), (20, 20, 20), strided=12),
    _plain("mnist-32k-fast", (24,), (28, 32, 32), strided=16),
    _plain("fashion-32k", (12, 12), (24, 28), (32, 32)),
    _plain("fashion-32k-fast", (24,), (28, 32, 32), strided=16),
    _plain("fashion-64k", (16, 16), (32, 40), (48, 52)),
    _plain("fashion-256k", (32, 32), (64, 80), (96, 112)),
)
