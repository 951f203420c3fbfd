"""``labels.csv`` of a folder of crops: what each one shows, as its owner said."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgedigits.errors import DataError
from edgedigits.files import read_file, write_text

LABELS = "labels.csv"
COLUMNS = ["file", "label", "when"]
DIGITS = tuple("0123456789")
BEYOND = ("not a digit", "several digits")  # classes that a reader has behind the digits
NAMES = (*DIGITS, *BEYOND)


@dataclass(frozen=True)
class CropLabel:
    """What a crop shows, one of ``NAMES``; and when that was said, in ISO 8601."""

    label: str
    when: str


def read_crop_labels(folder: Path) -> dict[str, CropLabel]:
    """The labels by file name, in the order of the file; empty where there is no ``labels.csv``.

    Raises:
        DataError: the file cannot be read, or a line of it is not one of ours; it is named.
    """
    path = folder / LABELS
    try:
        text = read_file(path).decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: is no CSV file: {error}") from error
    if not lines or lines[0] != COLUMNS:
        raise DataError(f"{path}: its first line must be {','.join(COLUMNS)}; mend or remove it")
    labels = {}
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        if len(line) != len(COLUMNS) or line[1] not in NAMES or not is_plain_name(line[0]):
            raise DataError(
                f"{path}: line {number} must be a file's name, one of 0 to 9, "
                f"{' or '.join(BEYOND)}, and a time; it is {','.join(line)[:80]!r}"
            )
        labels[line[0]] = CropLabel(line[1], line[2])
    return labels


def write_crop_labels(folder: Path, labels: Mapping[str, CropLabel]) -> None:
    """Write ``labels.csv`` whole, sorted by file.

    Raises:
        RunError: it cannot be written; the file is as it was before.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([file, labels[file].label, labels[file].when] for file in sorted(labels))
    write_text(folder / LABELS, out.getvalue())


def is_plain_name(name: str) -> bool:
    """Whether it names a visible file of the folder itself, and nothing elsewhere."""
    return bool(name) and not name.startswith(".") and not {*"/\\\0"} & {*name}
