"""From a model as data to a Keras 2 model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from edgedigits.models import layers as our
from edgedigits.models.spec import ModelSpec
from edgedigits.tf_loader import import_tf_keras

Precision = Literal["float32", "bfloat16"]


NORM = "_norm"  # ends the name of a normalisation that is there while training only


def build(spec: ModelSpec, precision: Precision = "float32", *, normalised: bool = False) -> Any:
    """An untrained, uncompiled ``tf_keras.Sequential``.

    Its input is float32 ``[n, *spec.input_shape]``, its output float32 ``[n, spec.classes]``
    probabilities. Layers are named as in ``spec.facts``. The first weights follow the global seed,
    see ``tf_keras.utils.set_random_seed``.

    Args:
        spec: the model.
        precision: what the layers compute in. With ``"bfloat16"`` weights are still kept and
            updated in float32, and the last layer answers in float32.
        normalised: put batch normalisation between each convolution and its activation, for
            training; :func:`fold` takes it out again.

    Raises:
        MissingPackageError: TensorFlow is not installed.
    """
    tf_keras = import_tf_keras()
    model = tf_keras.Sequential(name=spec.name.replace("-", "_"))
    model.add(tf_keras.Input(spec.input_shape, name="picture"))
    *inner, last = spec.facts
    compute = "float32" if precision == "float32" else "mixed_bfloat16"
    policy = tf_keras.mixed_precision.Policy(compute)
    for fact in inner:
        layer = fact.layer
        if not (normalised and isinstance(layer, our.Conv) and layer.activation):
            model.add(_keras_layer(tf_keras.layers, layer, name=fact.name, dtype=policy))
            continue
        bare = replace(layer, activation=None)
        model.add(_keras_layer(tf_keras.layers, bare, name=fact.name, dtype=policy))
        model.add(tf_keras.layers.BatchNormalization(name=fact.name + NORM, dtype=policy))
        function = f"{fact.name}_{layer.activation}"
        model.add(tf_keras.layers.Activation(layer.activation, name=function, dtype=policy))
    model.add(_keras_layer(tf_keras.layers, last.layer, name=last.name, dtype="float32"))
    return model


def fold(model: Any, spec: ModelSpec) -> Any:
    """The model of ``spec`` that computes what a normalised one does, float32.

    Args:
        model: from :func:`build` with ``normalised``, trained.
        spec: what it was built of.
    """
    plain = build(spec)
    norms = {layer.name: layer for layer in model.layers if layer.name.endswith(NORM)}
    for layer in plain.layers:
        if not layer.weights:
            continue
        weights = model.get_layer(layer.name).get_weights()
        norm = norms.get(layer.name + NORM)
        if norm is not None:
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / np.sqrt(variance + norm.epsilon)
            kernel, bias = weights
            weights = [kernel * scale, (bias - mean) * scale + beta]
        layer.set_weights(weights)
    return plain


def _keras_layer(keras: Any, layer: our.Layer, **common: Any) -> Any:
    if isinstance(layer, our.Conv):
        return keras.Conv2D(
            layer.filters,
            layer.kernel,
            strides=layer.stride,
            padding=layer.padding,
            activation=layer.activation,
            **common,
        )
    if isinstance(layer, our.Depthwise):
        return keras.DepthwiseConv2D(
            layer.kernel,
            strides=layer.stride,
            padding=layer.padding,
            activation=layer.activation,
            **common,
        )
    if isinstance(layer, our.GlobalPool):
        return keras.GlobalAveragePooling2D(**common)
    if isinstance(layer, our.Dense):
        return keras.Dense(layer.units, activation=layer.activation, **common)
    if isinstance(layer, our.MaxPool):
        return keras.MaxPooling2D(layer.size, strides=layer.stride, **common)
    if isinstance(layer, our.BatchNorm):
        return keras.BatchNormalization(momentum=layer.momentum, **common)
    if isinstance(layer, our.Activation):
        return keras.Activation(layer.function, **common)
    if isinstance(layer, our.Dropout):
        return keras.Dropout(layer.rate, **common)
    return keras.Flatten(**common)
