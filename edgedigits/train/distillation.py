"""Distillation: a model learns from another model's answers beside the labels.

After G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network", 2015, at
temperature 1. The teacher is asked once a training, for several changed copies of each picture,
and its mean answer is what the student learns: asked at every step it would cost more than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.augment import Augmentation, augment
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.errors import UsageError
from edgedigits.keras_files import load_keras
from edgedigits.model_input import Range, Shape, model_input
from edgedigits.models.build import Precision
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.run_data import Split, load_split
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train.measuring import probabilities

TEACHER_WEIGHT = 0.9  # of the teacher's answer; the label has the rest
VIEWS = 6  # changed copies of each picture that the teacher answers for
BATCH = 256


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained model whose answers another is to learn.

    Attributes:
        model: gives ``[n, classes]``, probabilities or logits.
        input_shape, input_range: what it takes.
        weight: share of its answer in a target, above 0 to 1; the label has the rest.
    """

    model: Any
    input_shape: Shape
    input_range: Range
    weight: float = TEACHER_WEIGHT

    def answers(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Its probabilities for pictures, uint8 ``[n, h, w]``: float64 ``[n, classes]``."""
        inputs = model_input(images, self.input_shape, self.input_range)
        return probabilities(np.asarray(self.model.predict_on_batch(inputs), np.float32))

    def targets(
        self,
        pictures: Pictures,
        augmentation: Augmentation | None,
        *,
        seed: int = 0,
        progress: Progress = SILENT,
    ) -> NDArray[np.float32]:
        """What a student is to answer for each picture: the teacher's mean answer, and the label.

        Args:
            pictures: labelled.
            augmentation: how they will be changed; the teacher answers for as many changed copies
                as ``VIEWS``. None: it answers once, for the pictures as they are.
            seed: of the changes.
            progress: told of every part.

        Returns:
            float32 ``[n, classes]``, each row summing to 1.
        """
        assert pictures.labels is not None
        mixed = np.zeros((len(pictures), int(self.model.output_shape[-1])))
        views = 1 if augmentation is None else VIEWS
        for view in range(views):
            rng = np.random.default_rng([seed, view])
            for start in range(0, len(pictures), BATCH):
                part = slice(start, start + BATCH)
                images = pictures.images[part]
                if augmentation is not None:
                    images = augment(images, rng, augmentation)
                mixed[part] += self.weight / views * self.answers(images)
                done = view * len(pictures) + start + len(images)
                progress.update("asking the teacher", done, views * len(pictures))
        mixed[np.arange(len(pictures)), pictures.labels] += 1 - self.weight
        return mixed.astype(np.float32)


def teacher_runs(teacher: str) -> list[RunFolder]:
    """The runs behind ``--teacher``, which may name several with commas between.

    Raises:
        UsageError: there is no such run, or it holds no model.
    """
    runs = [RunFolder(Path(name)) for name in teacher.split(",")]
    for run in runs:
        if not run.model_file().is_file():
            raise UsageError(
                f"--teacher {run.path}: no such run, or no {run.model_file().name} in it"
            )
    return runs


def mean_targets(
    teachers: list[Teacher],
    pictures: Pictures,
    augmentation: Augmentation | None,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> NDArray[np.float32]:
    """The mean of what several teachers have a student answer; see :meth:`Teacher.targets`."""
    total = sum(
        teacher.targets(pictures, augmentation, seed=seed, progress=progress)
        for teacher in teachers
    )
    return np.asarray(total / np.float32(len(teachers)), np.float32)


def teachers_split(runs: list[RunFolder], dataset: DataSet) -> Split:
    """How the teachers' data was divided: their validation part serves the student too.

    Raises:
        UsageError: a teacher was trained on other data, or two on other parts of it.
        RunError: the runs' files are damaged.
    """
    for run in runs:
        record = run.manifest().get("data", {})
        if record.get("digest") != dataset.digest:
            raise UsageError(
                f"--teacher {run.path}: was trained on {record.get('name')}, not on this "
                f"{dataset.name}; a student learns from the same pictures"
            )
    first, *others = (load_split(run) for run in runs)
    for run, split in zip(runs[1:], others, strict=True):
        if not np.array_equal(split.validation, first.validation):
            raise UsageError(
                f"--teacher {run.path}: its validation part is not that of {runs[0].path}; train "
                "all teachers with one --seed, or each with the first one as its --teacher"
            )
    return first


def load_teacher(
    run: RunFolder, student: Shape, classes: int, precision: Precision = "float32"
) -> Teacher:
    """The teacher that a run holds.

    Args:
        run: a run folder with ``model.keras``.
        student: input shape of the model that is to learn from it.
        classes: outputs of that model.
        precision: what its layers compute in, the last one apart.

    Raises:
        UsageError: it sees other pictures or knows other classes than the student.
        RunError, ModelFileError: the run or its model cannot be used.
    """
    record = run.recorded("model", "input_shape", "classes", "input_range")
    shape, head = tuple(record["input_shape"]), int(record["classes"])
    if (shape, head) != (student, classes):
        raise UsageError(
            f"--teacher {run.path}: takes {_by(shape)} and has {head} outputs, the model to train "
            f"takes {_by(student)} and has {classes}"
        )
    low, high = record["input_range"]
    model = load_keras(run.model_file())
    return Teacher(_computing_in(precision, model), shape, (float(low), float(high)))


def _computing_in(precision: Precision, model: Any) -> Any:
    """The same model; a Keras 2 one may compute in bfloat16 inside."""
    tf_keras = import_tf_keras()
    if precision == "float32" or not isinstance(model, tf_keras.Model):
        return model

    def lowered(layer: Any) -> Any:
        config = layer.get_config()
        if layer is not model.layers[-1]:
            config["dtype"] = tf_keras.mixed_precision.Policy("mixed_bfloat16")
        return type(layer).from_config(config)

    copy = tf_keras.models.clone_model(model, clone_function=lowered)
    copy.set_weights(model.get_weights())
    return copy


def _by(shape: Shape) -> str:
    return "×".join(str(size) for size in shape)
