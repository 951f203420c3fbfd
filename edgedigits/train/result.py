"""What a training comes to: its epochs, the one that was kept, and what that one gets right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgedigits.keras_files import load_keras
from edgedigits.models.registry import get_model
from edgedigits.progress import Progress
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData
from edgedigits.train.epochs import EpochResult, kept_epoch
from edgedigits.train.measuring import measure
from edgedigits.train.settings import Plan
from edgedigits.train.state import checkpoint_file


@dataclass(frozen=True)
class TrainResult:
    """A finished training.

    Attributes:
        run: the run folder.
        plan: how it was done.
        epochs: every epoch; best: the one that ``model.keras`` holds, which is the last one where
            the plan says to keep that.
        train_accuracy, train_loss: of the kept model on the pictures it learnt from, as they are:
            without augmentation and dropout.
        validation_accuracy, validation_loss: on the validation part.
        test_accuracy, test_loss: on the test part; None where that has no labels.
        stopped_early: whether the training ended before its last epoch.
        notes: what was said of the data.
    """

    run: RunFolder
    plan: Plan
    epochs: tuple[EpochResult, ...]
    best: EpochResult
    train_accuracy: float
    train_loss: float
    validation_accuracy: float
    validation_loss: float
    test_accuracy: float | None
    test_loss: float | None
    stopped_early: bool
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As in ``run.json``, and as ``edgedigits train --json`` prints it."""
        return {
            "epochs": len(self.epochs),
            "best_epoch": self.best.epoch,
            "stopped_early": self.stopped_early,
            "train_accuracy": self.train_accuracy,
            "train_loss": self.train_loss,
            "validation_accuracy": self.validation_accuracy,
            "validation_loss": self.validation_loss,
            "test_accuracy": self.test_accuracy,
            "test_loss": self.test_loss,
            "seconds": sum(epoch.seconds for epoch in self.epochs),
        }


def finish(
    run: RunFolder,
    made: Plan,
    data: RunData,
    results: tuple[EpochResult, ...],
    progress: Progress,
) -> TrainResult:
    """Measure the model that is kept, and call the training of the run complete.

    Args:
        run: holds ``model.keras``. made: how it was trained. data: as the run divides it.
        results: every epoch.
        progress: told what is going on.

    Raises:
        RunError: the manifest cannot be written.
    """
    progress.update("measuring the kept model", 0, None)
    shape = get_model(made.model).input_shape
    model = load_keras(run.model_file())
    train_loss, train_accuracy = measure(model, data.train, shape)
    validation_loss, validation_accuracy = measure(model, data.validation, shape)
    test_loss = test_accuracy = None
    if data.test.labels is not None:
        test_loss, test_accuracy = measure(model, data.test, shape)
    result = TrainResult(
        run=run,
        plan=made,
        epochs=results,
        best=kept_epoch(results, made.keep),
        train_accuracy=train_accuracy,
        train_loss=train_loss,
        validation_accuracy=validation_accuracy,
        validation_loss=validation_loss,
        test_accuracy=test_accuracy,
        test_loss=test_loss,
        stopped_early=len(results) < made.epochs,
        notes=data.notes,
    )
    run.update_manifest(training={"complete": True, "results": result.to_json()})
    checkpoint_file(run).unlink(missing_ok=True)
    return result
