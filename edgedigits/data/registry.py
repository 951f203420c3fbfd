"""From what the user writes as DATA to a data set."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgedigits.data.builtin import DIGITS_FILE, load_digits
from edgedigits.data.crops import holds_crops, load_crops
from edgedigits.data.csv import holds_csv, load_csv, load_csv_folder
from edgedigits.data.dataset import DataSet
from edgedigits.data.download import REMOTE_SETS, download_folder, find_remote, load_remote
from edgedigits.data.folder import load_folder
from edgedigits.data.idx import holds_idx, load_idx_folder
from edgedigits.data.npz import load_npz
from edgedigits.errors import UsageError
from edgedigits.files import not_a_file
from edgedigits.progress import SILENT, Progress

NAMES = ("digits", *REMOTE_SETS)
PATHS = (
    ".csv, .npz, a folder of IDX files, a folder with train.csv (and test.csv), a folder of "
    "labelled crops, or a folder with one sub-folder of pictures a class"
)


def load_data(data: str, *, data_dir: Path | None = None, progress: Progress = SILENT) -> DataSet:
    """Load a data set by name or path.

    Pixels of ``digits``, ``mnist``, ``fashion-mnist`` and IDX folders are read when they are first
    asked for, so that whoever uses only ``test`` does not wait for ``train``.

    Args:
        data: ``digits``, ``mnist``, ``fashion-mnist``, or a path: ``.csv``, ``.npz``, a folder of
            IDX files, a folder with ``train.csv`` (and ``test.csv``), a folder of labelled crops, a
            folder with one sub-folder of pictures a class; a folder that is several of these is
            the first. A name goes before a path; a folder of the same name is meant by ``./mnist``.
        data_dir: where ``mnist`` and ``fashion-mnist`` lie or are downloaded to; by default the
            user's cache folder.
        progress: told of downloads and of pictures read.

    Raises:
        UsageError: no such name or path, or a file of another kind.
        DataError: the data cannot be read; DownloadError where a download failed.
    """
    if data == "digits":
        return load_digits()
    if data in REMOTE_SETS:
        return load_remote(REMOTE_SETS[data], data_dir, progress)
    path = Path(data).expanduser()
    if path.is_dir():
        if holds_idx(path):
            return load_idx_folder(path, data)
        if holds_csv(path):
            return load_csv_folder(path, data)
        if holds_crops(path):
            return load_crops(path, data, progress)
        return load_folder(path, data, progress)
    if path.exists() and not path.is_file():
        raise UsageError(
            f"{data}: {not_a_file(path)}; data is {', '.join(NAMES)}, or a path: {PATHS}"
        )
    if not path.is_file():
        raise UsageError(_unknown(data))
    if path.suffix.lower() == ".csv":
        return load_csv(path, data)
    if path.suffix.lower() == ".npz":
        return load_npz(path, data)
    raise UsageError(f"{data}: a file of this kind is no data set; expected {PATHS}")


def _unknown(data: str) -> str:
    names = ", ".join(NAMES)
    if "/" in data or Path(data).suffix:
        return f"{data}: no such file or folder; data is {names}, or a path: {PATHS}"
    close = difflib.get_close_matches(data.lower(), NAMES, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown data set '{data}'; {hint}known are {names}, or a path: {PATHS}"


@dataclass(frozen=True)
class SourceRow:
    """One line of ``data list``.

    Attributes:
        name, what: the set. train, test: its pictures. classes: how many.
        where: the folder or file on this machine, or None.
        download_bytes: what would be downloaded where it is not on this machine, else 0.
        download_to: the folder it would be downloaded to, or None.
    """

    name: str
    what: str
    train: int
    test: int
    classes: int
    where: str | None
    download_bytes: int = 0
    download_to: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as plain values."""
        return asdict(self)


def list_sources(data_dir: Path | None = None) -> tuple[SourceRow, ...]:
    """The named sets, and where they lie. Nothing is downloaded."""
    digits = load_digits()
    assert digits.test is not None
    rows = [
        SourceRow(
            name=digits.name,
            what="handwritten digits of 8×8 pixels (UCI, by way of scikit-learn), enlarged",
            train=len(digits.train),
            test=len(digits.test),
            classes=len(digits.class_names),
            where=str(DIGITS_FILE),
        )
    ]
    for remote in REMOTE_SETS.values():
        where = find_remote(remote, data_dir)
        rows.append(
            SourceRow(
                name=remote.name,
                what=remote.what,
                train=60_000,
                test=10_000,
                classes=len(remote.class_names),
                where=None if where is None else str(where),
                download_bytes=remote.bytes if where is None else 0,
                download_to=str(download_folder(remote, data_dir)) if where is None else None,
            )
        )
    return tuple(rows)
