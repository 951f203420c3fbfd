"""CSV with one picture a row: a ``label`` column, or none, and 784 pixel columns.

The form of Kaggle's "Digit Recognizer": a header line ``label,pixel0,…,pixel783``. Pixel columns of
these names may stand in any order; under other names they are taken from left to right.
"""

from __future__ import annotations

import csv
import re
import warnings
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.arrays import MAX_CLASSES, PIXELS, number_names, to_labels
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.errors import DataError
from edgedigits.preprocess import SIDE

PIXEL_NAME = re.compile(r"pixel(\d+)", re.IGNORECASE)
LABEL_NAME = "label"


def load_csv(path: Path, name: str) -> DataSet:
    """Everything in one CSV file, as the training part. Without a label column, labels are None.

    Raises:
        DataError: naming line and column: a column is missing or too many, a value is no whole
            number or out of range, a row is short, or there are no rows.
    """
    header = _read_header(path)
    label_column, pixel_columns = _columns(header, path)
    table = _read_table(path, header, label_column)
    if len(table) == 0:
        raise DataError(f"{path}: holds a header line but no pictures")
    images = table[:, pixel_columns].astype(np.uint8).reshape(-1, SIDE, SIDE)
    if label_column is None:
        note = "the file has no label column: pictures without labels"
        return DataSet(name, Pictures(images, None), None, (), (note,))
    labels = to_labels(table[:, label_column], len(table), str(path))
    return DataSet(name, Pictures(images, labels), None, number_names(labels))


def _read_header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}") from error
    if header is None:
        raise DataError(f"{path}: the file is empty")
    return [column.strip() for column in header]


def _columns(header: list[str], path: Path) -> tuple[int | None, list[int]]:
    """Where the label is, and where pixel 0, 1, … are."""
    if all(re.fullmatch(r"[\d.]+", column) for column in header):
        raise DataError(
            f"{path}: line 1 holds numbers, not column names; put "
            f"'{LABEL_NAME},pixel0,…,pixel{PIXELS - 1}' in front"
        )
    labels = [i for i, column in enumerate(header) if column.lower() == LABEL_NAME]
    if len(labels) > 1:
        raise DataError(f"{path}: line 1 has {len(labels)} columns named '{LABEL_NAME}'")
    others = [i for i, column in enumerate(header) if i not in labels]
    numbers = {i: _pixel_number(header[i]) for i in others}
    if any(number is not None for number in numbers.values()):
        others = _by_number(header, numbers, path)
    elif len(others) != PIXELS:
        raise DataError(
            f"{path}: line 1 names {len(others)} columns beside '{LABEL_NAME}'; expected {PIXELS}, "
            f"pixel0 to pixel{PIXELS - 1}"
        )
    return (labels[0] if labels else None), others


def _pixel_number(column: str) -> int | None:
    match = PIXEL_NAME.fullmatch(column)
    return int(match[1]) if match else None


def _by_number(header: list[str], numbers: dict[int, int | None], path: Path) -> list[int]:
    position = {number: i for i, number in numbers.items() if number is not None}
    missing = [f"pixel{number}" for number in range(PIXELS) if number not in position]
    if missing:
        raise DataError(f"{path}: {_some('column', missing)} missing")
    extra = [header[i] for i, number in numbers.items() if number is None or number >= PIXELS]
    if len(numbers) > PIXELS and not extra:
        raise DataError(f"{path}: line 1 names a pixel column twice")
    if extra:
        raise DataError(
            f"{path}: {_some('column', extra)} neither '{LABEL_NAME}' nor pixel0 to "
            f"pixel{PIXELS - 1}"
        )
    return [position[number] for number in range(PIXELS)]


def _some(what: str, names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what}s {shown}{more} are" if len(names) > 1 else f"{what} {shown} is"


def _read_table(path: Path, header: list[str], label_column: int | None) -> NDArray[np.integer]:
    """All rows below the header, whole numbers ``[rows, columns]``."""
    try:
        with warnings.catch_warnings():
            # A value that is no whole number must not pass with a deprecation warning; a file
            # without rows is a warning too.
            warnings.simplefilter("error")
            table = np.loadtxt(
                path, dtype=np.uint8, delimiter=",", comments=None, skiprows=1, ndmin=2,
                encoding="utf-8",
            )  # fmt: skip
    except (ValueError, Warning):
        return _read_slowly(path, header, label_column)
    if table.shape[1] != len(header):
        return _read_slowly(path, header, label_column)
    return table


def _read_slowly(path: Path, header: list[str], label_column: int | None) -> NDArray[np.integer]:
    """As NumPy's reader, but with quotes and values like ``7.0``, and an error that has a place."""
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            next(reader)
            for row in reader:
                if row:
                    rows.append(_row(row, header, label_column, f"{path}: line {reader.line_num}"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}") from error
    return np.array(rows, dtype=np.int16).reshape(len(rows), len(header))


def _row(row: list[str], header: list[str], label_column: int | None, where: str) -> list[int]:
    if len(row) != len(header):
        raise DataError(f"{where}: {len(row)} columns, but the header has {len(header)}")
    values = []
    for i, text in enumerate(row):
        highest = MAX_CLASSES - 1 if i == label_column else 255
        if text.isdecimal() and text.isascii() and len(text) < 4 and int(text) <= highest:
            values.append(int(text))
        else:
            values.append(_value(text.strip(), highest, f"{where}, column '{header[i]}'"))
    return values


def _value(text: str, highest: int, where: str) -> int:
    def refuse(what: str) -> NoReturn:
        raise DataError(f"{where}: {what}; expected a whole number 0 to {highest}")

    if not text:
        refuse("is empty")
    try:
        value = float(text)
    except ValueError:
        refuse(f"'{text[:20]}' is no number")
    if not value.is_integer():
        refuse(f"{text[:20]} is no whole number")
    if not 0 <= value <= highest:
        refuse(f"{text[:20]} is out of range")
    return int(value)
