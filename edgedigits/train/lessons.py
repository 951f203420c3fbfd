"""Lessons: changed copies of every training picture, each with a teacher's answer to it.

A student that sees what its teacher saw learns more from it than from answers to other copies: L.
Beyer and others, "Knowledge distillation: a good teacher is patient and consistent", CVPR 2022.
Lessons are written once into the teacher's run and serve all its students.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from edgedigits.augment import Augmentation, augment
from edgedigits.data.dataset import Pictures
from edgedigits.files import file_digest
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.train.distillation import Teacher

BATCH = 256
FOLDER, PARTS = "lessons", ("images", "answers")
FAINTEST = 1e-12  # probability below which logarithms mean nothing in 16 bits


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a student learns from, one view an epoch.

    Attributes:
        images: uint8 ``[views, n, h, w]``.
        answers: float16 ``[views, n, classes]``, logarithms of the teacher's probabilities.
        labels: int64 ``[n]``.
        weight: share of the teacher's answer in a target; the label has the rest.
        temperature: by which its logarithms are divided; above 1 the answers become softer.
    """

    images: NDArray[np.uint8]
    answers: NDArray[np.float16]
    labels: NDArray[np.int64]
    weight: float
    temperature: float

    def targets(self, view: int, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """What to answer for some pictures of a view, float32 ``[k, classes]``."""
        logs = self.answers[view][chosen].astype(np.float32) / np.float32(self.temperature)
        soft = np.exp(logs - logs.max(axis=1, keepdims=True))
        mixed = np.float32(self.weight) * soft / soft.sum(axis=1, keepdims=True)
        mixed[np.arange(len(chosen)), self.labels[chosen]] += np.float32(1 - self.weight)
        return np.asarray(mixed, np.float32)


def lessons(
    runs: list[RunFolder],
    teachers: list[Teacher],
    pictures: Pictures,
    augmentation: Augmentation | None,
    *,
    views: int,
    temperature: float,
    progress: Progress = SILENT,
) -> Lessons:
    """The lessons of a teacher, or of several together: from their file, or made now.

    Args:
        runs, teachers: the same in the same order; the file lies in the first one's folder.
        pictures: the training part, labelled.
        augmentation: how they are changed. views: copies of each picture.
        temperature: see :class:`Lessons`.
        progress: told of every part.
    """
    assert pictures.labels is not None
    what = {
        "teachers": [file_digest(run.model_file()) for run in runs],
        "pictures": pictures.digest,
        "augmentation": None if augmentation is None else asdict(augmentation),
        "views": views,
    }
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
    stem = runs[0].path / FOLDER / key
    images_file, answers_file = (stem.with_name(f"{key}-{part}.npy") for part in PARTS)
    if not answers_file.is_file():  # the last one written
        files = (images_file, answers_file)
        _write(files, teachers, pictures, augmentation, views, progress)
    return Lessons(
        np.load(images_file, mmap_mode="r"),
        np.load(answers_file, mmap_mode="r"),
        pictures.labels,
        teachers[0].weight,
        temperature,
    )


def _write(
    files: tuple[Path, Path],
    teachers: list[Teacher],
    pictures: Pictures,
    augmentation: Augmentation | None,
    views: int,
    progress: Progress,
) -> None:
    files[0].parent.mkdir(exist_ok=True)
    count, classes = len(pictures), int(teachers[0].model.output_shape[-1])
    unfinished = tuple(file.with_suffix(".unfinished") for file in files)
    images = open_memmap(unfinished[0], "w+", np.uint8, (views, *pictures.images.shape))
    answers = open_memmap(unfinished[1], "w+", np.float16, (views, count, classes))
    for view in range(views):
        rng = np.random.default_rng([view, 7])
        for start in range(0, count, BATCH):
            part = slice(start, start + BATCH)
            some = pictures.images[part]
            if augmentation is not None:
                some = augment(some, rng, augmentation)
            images[view, part] = some
            mean = sum(teacher.answers(some) for teacher in teachers) / len(teachers)
            answers[view, part] = np.log(np.maximum(mean, FAINTEST))
            done = view * count + start + len(some)
            progress.update("asking the teacher", done, views * count)
    images.flush()
    answers.flush()
    for temporary, file in zip(unfinished, files, strict=True):
        temporary.replace(file)
