"""Fitting one Keras 2 model to pictures: training, retraining after pruning, and fine-tuning."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.augment import Augmentation
from edgedigits.data.dataset import Pictures
from edgedigits.errors import DataError, TrainingError
from edgedigits.model_input import Range, Shape
from edgedigits.progress import SILENT, Progress
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train.averaging import MOMENTUM, averaged, averaging_adam
from edgedigits.train.batches import Picked, statistics_inputs, training_batches
from edgedigits.train.epochs import EpochResult
from edgedigits.train.measuring import EVALUATION_BATCH, are_probabilities, measure, scores
from edgedigits.train.schedules import Schedule, falling

if TYPE_CHECKING:
    from edgedigits.train.lessons import Lessons

SECONDS_BETWEEN_UPDATES = 0.1


def check_labels(pictures: Pictures, classes: int, what: str) -> None:
    """Refuse pictures that a head of ``classes`` outputs cannot learn.

    Raises:
        DataError: no labels, no pictures, or labels outside the head.
    """
    if pictures.labels is None:
        raise DataError(f"{what}: has no labels; training needs a class for each picture")
    if len(pictures) == 0:
        raise DataError(f"{what}: holds no pictures")
    low, high = int(pictures.labels.min()), int(pictures.labels.max())
    if low < 0 or high >= classes:
        found = low if low < 0 else high
        raise DataError(
            f"{what}: has label {found}, but the model's {classes} outputs are the classes 0 to "
            f"{classes - 1}; relabel the data or choose a model with a wider head"
        )


def steps_of(train: Pictures, batch_size: int, picked: Picked | None = None) -> int:
    """Steps of one epoch; arguments as :func:`fit`."""
    return math.ceil((len(train) if picked is None else len(picked(1))) / batch_size)


def fit(
    model: Any,
    train: Pictures,
    validation: Pictures,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    schedule: Schedule = "constant",
    average: bool = False,
    augmentation: Augmentation | None = None,
    targets: NDArray[np.float32] | None = None,
    lessons: Lessons | None = None,
    picked: Picked | None = None,
    input_range: Range = (0.0, 1.0),
    input_shape: Shape | None = None,
    progress: Progress = SILENT,
    callbacks: Sequence[Any] = (),
    done: Sequence[EpochResult] = (),
    after_epoch: Callable[[tuple[EpochResult, ...]], bool] | None = None,
    what: str = "training",
) -> tuple[EpochResult, ...]:
    """Fit a ``tf_keras`` model in place; the model ends as it is after the last epoch.

    A model that is compiled already keeps its optimiser and that one's state (so a checkpoint
    goes on where it stopped); another is compiled with Adam and cross-entropy.

    Args:
        model: takes float32 ``[n, *input_shape]``, gives ``[n, classes]``, probabilities or logits.
        train, validation: labelled pictures.
        epochs: epochs in all, those in ``done`` included.
        batch_size: pictures a step.
        learning_rate: Adam's, at the start.
        seed: of order and augmentation; the model's own weights are not touched by it.
        schedule: how the learning rate falls over all steps.
        average: keep a running mean of the weights and measure the model that has it, see
            :func:`edgedigits.train.averaging.averaged`. Within an epoch and after it the model
            has its own weights; when all is done, Keras leaves the mean in it, but the batch
            normalisation of the last steps.
        augmentation: how training pictures are changed; None: not at all.
        targets: float32 ``[n, classes]``, what to answer for each picture; None: its label.
        lessons: what to learn from instead of training pictures, augmentation and targets.
        picked: which of the training pictures an epoch learns from, as many each time; None: all.
        input_range: the model's values for pixel 0 and pixel 255.
        input_shape: None: the model's own.
        progress: told of every step and every epoch.
        callbacks: further ``tf_keras`` callbacks.
        done: epochs of an interrupted training that ``model`` already has behind it.
        after_epoch: called with all epochs so far; True ends the training.
        what: the name of this work in ``progress``.

    Returns:
        All epochs, ``done`` first.

    Raises:
        DataError: labels are missing or outside the head.
        TrainingError: the loss is not a number any more.
        KeyboardInterrupt: the user stopped it; the model is in the middle of an epoch.
    """
    tf_keras = import_tf_keras(what)
    input_shape = tuple(model.input_shape[1:]) if input_shape is None else input_shape
    classes = int(model.output_shape[-1])
    check_labels(train, classes, "training part")
    check_labels(validation, classes, "validation part")
    steps = steps_of(train, batch_size, picked)
    if getattr(model, "optimizer", None) is None:
        few = Pictures(train.images[:EVALUATION_BATCH], None)
        logits = not are_probabilities(scores(model, few, input_shape, input_range))
        rate = falling(learning_rate, schedule, steps * epochs)
        losses = tf_keras.losses
        dense = targets is not None or lessons is not None
        loss = losses.CategoricalCrossentropy if dense else losses.SparseCategoricalCrossentropy
        if average:
            optimizer = averaging_adam()(rate, use_ema=True, ema_momentum=MOMENTUM)
        else:
            optimizer = tf_keras.optimizers.Adam(rate)
        model.compile(
            optimizer=optimizer,
            loss=loss(from_logits=logits),
            metrics=["accuracy"],
        )
    if len(done) >= epochs:
        return tuple(done)

    shown = (
        statistics_inputs(
            train,
            seed=seed,
            augmentation=augmentation,
            input_shape=input_shape,
            input_range=input_range,
        )
        if average
        else None
    )

    def measured() -> tuple[float, float]:
        with nullcontext() if shown is None else averaged(model, shown):
            return measure(model, validation, input_shape, input_range)

    watcher = _Watcher(
        model=model,
        measure=measured,
        epochs=epochs,
        steps=steps,
        done=done,
        progress=progress,
        what=what,
        after_epoch=after_epoch,
    )
    model.fit(
        training_batches(
            train,
            batch_size=batch_size,
            epochs=range(len(done) + 1, epochs + 1),
            seed=seed,
            augmentation=augmentation,
            input_shape=input_shape,
            input_range=input_range,
            targets=targets,
            lessons=lessons,
            picked=picked,
        ),
        steps_per_epoch=steps,
        initial_epoch=len(done),
        epochs=epochs,
        verbose=0,
        callbacks=[
            *callbacks,
            tf_keras.callbacks.LambdaCallback(
                on_epoch_begin=watcher.epoch_begins,
                on_batch_end=watcher.batch_ends,
                on_epoch_end=watcher.epoch_ends,
            ),
        ],
    )
    return tuple(watcher.results)


class _Watcher:
    """Sees every step and epoch: reports them, measures, and ends the training where it must."""

    def __init__(
        self,
        *,
        model: Any,
        measure: Callable[[], tuple[float, float]],
        epochs: int,
        steps: int,
        done: Sequence[EpochResult],
        progress: Progress,
        what: str,
        after_epoch: Callable[[tuple[EpochResult, ...]], bool] | None,
    ) -> None:
        self.results = list(done)
        self._model = model
        self._measure = measure
        self._epochs = epochs
        self._steps = steps
        self._progress = progress
        self._what = what
        self._after_epoch = after_epoch
        self._began = self._told = 0.0

    def epoch_begins(self, epoch: int, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def batch_ends(self, step: int, logs: dict[str, float]) -> None:
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"the loss became {logs['loss']} in epoch {len(self.results) + 1}: training "
                "diverged; try a lower --learning-rate"
            )
        now = time.perf_counter()
        if now - self._told >= SECONDS_BETWEEN_UPDATES or step + 1 == self._steps:
            self._told = now
            self._progress.update(
                self._what,
                len(self.results) * self._steps + step + 1,
                self._epochs * self._steps,
                f"epoch {len(self.results) + 1}/{self._epochs} "
                f"loss {logs['loss']:.4f} accuracy {logs['accuracy']:.4f}",
            )

    def epoch_ends(self, epoch: int, logs: dict[str, float]) -> None:
        val_loss, val_accuracy = self._measure()
        result = EpochResult(
            epoch=epoch + 1,
            loss=float(logs["loss"]),
            accuracy=float(logs["accuracy"]),
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=float(self._model.optimizer.learning_rate.numpy()),
            seconds=time.perf_counter() - self._began,
        )
        self.results.append(result)
        self._progress.say(result.line(self._epochs))
        if self._after_epoch is not None and self._after_epoch(tuple(self.results)):
            self._model.stop_training = True
