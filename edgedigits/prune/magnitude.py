"""Magnitude pruning: the smallest weights become zero, more of them step by step.

M. Zhu, S. Gupta, "To prune, or not to prune", 2017, as implemented by
tensorflow-model-optimization. Neither the file nor the speed changes by it; compression sees it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from edgedigits.errors import MissingPackageError, TrainingError
from edgedigits.prune.counting import count_layers

UPDATES = 20  # how often the schedule raises the sparsity


@dataclass(frozen=True)
class Ramp:
    """When the sparsity rises.

    Attributes:
        every: steps between two rises. end: the step of the last one, a multiple of ``every``.
    """

    every: int
    end: int

    def first_full_epoch(self, steps: int) -> int:
        """The first epoch (from 1, of ``steps``) that ends with the full sparsity."""
        return self.end // steps + 1


def ramp(epochs: int, steps: int) -> Ramp:
    """Rising over the first half of the retraining, so that the second half can mend."""
    half = max(1, epochs * steps // 2)
    every = max(1, half // UPDATES)
    return Ramp(every, half // every * every)


def wrap(model: Any, sparsity: float, schedule: Ramp) -> tuple[Any, Any]:
    """The model with a mask on every kernel, and the callback that moves the masks.

    Raises:
        MissingPackageError: tensorflow-model-optimization is not installed.
        TrainingError: the model cannot be pruned so.
    """
    keras_pruning = _tfmot().sparsity.keras
    if not count_layers(model):
        raise TrainingError("this model has no convolution or dense layer whose weights could go")
    try:
        wrapped = keras_pruning.prune_low_magnitude(
            model,
            pruning_schedule=keras_pruning.PolynomialDecay(
                initial_sparsity=0.0,
                final_sparsity=sparsity,
                begin_step=0,
                end_step=schedule.end,
                frequency=schedule.every,
            ),
        )
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise TrainingError(f"this model cannot be pruned by magnitude: {reason}") from error
    return wrapped, keras_pruning.UpdatePruningStep()


def unwrap(model: Any) -> Any:
    """The plain model, its smallest weights exactly zero."""
    return _tfmot().sparsity.keras.strip_pruning(model)


def _tfmot() -> Any:
    with contextlib.suppress(ImportError):
        import tensorflow_model_optimization

        return tensorflow_model_optimization
    raise MissingPackageError("magnitude pruning", "train", "tensorflow-model-optimization")
