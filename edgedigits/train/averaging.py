"""The running mean of a model's weights, which is often better than the weights of the last step.

B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control and
Optimization, 1992; here as an exponential mean that begins short, so that it forgets the weights
before the first step soon (TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``). The
mean and variance of batch normalisation are measured anew under the mean weights (P. Izmailov
et al., "Averaging weights leads to wider optima and better generalization", UAI 2018): those of the
last steps belong to other weights.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.tf_loader import import_tf_keras

MOMENTUM = 0.999  # share of the mean that a step leaves as it was: a thousand steps count
PICTURES = 1024  # that batch normalisation's mean and variance are measured on


@functools.cache
def averaging_adam() -> Any:
    """The class of Adam's optimiser that keeps the mean; from then on Keras can load it."""
    tf_keras = import_tf_keras()
    import tensorflow as tf

    @tf_keras.utils.register_keras_serializable("edgedigits")
    class AveragingAdam(tf_keras.optimizers.Adam):  # type: ignore[misc,name-defined]
        """Adam with ``use_ema`` whose momentum is ``min(ema_momentum, (1 + t) / (10 + t))``."""

        def _update_model_variables_moving_average(self, var_list: Any) -> None:
            done = tf.cast(self.iterations, tf.float32)
            share = tf.minimum(self.ema_momentum, (1.0 + done) / (10.0 + done))
            for variable in var_list:
                place = self._index_dict[self._var_key(variable)]
                mean = self._model_variables_moving_average[place]
                mean.assign(share * mean + (1.0 - share) * variable)

    return AveragingAdam


@contextmanager
def averaged(model: Any, inputs: NDArray[np.float32]) -> Iterator[Any]:
    """The model with the mean of its weights in place of them, until the block ends.

    Args:
        model: compiled with :func:`averaging_adam`.
        inputs: float32 ``[n, h, w, c]``, training pictures as the model takes them; mean and
            variance of its batch normalisation become those that they have.
    """
    weights = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    _measure_statistics(model, inputs)
    try:
        yield model
    finally:
        model.set_weights(weights)


def _measure_statistics(model: Any, inputs: NDArray[np.float32]) -> None:
    """Set mean and variance of batch normalisation to those of these pictures."""
    kind = import_tf_keras().layers.BatchNormalization
    layers = [layer for layer in model.submodules if isinstance(layer, kind)]
    if not layers:
        return
    kept = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # nothing of what was there
    try:
        model(inputs, training=True)
    finally:
        for layer, momentum in zip(layers, kept, strict=True):
            layer.momentum = momentum


def averaged_copy(model: Any, inputs: NDArray[np.float32]) -> Any:
    """A model of its own, not compiled, as :func:`averaged` has it."""
    copy = import_tf_keras().models.clone_model(model)
    with averaged(model, inputs):
        copy.set_weights(model.get_weights())
    return copy
