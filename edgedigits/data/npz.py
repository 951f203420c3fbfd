"""NumPy's ``.npz``: pictures and labels under the usual names."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.arrays import check_test_labels, number_names, to_images, to_labels
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.errors import DataError

DIVIDED = ("x_train", "y_train", "x_test", "y_test")
WHOLE = (("images", "labels"), ("x", "y"))
NAMES = "class_names"  # may be there: one text a class, in the order of the labels


def load_npz(path: Path, name: str) -> DataSet:
    """``x_train, y_train`` (with ``x_test, y_test`` or without), ``images, labels`` or ``x, y``.

    Where the labels array is missing, labels are None. ``class_names`` may name the classes.
    Pickled objects are never loaded.

    Raises:
        DataError: no such arrays, or arrays that are no pictures or labels.
    """
    arrays = _read(path)
    if "x_train" in arrays:
        return _divided(arrays, path, name)
    for x, y in WHOLE:
        if x in arrays:
            train, notes = _part(arrays, x, y, path)
            names = () if train.labels is None else _names(arrays, train.labels, path)
            return DataSet(name, train, None, names, notes)
    found = ", ".join(sorted(arrays)) or "nothing"
    raise DataError(
        f"{path}: holds {found}; expected {', '.join(DIVIDED)}, or "
        + ", or ".join(f"{x}, {y}" for x, y in WHOLE)
    )


def _divided(arrays: dict[str, NDArray[Any]], path: Path, name: str) -> DataSet:
    train, notes = _part(arrays, "x_train", "y_train", path)
    if train.labels is None:
        raise DataError(f"{path}: holds x_train but no y_train")
    names = _names(arrays, train.labels, path)
    if "x_test" not in arrays:
        return DataSet(name, train, None, names, notes)
    test, test_notes = _part(arrays, "x_test", "y_test", path)
    if test.labels is None:
        raise DataError(f"{path}: holds x_test but no y_test")
    check_test_labels(test.labels, len(names), f"{path}: y_test")
    return DataSet(name, train, test, names, notes + test_notes)


def _names(
    arrays: dict[str, NDArray[Any]], labels: NDArray[np.int64], path: Path
) -> tuple[str, ...]:
    numbers = number_names(labels)
    if NAMES not in arrays:
        return numbers
    names = arrays[NAMES]
    if names.ndim != 1 or names.dtype.kind != "U" or len(names) < len(numbers):
        raise DataError(
            f"{path}: {NAMES} is {names.dtype} of shape {list(names.shape)}, not a text for each "
            f"of {len(numbers)} classes"
        )
    return tuple(str(name) for name in names)


def _part(
    arrays: dict[str, NDArray[Any]], x: str, y: str, path: Path
) -> tuple[Pictures, tuple[str, ...]]:
    images, notes = to_images(arrays[x], f"{path}: {x}")
    if y not in arrays:
        return Pictures(images, None), (*notes, f"{path}: holds no {y}: pictures without labels")
    return Pictures(images, to_labels(arrays[y], len(images), f"{path}: {y}")), notes


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays we know, by name; others are listed as empty and not read."""
    known = {NAMES, *DIVIDED, *(name for pair in WHOLE for name in pair)}
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise DataError(f"{path}: holds a single array without a name; save it with np.savez")
        with file:
            return {key: file[key] if key in known else np.empty(0) for key in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if "pickle" in str(error).lower() or "object" in str(error).lower():
            what = "holds Python objects, or is no .npz file; save plain arrays with np.savez"
        else:
            what = f"cannot be read as .npz: {error}"
        raise DataError(f"{path}: {what}") from error
