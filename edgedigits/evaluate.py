"""Run a ``.tflite`` file over labelled pictures, through the code that runs on the device."""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.crop_labels import NAMES as CROP_NAMES
from edgedigits.data.crops import CropSet, for_classes
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.data.registry import NAMES, load_data
from edgedigits.data.split import stratified_sample, with_test
from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import Rejection
from edgedigits.errors import DataError, UsageError
from edgedigits.files import file_digest
from edgedigits.metrics import ClassificationReport, classification_report
from edgedigits.progress import SILENT, Progress
from edgedigits.rejection import JUDGE_SEED, knows_digits, rejection_of
from edgedigits.run import RunFolder
from edgedigits.run_data import apply_split, load_split

SPLITS = ("test", "validation", "train", "all")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one file does on one part of a data set.

    Attributes:
        file: the ``.tflite`` file; variant: its name; file_digest: its SHA-256.
        data, split, data_digest: the pictures it ran on.
        class_names: the data's classes.
        bytes, gzip_bytes: size of the file, and after gzip.
        report: confusion matrix, per-class table, accuracy with its interval.
        truth: int64 ``[n]``, true classes; scores: float32 ``[n, c]``, summing to 1 a picture.
        seconds: time spent in inference.
        notes: what the reader should know, for example that only a part was run.
        rejection: what the file's threshold for "not a digit" does to these digits and to pictures
            that are none; None: the file has none.
    """

    file: Path
    variant: str
    file_digest: str
    data: str
    split: str
    data_digest: str
    class_names: tuple[str, ...]
    bytes: int
    gzip_bytes: int
    report: ClassificationReport
    truth: NDArray[np.int64]
    scores: NDArray[np.float32]
    seconds: float
    notes: tuple[str, ...] = ()
    rejection: Rejection | None = None

    @property
    def answers(self) -> NDArray[np.int64]:
        """The class answered for each picture, int64 ``[n]``."""
        return np.asarray(self.scores.argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures to run a file over, and what they are called.

    Attributes:
        pictures: with labels where the file is judged by them.
        class_names: of the data. data, split: names.
        notes: what the reader should know about how the part was chosen.
    """

    pictures: Pictures
    class_names: tuple[str, ...]
    data: str
    split: str
    notes: tuple[str, ...] = ()


def choose_part(dataset: DataSet, classifier: Classifier, split: str | None) -> Part:
    """The pictures of a data set that a file is to be judged by.

    Without ``split``: the source's own test pictures; where it has none, all of it, unless the file
    was trained on this very data, which is then divided as the training divided it.

    Args:
        dataset: as loaded. classifier: the file, for what it says of its training.
        split: ``test``, ``validation``, ``train``, ``all``, or None.

    Raises:
        UsageError: an unknown split, or one that this data or file does not have.
        DataError: the data has no labels.
    """
    own = dataset.test
    judges = own is not None and own.labels is not None
    if not judges and split in (None, "test", "train") and _learnt_from(classifier, dataset):
        dataset = with_test(dataset)
    default = "all" if dataset.test is None else "test"
    part = choose_pictures(dataset, classifier, split or default)
    if part.pictures.labels is None:
        which = "" if own is None or dataset.train.labels is None else "its test part "
        raise DataError(
            f"{part.data}: {which}has no labels, so there is nothing to hold answers against; "
            "'edgedigits predict' writes the answers down"
        )
    return _numbered_as_in_the_file(part, classifier)


def _learnt_from(classifier: Classifier, dataset: DataSet) -> bool:
    metadata = classifier.metadata
    return metadata is not None and metadata.digests.get("data") == dataset.digest


def choose_pictures(dataset: DataSet, classifier: Classifier, split: str) -> Part:
    """One part of a data set, with labels or without.

    Args:
        dataset: as loaded. classifier: the file, whose run folder knows the validation part.
        split: ``test`` (where the data has none, one is taken out of its training part), ``train``
            (what that leaves), ``validation``, or ``all``.

    Raises:
        UsageError: an unknown split, or one that this data or file does not have.
        DataError: a class has too few pictures to be divided.
    """
    if split not in SPLITS:
        raise UsageError(f"--split {split}: unknown; choose one of {', '.join(SPLITS)}")
    if split == "validation":
        return _validation_part(dataset, classifier)
    if dataset.test is None and split != "all":
        dataset = with_test(dataset)
    if split == "train" or dataset.test is None:
        pictures = dataset.train
    elif split == "test":
        pictures = dataset.test
    else:
        pictures = _together(dataset.train, dataset.test)
    return Part(pictures, dataset.class_names, dataset.name, split, dataset.notes)


def _numbered_as_in_the_file(part: Part, classifier: Classifier) -> Part:
    """Match classes by name where the data numbers them otherwise than the file.

    A folder of pictures that holds only ``3`` and ``7`` numbers them 0 and 1.
    """
    labels = () if classifier.metadata is None else classifier.metadata.labels
    names, truth = part.class_names, part.pictures.labels
    if truth is None or labels[: len(names)] == names or not set(names) <= set(labels):
        return part
    positions = np.array([labels.index(name) for name in names], dtype=np.int64)
    note = f"its {len(names)} classes were matched by name with the file's {len(labels)}"
    pictures = Pictures(part.pictures.images, positions[truth])
    return replace(part, pictures=pictures, class_names=labels, notes=(*part.notes, note))


def _validation_part(dataset: DataSet, classifier: Classifier) -> Part:
    run = RunFolder(classifier.path.resolve().parent.parent)
    if not run.manifest_file.is_file():
        raise UsageError(
            f"--split validation: {classifier.path} does not lie in a run folder, "
            "which would say what the validation part is"
        )
    record = run.manifest().get("data")
    if not isinstance(record, dict) or record.get("digest") != dataset.digest:
        raise UsageError(f"--split validation: {run.path} was not trained on {dataset.name}")
    data = apply_split(dataset, load_split(run))
    return Part(data.validation, data.class_names, dataset.name, "validation", data.notes)


def _together(first: Pictures, second: Pictures) -> Pictures:
    labels = None
    if first.labels is not None and second.labels is not None:
        labels = np.concatenate([first.labels, second.labels])
    return Pictures(np.concatenate([first.images, second.images]), labels)


def evaluate_file(
    file: Path,
    data: str | None,
    *,
    split: str | None = None,
    limit: int | None = None,
    threads: int = 1,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> tuple[Evaluation, Part]:
    """Open a file, load the data, choose the part, evaluate.

    Args:
        file: the ``.tflite`` file. data: as for ``load_data``; None: what it was trained on, as
            far as the file or the run folder around it says. split: see :func:`choose_part`.
        limit: run on at most so many pictures, chosen by class share.
        threads: processor threads. data_dir: where downloaded data lies.

    Raises:
        UsageError, ModelFileError, DataError: naming the option or file at fault.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: must be 1 or more")
    if threads < 1:
        raise UsageError(f"--threads {threads}: must be 1 or more")
    classifier = Classifier(file, threads=threads)
    if data is None:
        data, recorded = _data_trained_on(classifier)
        data_dir = recorded if data_dir is None else data_dir
    dataset = load_data(data, data_dir=data_dir, progress=progress)
    if isinstance(dataset, CropSet):
        labels = None if classifier.metadata is None else classifier.metadata.labels
        dataset = for_classes(dataset, labels or CROP_NAMES[: classifier.classes])
    part = take_at_most(choose_part(dataset, classifier, split), limit)
    progress.update("evaluate", 0, None, f"{len(part.pictures):,} pictures")
    return evaluate(classifier, part), part


def _data_trained_on(classifier: Classifier) -> tuple[str, Path | None]:
    """The data that a file learnt from, and where downloads lay then."""
    run = RunFolder(classifier.path.resolve().parent.parent)
    record = run.manifest().get("data") if run.manifest_file.is_file() else None
    if isinstance(record, dict) and (record.get("location") or record.get("name")):
        folder = record.get("data_dir")
        return str(record.get("location") or record["name"]), Path(folder) if folder else None
    name = "" if classifier.metadata is None else classifier.metadata.data
    if name not in NAMES:
        raise UsageError(f"{classifier.path}: does not say what to evaluate it on; add --data")
    return name, None


def take_at_most(part: Part, limit: int | None) -> Part:
    """The part, or a stratified choice of ``limit`` of its pictures with a note that says so."""
    labels = part.pictures.labels
    if limit is None or labels is None or limit >= len(labels):
        return part
    note = f"run on {limit:,} of {len(labels):,} pictures, chosen by class share"
    chosen = part.pictures.take(stratified_sample(labels, limit, 0))
    return replace(part, pictures=chosen, notes=(*part.notes, note))


@dataclass(frozen=True, eq=False)
class Answers:
    """What a file answered: float32 ``[n, c]`` scores, and the seconds that inference took."""

    scores: NDArray[np.float32]
    seconds: float


def answer(classifier: Classifier, part: Part) -> Answers:
    """Run a file over a part.

    Raises:
        DataError: the part is empty, or the file's head has fewer outputs than the data classes.
    """
    if len(part.pictures) == 0:
        raise DataError(f"{part.data}: its {part.split} part holds no pictures")
    if classifier.classes < len(part.class_names):
        raise DataError(
            f"{classifier.path}: answers {classifier.classes} classes, but {part.data} has "
            f"{len(part.class_names)}; evaluate it on the data it was made for"
        )
    began = time.perf_counter()
    scores = classifier.scores(part.pictures.images)
    return Answers(scores, time.perf_counter() - began)


def evaluate(classifier: Classifier, part: Part, answers: Answers | None = None) -> Evaluation:
    """Judge a file by labelled pictures.

    Args:
        classifier: the opened file. part: the pictures, with labels.
        answers: what it answered on them, where that is known already.

    Raises:
        DataError: as :func:`answer`.
    """
    answers = answer(classifier, part) if answers is None else answers
    truth = part.pictures.labels
    assert truth is not None
    digest = file_digest(classifier.path)
    return Evaluation(
        file=classifier.path,
        variant=classifier.variant,
        file_digest=digest,
        data=part.data,
        split=part.split,
        data_digest=part.pictures.digest,
        class_names=part.class_names,
        bytes=classifier.path.stat().st_size,
        gzip_bytes=_gzip_bytes(classifier.path, digest),
        report=classification_report(truth, answers.scores.argmax(axis=1), part.class_names),
        truth=truth,
        scores=answers.scores,
        seconds=answers.seconds,
        notes=(*part.notes, *classifier.assumptions, *_label_note(classifier, part)),
        rejection=_rejection(classifier, part),
    )


def _rejection(classifier: Classifier, part: Part) -> Rejection | None:
    metadata = classifier.metadata
    if metadata is None or metadata.rejection is None or not knows_digits(part.class_names):
        return None
    threshold = metadata.rejection.threshold
    return rejection_of(classifier, part.pictures, seed=JUDGE_SEED, threshold=threshold)


@lru_cache(maxsize=64)  # half a minute for the largest models, asked for once a comparison
def _gzip_bytes(path: Path, digest: str) -> int:
    """Size after gzip of the file that has this digest."""
    return len(gzip.compress(path.read_bytes(), mtime=0))


def _label_note(classifier: Classifier, part: Part) -> tuple[str, ...]:
    metadata = classifier.metadata
    if metadata is None or metadata.labels[: len(part.class_names)] == part.class_names:
        return ()
    return (
        f"the file's labels ({', '.join(metadata.labels[:3])}, …) are not the data's classes "
        f"({', '.join(part.class_names[:3])}, …): it was trained on {metadata.data}",
    )
