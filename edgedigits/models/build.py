"""From a model as data to a Keras 2 model."""

from __future__ import annotations

from typing import Any

from edgedigits.models import layers as our
from edgedigits.models.spec import ModelSpec
from edgedigits.tf_loader import import_tf_keras


def build(spec: ModelSpec) -> Any:
    """An untrained, uncompiled ``tf_keras.Sequential``.

    Its input is float32 ``[n, *spec.input_shape]``, its output float32 ``[n, spec.classes]``
    probabilities. Layers are named as in ``spec.facts``. The first weights follow the global seed,
    see ``tf_keras.utils.set_random_seed``.

    Raises:
        MissingPackageError: TensorFlow is not installed.
    """
    tf_keras = import_tf_keras()
    model = tf_keras.Sequential(name=spec.name.replace("-", "_"))
    model.add(tf_keras.Input(spec.input_shape, name="picture"))
    for fact in spec.facts:
        model.add(_keras_layer(tf_keras.layers, fact.layer, fact.name))
    return model


def _keras_layer(keras: Any, layer: our.Layer, name: str) -> Any:
    if isinstance(layer, our.Conv):
        return keras.Conv2D(
            layer.filters,
            layer.kernel,
            padding=layer.padding,
            activation=layer.activation,
            name=name,
        )
    if isinstance(layer, our.Dense):
        return keras.Dense(layer.units, activation=layer.activation, name=name)
    if isinstance(layer, our.MaxPool):
        return keras.MaxPooling2D(layer.size, strides=layer.stride, name=name)
    if isinstance(layer, our.BatchNorm):
        return keras.BatchNormalization(name=name)
    if isinstance(layer, our.Activation):
        return keras.Activation(layer.function, name=name)
    if isinstance(layer, our.Dropout):
        return keras.Dropout(layer.rate, name=name)
    return keras.Flatten(name=name)
