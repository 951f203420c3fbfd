"""The data of a run: which pictures it learnt from, was validated and tested with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.crops import CropSet, for_classes
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.data.registry import NAMES, load_data
from edgedigits.data.split import hold_out, with_test
from edgedigits.errors import DataError, RunError
from edgedigits.files import read_json, write_json
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.run_crops import RunCrops, joined, load_run_crops

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Which pictures of a source's training part serve for what. All positions are in that part.

    Attributes:
        validation: int64, ascending.
        test: int64, ascending, where the test part was taken out of it; None where the source
            brings its own test pictures, with labels.
        fraction: share of what may be learnt from that went to validation.
        seed: of the choice.
    """

    validation: Indices
    test: Indices | None
    fraction: float
    seed: int

    def save(self, run: RunFolder) -> None:
        """Write ``split.json``. Raises RunError where it cannot be written."""
        write_json(
            run.split_file,
            {
                "method": "stratified",
                "seed": self.seed,
                "fraction": self.fraction,
                "validation": self.validation.tolist(),
                "test": None if self.test is None else self.test.tolist(),
            },
        )


@dataclass(frozen=True, eq=False)
class RunData:
    """The pictures of a run, each in one part only.

    Attributes:
        dataset: the source as loaded.
        train: what the model learns from; validation: what the best epoch is chosen by;
        test: what nothing was chosen by.
        train_indices: int64, where each picture of ``train`` stands in the source's training part.
        class_names: one name a class.
        notes: what the user should know, one sentence each.
        crops: what a fine-tuned model learnt beside; those of ``crops.train`` are the last pictures
            of ``train``, and of the source's training part. None: there are none.
    """

    dataset: DataSet
    train: Pictures
    validation: Pictures
    test: Pictures
    train_indices: Indices
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    crops: RunCrops | None = None


def choose_split(dataset: DataSet, fraction: float, seed: int) -> Split:
    """A stratified, seeded validation part, and a test part where the source has none.

    Raises:
        UsageError: ``fraction`` is not between 0 and 1.
        DataError: the data has no labels, or a class has too few pictures.
    """
    if dataset.train.labels is None:
        raise DataError(f"{dataset.name}: has no labels; training needs a class for each picture")
    held_out = with_test(dataset)  # the same test part whatever the seed, so that runs compare
    test = None if held_out is dataset else held_out.held_out_indices
    everything = np.arange(len(dataset.train), dtype=np.int64)
    usable = everything if test is None else np.setdiff1d(everything, test)
    try:
        _, validation = hold_out(held_out.train, fraction, seed)
    except DataError as error:
        raise DataError(f"{dataset.name}: {error}") from error
    return Split(usable[validation], test, fraction, seed)


def apply_split(dataset: DataSet, split: Split) -> RunData:
    """Divide a source as a split says."""
    notes = dataset.notes
    taken = split.validation
    if split.test is None:
        assert dataset.test is not None
        test = dataset.test
    else:
        test = dataset.train.take(split.test)
        taken = np.concatenate([taken, split.test])
        notes = (
            *notes,
            f"no labelled test pictures of its own: {len(split.test):,} of {len(dataset.train):,} "
            "were held out as the test part (stratified, seed 0)",
        )
    rest = np.setdiff1d(np.arange(len(dataset.train), dtype=np.int64), taken)
    return RunData(
        dataset=dataset,
        train=dataset.train.take(rest),
        validation=dataset.train.take(split.validation),
        test=test,
        train_indices=rest,
        class_names=dataset.class_names,
        notes=notes,
    )


def with_crops(data: RunData, crops: RunCrops) -> RunData:
    """The data of a run that learns crops beside; validation and test are as they were."""
    old = len(data.dataset.train)
    indices = old + np.arange(len(crops.train), dtype=np.int64)
    return replace(
        data,
        dataset=replace(data.dataset, train=joined(data.dataset.train, crops.train)),
        train=joined(data.train, crops.train),
        train_indices=np.concatenate([data.train_indices, indices]),
        notes=(*data.notes, f"{len(crops.train):,} crops of {crops.origin} are learnt beside it"),
        crops=crops,
    )


def data_record(dataset: DataSet, data: str, data_dir: Path | None) -> dict[str, Any]:
    """What ``run.json`` says about the data: where it was, and what it was.

    Args:
        dataset: the source as loaded.
        data: what the user called it.
        data_dir: where downloads lay.
    """
    return {
        "name": dataset.name,
        "location": None if data in NAMES else str(Path(data).expanduser().resolve()),
        "data_dir": None if data_dir is None else str(data_dir.resolve()),
        "digest": dataset.digest,
        "train_digest": dataset.train.digest,
        "test_digest": None if dataset.test is None else dataset.test.digest,
        "train_pictures": len(dataset.train),
        "test_pictures": None if dataset.test is None else len(dataset.test),
        "class_names": list(dataset.class_names),
    }


def load_run_data(
    run: RunFolder, *, data_dir: Path | None = None, progress: Progress = SILENT
) -> RunData:
    """The run's data, loaded again and divided as it was.

    Args:
        run: a run folder.
        data_dir: where downloads lie; None: where they lay when the run was made.
        progress: told of a download.

    Raises:
        RunError: ``run.json`` or ``split.json`` is missing or damaged, or the data is no longer
            what it was.
        DataError: the data cannot be read.
    """
    record = run.recorded("data", "name", "location", "data_dir", "digest", "class_names")
    if data_dir is None and record["data_dir"] is not None:
        data_dir = Path(record["data_dir"])
    data = record["location"] or record["name"]
    dataset = load_data(data, data_dir=data_dir, progress=progress)
    if isinstance(dataset, CropSet):
        dataset = for_classes(dataset, record["class_names"])
    if dataset.digest != record["digest"]:
        raise RunError(
            f"{run.path}: {data} has changed since this run was made (its digest is another); "
            "bring the former data back, or train again"
        )
    found = apply_split(dataset, load_split(run))
    crops = load_run_crops(run)
    return found if crops is None else with_crops(found, crops)


def load_split(run: RunFolder) -> Split:
    """The content of ``split.json``.

    Raises:
        RunError: it is missing or damaged.
    """
    document = read_json(run.split_file, "the run's validation split")
    try:
        test = document["test"]
        return Split(
            validation=np.array(document["validation"], dtype=np.int64),
            test=None if test is None else np.array(test, dtype=np.int64),
            fraction=float(document["fraction"]),
            seed=int(document["seed"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{run.split_file}: damaged ({error!r}); train again") from error
