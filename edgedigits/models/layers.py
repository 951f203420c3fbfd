"""Layers as data: what they are made of, and what they cost, without any framework.

A model is a tuple of these. Shapes leave out the batch: ``(height, width, channels)`` or
``(features,)``. One MAC is one multiplication with its addition; as usual only those of
convolutions and dense layers are counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
Padding = Literal["same", "valid"]


def _window(shape: Shape, size: int, stride: int, padding: Padding) -> tuple[int, int]:
    if padding == "same":
        return math.ceil(shape[0] / stride), math.ceil(shape[1] / stride)
    return (shape[0] - size) // stride + 1, (shape[1] - size) // stride + 1


@dataclass(frozen=True)
class Conv:
    """A square 2-D convolution with bias.

    Attributes:
        filters: channels of the output. kernel: width and height of the window, in pixels.
        activation: applied inside the layer; None where a separate layer follows.
        stride: step of the window, in pixels.
    """

    filters: int
    kernel: int = 3
    padding: Padding = "same"
    activation: str | None = "relu"
    stride: int = 1
    kind = "conv"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after the layer."""
        return (*_window(shape, self.kernel, self.stride, self.padding), self.filters)

    def weights(self, shape: Shape) -> int:
        """Values of the kernel."""
        return self.kernel * self.kernel * shape[2] * self.filters

    def biases(self, shape: Shape) -> int:
        """Values of the bias."""
        return self.filters

    def macs(self, shape: Shape) -> int:
        """Multiplications with addition for one picture."""
        height, width, _ = self.output_shape(shape)
        return height * width * self.weights(shape)


@dataclass(frozen=True)
class Depthwise:
    """A square 2-D convolution with bias of each channel by itself.

    Attributes:
        kernel: width and height of the window, in pixels. stride: its step, in pixels.
        activation: applied inside the layer; None where a separate layer follows.
    """

    kernel: int = 3
    stride: int = 1
    padding: Padding = "same"
    activation: str | None = "relu"
    kind = "depthwise"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after the layer."""
        return (*_window(shape, self.kernel, self.stride, self.padding), shape[2])

    def weights(self, shape: Shape) -> int:
        """Values of the kernel."""
        return self.kernel * self.kernel * shape[2]

    def biases(self, shape: Shape) -> int:
        """Values of the bias."""
        return shape[2]

    def macs(self, shape: Shape) -> int:
        """Multiplications with addition for one picture."""
        height, width, _ = self.output_shape(shape)
        return height * width * self.weights(shape)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer with bias.

    Attributes:
        units: values of the output.
        activation: applied inside the layer; None where a separate layer follows.
    """

    units: int
    activation: str | None = "relu"
    kind = "dense"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after the layer."""
        return (self.units,)

    def weights(self, shape: Shape) -> int:
        """Values of the kernel."""
        return shape[0] * self.units

    def biases(self, shape: Shape) -> int:
        """Values of the bias."""
        return self.units

    def macs(self, shape: Shape) -> int:
        """Multiplications with addition for one picture."""
        return self.weights(shape)


@dataclass(frozen=True)
class MaxPool:
    """Maximum over square windows.

    Attributes:
        size: width and height of the window, in pixels. stride: step, in pixels.
    """

    size: int = 2
    stride: int = 2
    kind = "pool"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after the layer."""
        return (*_window(shape, self.size, self.stride, "valid"), shape[2])


@dataclass(frozen=True)
class GlobalPool:
    """The mean of each channel over the whole picture."""

    kind = "mean"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after the layer."""
        return (shape[-1],)


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation over the last axis: scale and offset learnt, mean and variance kept.

    Attributes:
        momentum: share of the kept mean and variance that a step leaves as it was.
    """

    momentum: float = 0.99
    kind = "norm"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after the layer."""
        return shape


@dataclass(frozen=True)
class Activation:
    """An activation as a layer of its own."""

    function: str = "relu"
    kind = "activation"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after the layer."""
        return shape


@dataclass(frozen=True)
class Dropout:
    """A share ``rate`` of the values set to zero while training."""

    rate: float
    kind = "dropout"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after the layer."""
        return shape


@dataclass(frozen=True)
class Flatten:
    """All values in one row, row by row of the picture, channels last."""

    kind = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after the layer."""
        return (math.prod(shape),)


Layer = Conv | Depthwise | Dense | MaxPool | GlobalPool | BatchNorm | Activation | Dropout | Flatten


@dataclass(frozen=True)
class LayerFacts:
    """One line of a model's table.

    Attributes:
        name: stable and readable: ``conv_1``, ``dense_2``, …
        output_shape: without the batch.
        trainable, fixed: parameters that are learnt by gradient, and those that are not.
        macs: multiplications with addition for one picture.
        int8_bytes: weights one byte each, biases four; batch normalisation, which at inference is
            one scale and one offset a channel, two bytes a channel.
    """

    name: str
    layer: Layer
    output_shape: Shape
    trainable: int
    fixed: int
    macs: int
    int8_bytes: int

    @property
    def parameters(self) -> int:
        """All parameters of the layer."""
        return self.trainable + self.fixed


def layer_names(layers: Sequence[Layer]) -> tuple[str, ...]:
    """A name a layer: its kind and its number among those of its kind, from 1."""
    counts: Counter[str] = Counter()
    names = []
    for layer in layers:
        counts[layer.kind] += 1
        names.append(f"{layer.kind}_{counts[layer.kind]}")
    return tuple(names)


def describe(layers: Sequence[Layer], input_shape: Shape) -> tuple[LayerFacts, ...]:
    """Shape, parameters and cost of every layer, in order.

    Args:
        layers: the model.
        input_shape: ``(height, width, channels)`` of one picture.
    """
    facts = []
    shape = input_shape
    for name, layer in zip(layer_names(layers), layers, strict=True):
        trainable = fixed = macs = int8_bytes = 0
        if isinstance(layer, (Conv, Depthwise, Dense)):
            weights, biases = layer.weights(shape), layer.biases(shape)
            trainable, macs = weights + biases, layer.macs(shape)
            int8_bytes = weights + 4 * biases
        elif isinstance(layer, BatchNorm):
            trainable = fixed = int8_bytes = 2 * shape[-1]
        shape = layer.output_shape(shape)
        facts.append(LayerFacts(name, layer, shape, trainable, fixed, macs, int8_bytes))
    return tuple(facts)
