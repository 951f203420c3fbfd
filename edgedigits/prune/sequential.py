"""Chains of layers that can be taken apart and put together again, smaller, as a Keras 2 model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.errors import TrainingError
from edgedigits.tf_loader import import_tf_keras

Indices = NDArray[np.int64]

# What makes up each layer; the rest of its configuration (initialisers, regularisers) is for
# training from the start. The same names hold in Keras 2 and Keras 3.
CONFIGURATION: dict[str, tuple[str, ...]] = {
    "Conv2D": (
        "filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation",
        "use_bias",
    ),
    "DepthwiseConv2D": (
        "kernel_size", "strides", "padding", "depth_multiplier", "dilation_rate", "activation",
        "use_bias",
    ),
    "Dense": ("units", "activation", "use_bias"),
    "BatchNormalization": ("momentum", "epsilon", "center", "scale"),
    "Activation": ("activation",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Softmax": (),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "GlobalAveragePooling2D": (),
    "GlobalMaxPooling2D": (),
    "Dropout": ("rate",),
    "Flatten": (),
    "Reshape": ("target_shape",),
    "Rescaling": ("scale", "offset"),
}  # fmt: skip
WEIGHTED = ("Conv2D", "Dense")
OUTPUTS = {"Conv2D": "filters", "Dense": "units"}


@dataclass(frozen=True)
class Link:
    """One layer of a chain.

    Attributes:
        kind: its class, one of ``CONFIGURATION``. name: its name.
        config: what it is made with.
        weights: its arrays, in Keras's order.
        input_shape, output_shape: without the batch.
    """

    kind: str
    name: str
    config: dict[str, Any]
    weights: tuple[NDArray[np.float32], ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    @property
    def outputs(self) -> int:
        """Filters or units, or the channels that pass."""
        return self.output_shape[-1]


def chain(model: Any) -> tuple[Link, ...]:
    """The layers of a Keras 2 or 3 model that is one chain of layers we can rebuild.

    Raises:
        TrainingError: the model branches, or has a layer that is not in ``CONFIGURATION``.
    """
    if type(model).__name__ != "Sequential" and not _is_one_chain(model):
        raise TrainingError(
            "this model branches; only a chain of layers, each feeding the next one alone, can be "
            "taken apart"
        )
    return tuple(_link(layer) for layer in model.layers if type(layer).__name__ != "InputLayer")


def _is_one_chain(model: Any) -> bool:
    """Whether each layer of a functional model takes the output of the one before alone."""
    previous = None
    for layer in model.layers:
        if type(layer).__name__ != "InputLayer" and layer.input is not previous:
            return False
        previous = layer.output
    return True


def _link(layer: Any) -> Link:
    kind = type(layer).__name__
    config = layer.get_config()
    if kind not in CONFIGURATION:
        raise TrainingError(
            f"layer {layer.name} is a {kind}, which cannot be taken apart; "
            f"pruning knows {', '.join(CONFIGURATION)}"
        )
    if config.get("data_format", "channels_last") != "channels_last":
        raise TrainingError(f"layer {layer.name} has its channels first; only last is supported")
    if kind == "BatchNormalization" and _axis(config) not in (-1, len(layer.input.shape) - 1):
        raise TrainingError(f"layer {layer.name} normalises another axis than the last")
    return Link(
        kind=kind,
        name=layer.name,
        config={key: config[key] for key in CONFIGURATION[kind]},
        weights=tuple(layer.get_weights()),
        input_shape=tuple(layer.input.shape)[1:],
        output_shape=tuple(layer.output.shape)[1:],
    )


def _axis(config: Mapping[str, Any]) -> int:
    axis = config["axis"]
    return int(axis if isinstance(axis, int) else axis[0])


def assemble(links: tuple[Link, ...], input_shape: tuple[int, ...]) -> Any:
    """A ``tf_keras.Sequential`` of these layers with these weights.

    A ``Link``'s shapes are not looked at, only its configuration and its weights.
    """
    tf_keras = import_tf_keras("pruning")
    model = tf_keras.Sequential()
    model.add(tf_keras.Input(input_shape, name="picture"))
    for link in links:
        model.add(getattr(tf_keras.layers, link.kind)(**link.config, name=link.name))
        model.layers[-1].set_weights(link.weights)
    return model
