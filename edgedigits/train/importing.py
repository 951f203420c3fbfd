"""A run folder made from a model that was trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import NAMES as DATA_NAMES
from edgedigits.data.registry import load_data
from edgedigits.errors import DataError, ModelFileError, UsageError
from edgedigits.files import atomic_path, file_digest, not_a_file, write_bytes
from edgedigits.keras_files import KerasFacts, facts_of, load_keras
from edgedigits.model_input import Range, picture_shape
from edgedigits.new_run import check_new_run, create_run
from edgedigits.progress import SILENT, Progress
from edgedigits.provenance import command_line, host_facts, package_versions
from edgedigits.run import RunFolder
from edgedigits.run_data import apply_split, choose_split, data_record
from edgedigits.train.fitting import check_labels
from edgedigits.train.measuring import measure
from edgedigits.train.settings import VALIDATION
from edgedigits.train.training import PACKAGES

COMMON_RANGES: tuple[Range, ...] = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
NEAR_CHANCE = 1.5  # times the share of the most frequent class
AS_GOOD = 0.01  # accuracies that differ by less do not tell one range from another


@dataclass(frozen=True)
class ImportResult:
    """A run made from a file.

    Attributes:
        run: the run folder.
        facts: what the file holds.
        input_range: the model's values for pixel 0 and pixel 255.
        validation_accuracy: on the run's validation part, 0 to 1.
        warning: what looks wrong, in one sentence; None where nothing does.
        notes: what was said of the data, and whether the accuracy leaves the range open.
    """

    run: RunFolder
    facts: KerasFacts
    input_range: Range
    validation_accuracy: float
    warning: str | None
    notes: tuple[str, ...]


def parse_range(text: str) -> Range:
    """``"0,255"`` as two numbers.

    Raises:
        UsageError: not two numbers, or the first is not below the second.
    """
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = np.nan
    if not low < high:
        raise UsageError(
            f"--input-range is {text}; it must be two numbers, low before high, as 0,1 or 0,255"
        )
    return low, high


def import_model(
    file: Path,
    data: str,
    path: Path,
    *,
    input_range: Range = (0.0, 1.0),
    seed: int = 0,
    data_dir: Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> ImportResult:
    """Make a run folder from a ``.keras`` or ``.h5`` file of Keras 2 or 3.

    A ``.keras`` file is copied as it is; an ``.h5`` file is saved as ``.keras``.

    Args:
        file: the model; it takes one picture and gives one row of class scores.
        data: what :func:`edgedigits.data.registry.load_data` takes.
        path: the run folder to make.
        input_range: the model's values for pixel 0 and pixel 255.
        seed: of the validation split.
        data_dir: where downloaded data lies.
        overwrite: move an existing run to ``NAME.previous`` first.
        progress: told of downloads and of pictures read.

    Raises:
        UsageError: no such file, or the run exists.
        ModelFileError: the file cannot be used.
        DataError: the data cannot be read, or has more classes than the model.
        RunError: the run folder cannot be written.
    """
    if not file.is_file():
        raise UsageError(f"{file}: {not_a_file(file)}; name a .keras or .h5 file")
    if seed < 0:
        raise UsageError(f"--seed {seed}: must be 0 or more")
    sources = [(str(file), file)]
    if data not in DATA_NAMES:
        sources.append((f"--data {data}", Path(data).expanduser()))
    check_new_run(path, overwrite=overwrite, sources=sources)
    progress.update("opening the model", 0, None)
    model = load_keras(file)
    facts = facts_of(file, model)
    try:
        picture_shape(facts.input_shape)
    except ValueError as error:
        raise ModelFileError(f"{file}: {error}") from error
    dataset = load_data(data, data_dir=data_dir, progress=progress)
    if facts.classes < len(dataset.class_names):
        raise DataError(
            f"{dataset.name}: has {len(dataset.class_names)} classes, but {file} only "
            f"{facts.classes} outputs; name the data it was trained for"
        )
    check_labels(dataset.train, facts.classes, dataset.name)
    split = choose_split(dataset, VALIDATION, seed)
    parts = apply_split(dataset, split)
    _, accuracy = measure(model, parts.validation, facts.input_shape, input_range)
    progress.update("trying other input ranges", 0, None)
    warning, note = _doubts(model, facts, parts.validation, input_range, accuracy)

    run = create_run(path, overwrite=overwrite)
    run.update_manifest(
        command=command_line(),
        model={
            "name": file.stem,
            "origin": "imported",
            "file": str(file),
            "file_digest": file_digest(file),
            "keras": facts.version,
            "input_shape": list(facts.input_shape),
            "classes": facts.classes,
            "input_range": list(input_range),
        },
        data=data_record(dataset, data, data_dir),
        seed=seed,
        versions=package_versions(*PACKAGES, "keras"),
        host=host_facts(),
        validation_accuracy=accuracy,
    )
    split.save(run)
    _store(model, file, run.model_file())
    notes = parts.notes if note is None else (*parts.notes, note)
    return ImportResult(run, facts, input_range, accuracy, warning, notes)


def _store(model: Any, file: Path, target: Path) -> None:
    if file.suffix == ".keras":
        write_bytes(target, file.read_bytes())
        return
    with atomic_path(target) as temporary:
        model.save(temporary)


def _doubts(
    model: Any, facts: KerasFacts, pictures: Pictures, used: Range, accuracy: float
) -> tuple[str | None, str | None]:
    """A warning where something looks wrong, and a note where the accuracy does not tell."""
    assert pictures.labels is not None
    chance = np.bincount(pictures.labels).max() / len(pictures)
    others = [
        (measure(model, pictures, facts.input_shape, other)[1], other)
        for other in COMMON_RANGES
        if other != used
    ]
    best, span = max(others, key=lambda other: other[0])  # of equal ones the first
    option = f"--input-range {span[0]:g},{span[1]:g}"
    if accuracy < NEAR_CHANCE * chance:
        advice = (
            f"with {option} it would be {best:.4f}"
            if best >= NEAR_CHANCE * chance
            else "was it trained on other classes, or on dark digits on a light ground?"
        )
        return f"an accuracy of {accuracy:.4f} is near chance: {advice}", None
    if best > accuracy + AS_GOOD:
        return f"the accuracy is {accuracy:.4f}; with {option} it would be {best:.4f}", None
    if best >= accuracy - AS_GOOD:
        return None, (
            f"with {option} the accuracy would be {best:.4f}, so it does not tell which range is "
            "right; name the one that the model was trained with"
        )
    return None, None
