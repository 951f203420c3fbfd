"""Trained files that come with the package, each with how it was made beside it.

``NAME.json`` says how ``NAME.tflite`` was made, and what runs of the same recipe with other seeds
reached; ``benchmarks/ship_model.py`` writes both.
"""

from __future__ import annotations

import difflib
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.errors import ModelFileError, UsageError
from edgedigits.files import file_digest, write_together

FOLDER = Path(__file__).parent
READER = "digit-reader"


@dataclass(frozen=True)
class SeedResult:
    """What a run of one seed reached, 0 to 1; None where it was not measured.

    Attributes:
        seed: of the training.
        validation_accuracy, test_accuracy: of the exported file.
        float_validation_accuracy, float_test_accuracy: of the model before quantisation.
    """

    seed: int
    validation_accuracy: float | None
    test_accuracy: float | None
    float_validation_accuracy: float | None
    float_test_accuracy: float | None


@dataclass(frozen=True)
class Spread:
    """Mean of ``n`` values and their standard deviation; None of a single one."""

    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True)
class ZooEntry:
    """One shipped file.

    Attributes:
        name: what commands know it by. path: the ``.tflite`` file. bytes, sha256: of it.
        commands: those that made it, from data to export. model: the architecture's name.
        parameters, macs: numbers stored, and multiplications with addition a picture.
        arena_bytes: working memory in TensorFlow Lite Micro, as it reports; None: not known.
        data: name of the data it was trained on.
        seeds: what runs of the same recipe reached; shipped_seed: the one this file is of.
        metadata: what the file says of itself, as ``device.metadata.Metadata`` reads it.
    """

    name: str
    path: Path
    bytes: int
    sha256: str
    commands: tuple[str, ...]
    model: str
    parameters: int
    macs: int
    arena_bytes: int | None
    data: str
    seeds: tuple[SeedResult, ...]
    shipped_seed: int
    metadata: dict[str, Any]

    @property
    def accuracy(self) -> Spread | None:
        """Test accuracy of the exported files over the seeds; None where none was measured."""
        return spread([seed.test_accuracy for seed in self.seeds])


def spread(values: list[float | None]) -> Spread | None:
    """Mean and sample standard deviation of the values that were measured."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.fmean(known), deviation, len(known))


def zoo_files() -> dict[str, Path]:
    """The shipped ``.tflite`` files by name: for the same data together, the smallest first."""

    def place(file: Path) -> tuple[str, int]:
        return file.stem.partition("-")[0], file.stat().st_size

    return {file.stem: file for file in sorted(FOLDER.glob("*.tflite"), key=place)}


def zoo_entry(name: str) -> ZooEntry:
    """How a shipped file was made.

    Raises:
        UsageError: there is no file of that name; the nearest is named.
        ModelFileError: the JSON beside it is missing or damaged.
    """
    file = _shipped(name)
    beside = file.with_suffix(".json")
    try:
        return _entry(file, json.loads(beside.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{beside}: cannot be read as a description of {file.name}; install edgedigits again"
        ) from error


def _entry(file: Path, document: dict[str, Any]) -> ZooEntry:
    return ZooEntry(
        name=file.stem,
        path=file,
        bytes=int(document["bytes"]),
        sha256=str(document["sha256"]),
        commands=tuple(document["commands"]),
        model=str(document["model"]),
        parameters=int(document["parameters"]),
        macs=int(document["macs"]),
        arena_bytes=document["arena_bytes"],
        data=str(document["data"]["name"]),
        seeds=tuple(SeedResult(**_seed(row)) for row in document["seeds"]),
        shipped_seed=int(document["shipped_seed"]),
        metadata=dict(document["metadata"]),
    )


def _seed(row: dict[str, Any]) -> dict[str, Any]:
    return {field: row[field] for field in SeedResult.__dataclass_fields__}


def zoo_file(name: str) -> Path:
    """A shipped file, held against its recorded SHA-256. Raises as :func:`zoo_entry`."""
    entry = zoo_entry(name)
    if file_digest(entry.path) != entry.sha256:
        raise ModelFileError(
            f"{entry.path}: is not the file that was shipped (its sha256 is another); "
            "install edgedigits again"
        )
    return entry.path


def reader_file() -> Path:
    """The file that ``edgedigits recognise`` and ``camera`` use unless told otherwise."""
    return FOLDER / f"{READER}.tflite"


def resolve_file(name_or_path: str | Path) -> Path:
    """The file that a command's FILE means: a path, or the name of a shipped file.

    What exists at the path wins.

    Raises:
        UsageError: neither is there; the nearest name is named.
        ModelFileError: the shipped file is damaged.
    """
    path = Path(name_or_path)
    if not _is_missing(path):
        return path
    if str(name_or_path) in zoo_files():
        return zoo_file(str(name_or_path))
    raise UsageError(f"{path}: no such file; {_nearest(path.name)}")


def _is_missing(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False  # it is a path, and whoever reads it says what is wrong with it
    return False


def copy_out(
    name: str, target: Path, *, overwrite: bool = False, more: tuple[Path, ...] = ()
) -> tuple[Path, Path]:
    """Write a shipped file to ``target``, and how it was made into the JSON file beside it.

    Args:
        overwrite: replace files that are there. more: others that are to be written after these.

    Returns:
        Both files.

    Raises:
        UsageError: an unknown name, a target that is no ``.tflite`` file, or one that is there.
        ModelFileError: the shipped file is damaged. RunError: it cannot be written.
    """
    source = zoo_file(name)
    if target.suffix != ".tflite":
        raise UsageError(f"--out {target}: the file's name must end in .tflite")
    beside = target.with_suffix(".json")
    there = [str(file) for file in (target, beside, *more) if file.exists()]
    if there and not overwrite:
        raise UsageError(f"{there[0]}: already exists; add --overwrite, or name another --out")
    for file in (target, beside, *more):
        if file.is_dir():
            raise UsageError(f"{file}: is a folder; name another --out")
    write_together(
        (beside, source.with_suffix(".json").read_bytes()), (target, source.read_bytes())
    )
    return target, beside


def _shipped(name: str) -> Path:
    files = zoo_files()
    if name not in files:
        raise UsageError(f"no shipped file is called {name}; {_nearest(name)}")
    return files[name]


def _nearest(name: str) -> str:
    files = zoo_files()
    near = difflib.get_close_matches(name.removesuffix(".tflite"), files, n=1)
    if near:
        return f"did you mean the shipped file {near[0]}?"
    return f"of shipped files there are {', '.join(files)}"
