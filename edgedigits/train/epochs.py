"""What an epoch reached, which one was best, and its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Keep = Literal["best", "last"]
KEEPS: tuple[Keep, ...] = ("best", "last")


@dataclass(frozen=True)
class EpochResult:
    """One epoch.

    Attributes:
        epoch: from 1.
        loss, accuracy: mean over the epoch's steps, on pictures as trained on (augmented, with
            dropout), against what was to be answered; accuracy 0 to 1.
        val_loss, val_accuracy: on the validation pictures after the epoch.
        learning_rate: of the epoch's last step.
        seconds: of the whole epoch.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As in ``history.json``."""
        return asdict(self)

    def line(self, epochs: int) -> str:
        """As told to the user."""
        return (
            f"epoch {self.epoch:>{len(str(epochs))}}/{epochs}  "
            f"loss {self.loss:.4f} accuracy {self.accuracy:.4f}  "
            f"val_loss {self.val_loss:.4f} val_accuracy {self.val_accuracy:.4f}  "
            f"{self.seconds:.1f} s"
        )


def best_epoch(results: Sequence[EpochResult]) -> EpochResult:
    """The epoch with the highest validation accuracy; of equals the lower loss, then the first."""
    return max(results, key=lambda result: (result.val_accuracy, -result.val_loss, -result.epoch))


def kept_epoch(results: Sequence[EpochResult], keep: Keep) -> EpochResult:
    """The epoch whose model is kept: the best one so far, or the last."""
    return best_epoch(results) if keep == "best" else results[-1]


class BestWeights:
    """For ``after_epoch`` of :func:`fit`: remembers the best epoch and its weights.

    Args:
        model: the ``tf_keras`` model that is fitted. first_epoch: that may be kept, from 1.
    """

    def __init__(self, model: Any, first_epoch: int = 1) -> None:
        self._model = model
        self._first = first_epoch
        self._weights: list[NDArray[np.float32]] = []

    def __call__(self, results: tuple[EpochResult, ...]) -> bool:
        """Look at the newest epoch; never asks to stop."""
        candidates = results[self._first - 1 :]
        if candidates and best_epoch(candidates) is results[-1]:
            self.epoch = results[-1]
            self._weights = self._model.get_weights()
        return False

    def restore(self) -> EpochResult:
        """Give the model these weights; returns their epoch."""
        self._model.set_weights(self._weights)
        return self.epoch
