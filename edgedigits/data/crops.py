"""A folder of crops that a camera was not sure about, as a data set once they are labelled.

::

    FOLDER/
      index.jsonl                 one line a crop: what the recogniser made of it
      unsure-00000001-crop.png    28×28, as the network saw it, and sees it again here
      unsure-00000001-cut.png     the same place in the frame, for people
      labels.csv                  what it is, as somebody said

A fifth is held out as the test part, by the hash of a crop's pixels: a crop stays where it is
however many come after it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.crop_labels import BEYOND, DIGITS, LABELS, NAMES, read_crop_labels
from edgedigits.data.dataset import DataSet, Images, Pictures
from edgedigits.data.split import picture_digests
from edgedigits.errors import DataError
from edgedigits.files import read_file
from edgedigits.picture_files import read_picture
from edgedigits.preprocess import SIDE
from edgedigits.progress import SILENT, Progress

INDEX = "index.jsonl"
CROP = "-crop.png"  # how the names of crops end
HELD_OUT = 5  # one crop of so many is for testing
CHOOSING = 10  # one of so many others is what the best epoch is chosen by


class CropSet(DataSet):
    """Labelled crops; classes beyond the ten digits are there where a crop is labelled so."""


@dataclass(frozen=True, eq=False)
class CropFiles:
    """Crops as stored.

    Attributes:
        names: of the files, sorted; images: uint8 ``[n, 28, 28]``, in the same order.
        damaged: names of those that cannot be read, or are not there.
    """

    names: tuple[str, ...]
    images: Images
    damaged: tuple[str, ...]


def holds_crops(folder: Path) -> bool:
    """Whether a folder is one of crops, labelled or not."""
    return (folder / LABELS).is_file() or (folder / INDEX).is_file()


def crop_names(folder: Path) -> tuple[str, ...]:
    """Names of a folder's crops, sorted. Raises DataError where it cannot be read."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error
    return tuple(sorted(name for name in names if name.endswith(CROP) and name[0] != "."))


def read_index(folder: Path) -> dict[str, dict[str, Any]]:
    """What the recogniser said of each crop, by the crop's name; damaged lines are passed over."""
    try:
        lines = read_file(folder / INDEX).decode(errors="replace").split("\n")
    except OSError:
        return {}
    found = {}
    for line in lines:
        try:
            facts = json.loads(line)
            found[str(facts["crop"])] = facts
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return found


def read_crops(folder: Path, names: Sequence[str], progress: Progress = SILENT) -> CropFiles:
    """The crops of these names, byte for byte as the network saw them."""
    good, images, damaged = [], [], []
    for done, name in enumerate(names, 1):
        try:
            image = read_picture(folder / name)
        except DataError:
            image = np.empty(0)
        if image.shape == (SIDE, SIDE) and image.dtype == np.uint8:
            good.append(name)
            images.append(image)
        else:
            damaged.append(name)
        progress.update(f"reading {folder.name}", done, len(names))
    stacked = np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8)
    return CropFiles(tuple(good), stacked, tuple(damaged))


def is_held_out(images: Images) -> NDArray[np.bool_]:
    """Which crops are for testing, bool ``[n]``: by their pixels alone."""
    return np.array([number % HELD_OUT == 0 for number in _hashes(images)], dtype=bool)


def is_for_choosing(images: Images) -> NDArray[np.bool_]:
    """Which crops that are not held out the best epoch is chosen by, bool ``[n]``."""
    numbers = (number // HELD_OUT for number in _hashes(images))
    return np.array([number % CHOOSING == 0 for number in numbers], dtype=bool)


def _hashes(images: Images) -> list[int]:
    return [int.from_bytes(digest[:8], "big") for digest in picture_digests(images)]


def load_crops(folder: Path, name: str, progress: Progress = SILENT) -> CropSet:
    """The labelled crops of a folder.

    Raises:
        DataError: none is labelled, ``labels.csv`` is damaged, no labelled crop can be read, or all
            are in the held-out part.
    """
    labels = read_crop_labels(folder)
    if not labels:
        raise DataError(f"{folder}: none of its crops is labelled; run 'edgedigits label {folder}'")
    files = read_crops(folder, sorted(labels), progress)
    if not files.names:
        raise DataError(f"{folder}: none of the {len(labels):,} crops in {LABELS} can be read")
    numbers = np.array([NAMES.index(labels[file].label) for file in files.names], np.int64)
    held = is_held_out(files.images)
    if held.all():
        raise DataError(f"{folder}: all {len(held)} labelled crops are held out; label some more")
    classes = NAMES[: max(len(DIGITS), int(numbers.max()) + 1)]
    notes = [
        f"{len(held):,} labelled crops, as the network saw them; {int(held.sum()):,} of them held "
        "out as the test part, by content"
    ]
    if files.damaged:
        notes.append(
            f"{len(files.damaged):,} labelled crops cannot be read and were left out, the first "
            f"is {files.damaged[0]}"
        )
    train, test = (Pictures(files.images[part], numbers[part]) for part in (~held, held))
    return CropSet(name, train, test if len(test) else None, classes, tuple(notes))


def for_classes(crops: CropSet, names: Sequence[str]) -> CropSet:
    """The crops that a model of these classes can learn or answer, numbered as it numbers them.

    "Not a digit" and "several digits" are left out, with a note, where it has no such class.

    Args:
        crops: as loaded. names: the model's classes; the first ten must be the digits.

    Raises:
        DataError: its classes are others than digits, or nothing is left.
    """
    if tuple(names[: len(DIGITS)]) != DIGITS:
        raise DataError(f"{crops.name}: holds digits; the model's classes are {_some(names)}")
    numbers = [names.index(known) if known in names else -1 for known in crops.class_names]
    train = _renumbered(crops.train, numbers)
    test = None if crops.test is None else _renumbered(crops.test, numbers)
    if not len(train):
        raise DataError(f"{crops.name}: the model has no class for any label of its training part")
    left = len(crops.train) - len(train)
    left += 0 if crops.test is None or test is None else len(crops.test) - len(test)
    notes = crops.notes
    if left:
        missing = " or ".join(f'"{name}"' for name in BEYOND if name not in names)
        notes += (f"{left:,} crops were left out: the model has no class {missing}",)
    return replace(
        crops,
        train=train,
        test=test if test is not None and len(test) else None,
        class_names=tuple(names),
        notes=notes,
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _renumbered(part: Pictures, numbers: list[int]) -> Pictures:
    """What of a part has a class, -1 being none, in other class numbers."""
    assert part.labels is not None
    labels = np.array(numbers, np.int64)[part.labels]
    kept = np.flatnonzero(labels >= 0)
    return Pictures(part.images[kept], labels[kept])
