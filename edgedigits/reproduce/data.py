"""The data of a reproduction: whole, or a small stratified part of it, and as CSV where asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgedigits.data.csv_writing import BARE_TEST_FILE, write_csv_folder
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.data.registry import load_data
from edgedigits.data.split import stratified_sample
from edgedigits.files import atomic_path
from edgedigits.progress import SILENT, Progress
from edgedigits.reproduce.systems import System


@dataclass(frozen=True)
class Fraction:
    """How many pictures a quick reproduction uses of either part."""

    train: int
    test: int


def prepare_data(
    system: System,
    folder: Path,
    fraction: Fraction | None,
    *,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> str:
    """What to pass as DATA; files that it needs are written where they are not there yet.

    Args:
        system: whose data.
        folder: where CSV files and small parts go.
        fraction: how much of it; None: all.
        data_dir: where downloaded data lies.
        progress: told of downloads and of what is written.

    Raises:
        DataError: the data cannot be read. RunError: the folder cannot be written.
    """
    if fraction is None and not system.as_csv:
        return system.data
    size = "" if fraction is None else f"quick-{fraction.train}-"
    target = folder / f"{size}{system.data}{'-csv' if system.as_csv else '.npz'}"
    last = target / BARE_TEST_FILE if system.as_csv else target
    if last.exists():
        return str(target)
    dataset = load_data(system.data, data_dir=data_dir, progress=progress)
    if fraction is not None:
        dataset = _part_of(dataset, fraction)
    if system.as_csv:
        write_csv_folder(dataset, target, overwrite=True, progress=progress)
    else:
        _write_npz(dataset, target)
    return str(target)


def _part_of(dataset: DataSet, fraction: Fraction) -> DataSet:
    assert dataset.test is not None
    return DataSet(
        dataset.name,
        _sample(dataset.train, fraction.train),
        _sample(dataset.test, fraction.test),
        dataset.class_names,
    )


def _sample(pictures: Pictures, count: int) -> Pictures:
    assert pictures.labels is not None
    return pictures.take(stratified_sample(pictures.labels, min(count, len(pictures)), 0))


def _write_npz(dataset: DataSet, path: Path) -> None:
    train, test = dataset.train, dataset.test
    assert test is not None
    assert train.labels is not None
    assert test.labels is not None
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary,
            x_train=train.images,
            y_train=train.labels,
            x_test=test.images,
            y_test=test.labels,
        )
