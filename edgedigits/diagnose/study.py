"""How many calibration pictures are enough, and chosen how: int8 files made with many sets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgedigits.calibration.make import calibration_set
from edgedigits.convert.export import run_child, save_pictures, work_folder
from edgedigits.convert.worker import Task
from edgedigits.data.dataset import Pictures
from edgedigits.data.split import stratified_sample
from edgedigits.device.classifier import Classifier
from edgedigits.diagnose.diagnosing import Reference, gathered
from edgedigits.diagnose.targets import References
from edgedigits.errors import ConversionError
from edgedigits.metrics import compare_paired
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData

A_CHILD = 24  # files made by one process: the converter leaks memory with each
INSIDE = 300  # pictures over which layers are looked at


@dataclass(frozen=True)
class Choice:
    """A calibration set: how it is chosen, how many pictures, and the seed."""

    method: str
    samples: int
    seed: int


@dataclass(frozen=True)
class Studied:
    """An int8 file made with one calibration set, on the validation pictures.

    Attributes:
        accuracy: 0 to 1. drop: percentage points lost against float. changed: share of the answers
            that differ from float's, 0 to 1.
        end_db: signal-to-quantisation-noise ratio before the softmax, in dB.
        worst_layer, worst_db: the layer with the lowest ratio of what it writes.
        clipped, wasted: the largest share of any layer, see ``RangeUse``.
    """

    accuracy: float
    drop: float
    changed: float
    end_db: float
    worst_layer: str
    worst_db: float
    clipped: float
    wasted: float


def study_calibration(
    run: RunFolder,
    data: RunData,
    choices: Sequence[Choice],
    *,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Iterator[tuple[Choice, Studied]]:
    """Convert the run's model to int8 once a choice, and measure each file on validation.

    Raises:
        UsageError: an unknown method, or more pictures than there are.
        ConversionError: a conversion failed.
    """
    with tempfile.TemporaryDirectory(prefix="edgedigits-") as references, work_folder(run) as work:
        known = References(run, Path(references), data_dir, progress)
        judge = None
        for start in range(0, len(choices), A_CHILD):
            part = choices[start : start + A_CHILD]
            tasks = [_task(data, choice, work, number) for number, choice in enumerate(part)]
            for event in run_child(run, tasks, work, data_dir=data_dir, progress=progress):
                if event["event"] == "failed":
                    raise ConversionError(event["message"])
            for choice, task in zip(part, tasks, strict=True):
                classifier = Classifier(Path(task.target), trust=True)
                if judge is None:
                    judge = Judge(known.of(classifier), data.validation)
                yield choice, judge.measure(classifier)


def _task(data: RunData, choice: Choice, folder: Path, number: int) -> Task:
    chosen = calibration_set(data, samples=choice.samples, method=choice.method, seed=choice.seed)
    return Task(
        variant="int8",
        source="model",
        recipe="int8",
        calibration=str(save_pictures(folder / f"{number}.npz", chosen)),
        target=str(folder / f"{number}.tflite"),
    )


class Judge:
    """Measures files against a float model, whose own answers are found once.

    Args:
        reference: the float model. pictures: with labels.
    """

    def __init__(self, reference: Reference, pictures: Pictures) -> None:
        assert pictures.labels is not None
        self._reference, self._pictures, self._truth = reference, pictures, pictures.labels
        self._inside = pictures.take(
            stratified_sample(self._truth, min(INSIDE, len(self._truth)), 0)
        )
        self._exact = reference.classifier.scores(pictures.images)

    def measure(self, classifier: Classifier) -> Studied:
        """Measure one file."""
        layers, end = gathered(classifier, self._reference, self._inside)
        scores = classifier.scores(self._pictures.images)
        answers = scores.argmax(axis=1)
        worst = min(layers, key=lambda layer: layer.trace.decibels)
        ranges = [layer.trace.range for layer in layers if layer.trace.range is not None]
        return Studied(
            accuracy=float((answers == self._truth).mean()),
            drop=compare_paired(self._truth, self._exact, scores).drop,
            changed=float((answers != self._exact.argmax(axis=1)).mean()),
            end_db=end,
            worst_layer=worst.layer,
            worst_db=worst.trace.decibels,
            clipped=max(one.clipped for one in ranges),
            wasted=max(one.wasted for one in ranges),
        )
