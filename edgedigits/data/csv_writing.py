"""Data sets as CSV files that :mod:`edgedigits.data.csv` and Kaggle's "Digit Recognizer" read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.arrays import MAX_CLASSES, PIXELS
from edgedigits.data.csv import LABEL_NAME, TEST_FILE, TRAIN_FILE
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.errors import DataError, UsageError
from edgedigits.files import atomic_path
from edgedigits.progress import SILENT, Progress

BARE_TRAIN_FILE, BARE_TEST_FILE = "train-unlabelled.csv", "test-unlabelled.csv"
FILES = (TRAIN_FILE, BARE_TRAIN_FILE, TEST_FILE, BARE_TEST_FILE)
ROWS = 500  # written at once


@dataclass(frozen=True)
class CsvFile:
    """One file written.

    Attributes:
        file: its path. bytes, sha256: of its content.
        rows: pictures, without the header line. columns: 785, or 784 without labels.
    """

    file: Path
    rows: int
    columns: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class CsvExport:
    """A data set written as CSV.

    Attributes:
        data: the data set's name; notes: what was converted on the way in.
        class_names: what each number in the label column means.
        folder, files: where it is now.
    """

    data: str
    class_names: tuple[str, ...]
    folder: Path
    files: tuple[CsvFile, ...]
    notes: tuple[str, ...]


def write_csv_folder(
    dataset: DataSet, folder: Path, *, overwrite: bool = False, progress: Progress = SILENT
) -> CsvExport:
    """Write a data set as CSV: a header line, then a row a picture; lines end in ``\\n``.

    ``train.csv`` and, where the set has a test part, ``test.csv`` hold ``label,pixel0,…,pixel783``;
    ``test-unlabelled.csv`` holds the pictures of ``test.csv`` in the same order without the label.
    A part without labels goes only into ``train-unlabelled.csv`` or ``test-unlabelled.csv``.

    Args:
        dataset: what to write. folder: where to; made if need be.
        overwrite: whether files that are there may be replaced, each by a whole new one.
        progress: told of the rows, and of each file.

    Raises:
        UsageError: ``folder`` is a file, or holds such files already: with ``overwrite``, ones that
            this data set has nothing for.
        DataError: a label is 1,000 or more.
        RunError: a file cannot be written.
    """
    parts = _parts(dataset)
    _check_folder(folder, parts, dataset.name, overwrite)
    for pictures in parts.values():
        if pictures.labels is not None and pictures.labels.max(initial=0) >= MAX_CLASSES:
            raise DataError(
                f"{dataset.name}: has label {pictures.labels.max()}; a label column is read with "
                f"0 to {MAX_CLASSES - 1} only"
            )
    return CsvExport(
        data=dataset.name,
        class_names=dataset.class_names,
        folder=folder,
        files=tuple(_write(pictures, folder / name, progress) for name, pictures in parts.items()),
        notes=dataset.notes,
    )


def _parts(dataset: DataSet) -> dict[str, Pictures]:
    """What goes into which file."""
    train, test = dataset.train, dataset.test
    parts = {BARE_TRAIN_FILE if train.labels is None else TRAIN_FILE: train}
    if test is not None:
        if test.labels is not None:
            parts[TEST_FILE] = test
        parts[BARE_TEST_FILE] = Pictures(test.images, None)
    return parts


def _check_folder(folder: Path, parts: dict[str, Pictures], data: str, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file, not a folder; name another --out")
    for name in FILES:
        path = folder / name
        if path.exists() and not overwrite:
            raise UsageError(f"{path}: already exists; add --overwrite, or name another --out")
        if path.exists() and name not in parts:
            raise UsageError(
                f"{path}: already exists, and {data} has nothing to replace it, so it would stand "
                "beside another set's files; take it away, or name another --out"
            )


def _cells(end: bytes, count: int) -> NDArray[np.uint32]:
    """The text of each number 0 to ``count`` − 1 and ``end``, as four bytes filled with zeros."""
    return np.array([b"%d" % number + end for number in range(count)], dtype="S4").view(np.uint32)


def _write(pictures: Pictures, path: Path, progress: Progress) -> CsvFile:
    labels = pictures.labels
    header = [f"pixel{i}" for i in range(PIXELS)]
    if labels is not None:
        header.insert(0, LABEL_NAME)
    inside, last = _cells(b",", MAX_CLASSES), _cells(b"\n", 256)
    images = pictures.images.reshape(-1, PIXELS)
    digest = hashlib.sha256()
    size = 0
    with atomic_path(path) as temporary, temporary.open("wb") as file:

        def put(text: bytes) -> None:
            nonlocal size
            file.write(text)
            digest.update(text)
            size += len(text)

        put(",".join(header).encode() + b"\n")
        for start in range(0, len(images), ROWS):
            pixels = images[start : start + ROWS]
            cells = np.empty((len(pixels), len(header)), dtype=np.uint32)
            if labels is not None:
                cells[:, 0] = inside[labels[start : start + ROWS]]
            cells[:, -PIXELS:-1] = inside[pixels[:, :-1]]
            cells[:, -1] = last[pixels[:, -1]]
            put(cells.tobytes().translate(None, b"\0"))  # without what fills short numbers up
            progress.update(f"writing {path.name}", start + len(pixels), len(images))
    progress.say(f"written: {path}")
    return CsvFile(path, len(images), len(header), size, digest.hexdigest())
