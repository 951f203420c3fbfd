"""The running mean of a model's weights, which is often better than the weights of the last step.

B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control and
Optimization, 1992; as an exponential mean, it is what Keras's optimisers keep with ``use_ema``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgedigits.tf_loader import import_tf_keras

MOMENTUM = 0.999  # share of the mean that a step leaves as it was: a thousand steps count


@contextmanager
def averaged(model: Any) -> Iterator[Any]:
    """The model with the mean of its weights in place of them, until the block ends.

    Args:
        model: compiled with an optimiser that has ``use_ema``. Mean and variance of batch
            normalisation are running means already and stay.
    """
    weights = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield model
    finally:
        model.set_weights(weights)


def averaged_copy(model: Any) -> Any:
    """A model of its own, not compiled, that has the mean of another's weights."""
    copy = import_tf_keras().models.clone_model(model)
    with averaged(model):
        copy.set_weights(model.get_weights())
    return copy
