"""CSV with one picture a row: a ``label`` column, or none, and 784 pixel columns.

The form of Kaggle's "Digit Recognizer": a header line ``label,pixel0,…,pixel783``. Pixel columns of
these names may stand in any order; under other names they are taken from left to right. A folder
may hold ``train.csv`` and ``test.csv``; :mod:`edgedigits.data.csv_writing` writes such folders.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.arrays import (
    MAX_CLASSES,
    PIXELS,
    check_test_labels,
    number_names,
    to_labels,
)
from edgedigits.data.dataset import DataSet, Images, Pictures
from edgedigits.errors import DataError
from edgedigits.preprocess import SIDE

PIXEL_NAME = re.compile(r"pixel(\d+)", re.IGNORECASE)
LABEL_NAME = "label"
TRAIN_FILE, TEST_FILE = "train.csv", "test.csv"
BLOCK = 1 << 19  # bytes parsed at once: what is made of them fits a processor's cache

# What a file holds: uint8 ``[n, 28, 28]``, and whole numbers ``[n]`` where it has a label column.
_Read = tuple[Images, NDArray[np.integer] | None]


def load_csv(path: Path, name: str) -> DataSet:
    """Everything in one CSV file, as the training part. Without a label column, labels are None.

    Raises:
        DataError: naming line and column: a column is missing or too many, a value is no whole
            number or out of range, a row is short, or there are no rows.
    """
    pictures, notes = _part(path)
    return DataSet(name, pictures, None, _class_names(pictures), notes)


def holds_csv(folder: Path) -> bool:
    """Whether ``train.csv`` lies in ``folder``."""
    return (folder / TRAIN_FILE).is_file()


def load_csv_folder(folder: Path, name: str) -> DataSet:
    """``train.csv``, and ``test.csv`` as the test part where it is there; other files are ignored.

    ``test.csv`` may lack the label column, as Kaggle's does: its labels are None then.

    Raises:
        DataError: as :func:`load_csv`, or ``test.csv`` has a label that training has no class for.
    """
    train, notes = _part(folder / TRAIN_FILE)
    names = _class_names(train)
    path = folder / TEST_FILE
    if not path.is_file():
        return DataSet(name, train, None, names, notes)
    test, test_notes = _part(path)
    if test.labels is not None:
        if train.labels is None:
            raise DataError(f"{path}: has labels, but {TRAIN_FILE} beside it has none")
        check_test_labels(test.labels, len(names), str(path))
    return DataSet(name, train, test, names, notes + test_notes)


def _class_names(pictures: Pictures) -> tuple[str, ...]:
    return () if pictures.labels is None else number_names(pictures.labels)


def _part(path: Path) -> tuple[Pictures, tuple[str, ...]]:
    header = _read_header(path)
    label_column, pixel_columns = _columns(header, path)
    read = _read_plain(path, len(header), label_column, pixel_columns)
    if read is None:
        table = _read_slowly(path, header, label_column)
        images = table[:, pixel_columns].astype(np.uint8).reshape(-1, SIDE, SIDE)
        labels = None if label_column is None else table[:, label_column]
    else:
        images, labels = read
    if len(images) == 0:
        raise DataError(f"{path}: holds a header line but no pictures")
    if labels is None:
        note = f"{path.name} has no label column: pictures without labels"
        return Pictures(images, None), (note,)
    return Pictures(images, to_labels(labels, len(images), str(path))), ()


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


def _read_plain(
    path: Path, columns: int, label_column: int | None, pixel_columns: list[int]
) -> _Read | None:
    """The rows of a file that holds nothing but digits, commas and line ends; None for any other.

    Nearly twice as fast as NumPy's reader, thirty times as fast as :func:`_read_slowly`.
    """
    images, labels = [], []
    with path.open("rb") as file:
        if b"\r" in file.readline().removesuffix(b"\r\n"):
            return None  # a line end of its own: this was more than the header
        while block := file.read(BLOCK):
            table = _parse(block + file.readline(), columns)
            if table is None:
                return None
            pixels = table[:, pixel_columns]
            if pixels.max() > 255:
                return None
            images.append(pixels.astype(np.uint8))
            if label_column is not None:
                labels.append(table[:, label_column])
    if not images:
        return None
    numbers = np.concatenate(labels) if labels else None
    return np.concatenate(images).reshape(-1, SIDE, SIDE), numbers


def _parse(block: bytes, columns: int) -> NDArray[np.uint16] | None:
    """Whole lines of numbers 0 to 999 as ``[rows, columns]``; None where anything else is there."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    text = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", dtype=np.uint8)
    digits = text - np.uint8(ord("0"))  # what lies below "0" goes round, to above 9
    ends = np.flatnonzero(digits > 9)
    if len(ends) % columns:
        return None
    marks = text[ends].reshape(-1, columns)
    if (marks[:, :-1] != ord(",")).any() or (marks[:, -1] != ord("\n")).any():
        return None
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    values: NDArray[np.uint16] = digits[starts].astype(np.uint16)
    for place in (1, 2):
        longer = np.flatnonzero(lengths > place)
        values[longer] = 10 * values[longer] + digits[starts[longer] + place]
    return values.reshape(-1, columns)


def _read_slowly(path: Path, header: list[str], label_column: int | None) -> NDArray[np.integer]:
    """Also quotes, spaces and values like ``7.0``, and an error that has a place."""
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
        # Python's own numbers may be written "1_0", or in the digits of any script.
        value = float(text if text.isascii() and "_" not in text else "no number")
    except ValueError:
        refuse(f"'{text[:20]}' is no number")
    if not value.is_integer():
        refuse(f"{text[:20]} is no whole number")
    if not 0 <= value <= highest:
        refuse(f"{text[:20]} is out of range")
    return int(value)
