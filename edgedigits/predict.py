"""Run a ``.tflite`` file over pictures, with or without labels, and write its answers down."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data
from edgedigits.device.classifier import Classifier
from edgedigits.errors import DataError, UsageError
from edgedigits.evaluate import choose_pictures
from edgedigits.files import write_bytes
from edgedigits.progress import SILENT, Progress

HEADER = ("ImageId", "Label")  # as Kaggle's "Digit Recognizer" wants answers


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one file answered on one part of a data set.

    Attributes:
        file: the ``.tflite`` file; variant: its name.
        data, split: the pictures it ran on.
        labels: the name of each class of the file's head.
        answers: int64 ``[n]``, the class answered for each picture.
        out: the CSV file of the answers; sha256: of its content.
        notes: what the reader should know.
    """

    file: Path
    variant: str
    data: str
    split: str
    labels: tuple[str, ...]
    answers: NDArray[np.int64]
    out: Path
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """How many pictures it ran on."""
        return len(self.answers)

    @property
    def counts(self) -> dict[str, int]:
        """How often each class was answered, by its name, in the order of the head."""
        counts = dict.fromkeys(self.labels, 0)
        numbers = np.bincount(self.answers, minlength=len(self.labels))
        for label, number in zip(self.labels, numbers, strict=True):
            counts[label] += int(number)
        return counts


def predict_file(
    file: Path,
    data: str,
    out: Path,
    *,
    split: str | None = None,
    threads: int = 1,
    overwrite: bool = False,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Predictions:
    """Open a file, load the data, run the one over the other, and write ``ImageId,Label``.

    Args:
        file: the ``.tflite`` file. data: as for ``load_data``. out: the CSV file to write.
        split: ``test``, ``validation``, ``train`` or ``all``; None: the data's own test pictures,
            or all of it where it has none.
        threads: processor threads. overwrite: whether ``out`` may be replaced.
        data_dir: where downloaded data lies. progress: told of a download, and of the file written.

    Raises:
        UsageError: ``out`` is there already, or an option does not fit.
        ModelFileError, DataError: the file or the data cannot be used.
        RunError: ``out`` cannot be written.
    """
    if threads < 1:
        raise UsageError(f"--threads {threads}: must be 1 or more")
    if out.is_dir():
        raise UsageError(f"{out}: is a folder; name a file with --out")
    if out.exists() and not overwrite:
        raise UsageError(f"{out}: already exists; add --overwrite, or name another --out")
    classifier = Classifier(file, threads=threads)
    dataset = load_data(data, data_dir=data_dir, progress=progress)
    own = "all" if dataset.test is None else "test"
    part = choose_pictures(dataset, classifier, split or own)
    if len(part.pictures) == 0:
        raise DataError(f"{part.data}: its {part.split} part holds no pictures")
    progress.update("predict", 0, None, f"{len(part.pictures):,} pictures")
    answers, labels = predict(classifier, part.pictures), class_labels(classifier)
    text = predictions_csv([labels[answer] for answer in answers])
    write_bytes(out, text)
    progress.say(f"written: {out}")
    return Predictions(
        file=file,
        variant=classifier.variant,
        data=part.data,
        split=part.split,
        labels=labels,
        answers=answers,
        out=out,
        sha256=hashlib.sha256(text).hexdigest(),
        notes=(*part.notes, *classifier.assumptions),
    )


def predict(classifier: Classifier, pictures: Pictures) -> NDArray[np.int64]:
    """The class answered for each picture, int64 ``[n]``; labels are not looked at."""
    return np.asarray(classifier.scores(pictures.images).argmax(axis=1), dtype=np.int64)


def class_labels(classifier: Classifier) -> tuple[str, ...]:
    """A name for each class of the head: as the file says, and the number where it says nothing."""
    named = () if classifier.metadata is None else classifier.metadata.labels
    named = named[: classifier.classes]
    return (*named, *(str(number) for number in range(len(named), classifier.classes)))


def predictions_csv(labels: list[str]) -> bytes:
    """``ImageId,Label``, then a line a picture, numbered from 1; lines end in ``\\n``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(enumerate(labels, start=1))
    return text.getvalue().encode()
