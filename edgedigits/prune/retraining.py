"""Retraining what pruning left, and keeping its best epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgedigits.augment import Augmentation
from edgedigits.model_input import Range, Shape
from edgedigits.progress import SILENT, Progress
from edgedigits.run_data import RunData
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train import BestWeights, EpochResult, fit
from edgedigits.train.lessons import Lessons


@dataclass(frozen=True, eq=False)
class Retraining:
    """How a pruned model is retrained.

    Attributes:
        epochs, batch_size: whole numbers above 0.
        learning_rate: Adam's at the start; it falls to 0 on a cosine.
        seed: of the order of the pictures.
        augmentation: how pictures are changed; None: not at all.
        lessons: what to learn from instead of the labels of (changed) training pictures.
        callbacks: ``tf_keras`` callbacks. first_epoch: the first one that may be kept, from 1.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int = 0
    augmentation: Augmentation | None = None
    lessons: Lessons | None = None
    callbacks: Sequence[Any] = ()
    first_epoch: int = 1


def retrain(
    model: Any,
    data: RunData,
    how: Retraining,
    *,
    input_shape: Shape,
    input_range: Range,
    what: str,
    progress: Progress = SILENT,
) -> tuple[tuple[EpochResult, ...], EpochResult]:
    """Retrain in place; the model ends with the weights of its best epoch on validation.

    Args:
        model: a ``tf_keras`` model. data: of the run.
        input_shape, input_range: what it takes.
        what: the name of this work in ``progress``.

    Returns:
        All epochs, and the best of those from ``first_epoch`` on.

    Raises:
        TrainingError, DataError: as :func:`edgedigits.train.fit`.
    """
    import_tf_keras(what).utils.set_random_seed(how.seed)
    best = BestWeights(model, how.first_epoch)
    results = fit(
        model,
        data.train,
        data.validation,
        epochs=how.epochs,
        batch_size=how.batch_size,
        learning_rate=how.learning_rate,
        schedule="cosine",
        augmentation=how.augmentation,
        lessons=how.lessons,
        seed=how.seed,
        input_shape=input_shape,
        input_range=input_range,
        progress=progress,
        callbacks=how.callbacks,
        after_epoch=best,
        what=what,
    )
    return results, best.restore()
