"""IDX, the format of MNIST: a big-endian header and one byte a pixel; plain or gzipped.

Format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from edgedigits.data.arrays import (
    check_test_labels,
    number_names,
    scale,
    scaling_note,
    to_labels,
)
from edgedigits.data.dataset import DataSet, Images, Labels, LazyPictures
from edgedigits.errors import DataError
from edgedigits.preprocess import SIDE

IMAGES_MAGIC = 2051  # unsigned bytes, three dimensions
LABELS_MAGIC = 2049  # unsigned bytes, one dimension
PARTS = {"train": "train", "test": "t10k"}  # our name of a part: how its file names begin


@dataclass(frozen=True)
class IdxFiles:
    """The two files of one part."""

    images: Path
    labels: Path


def file_names(part: str) -> tuple[str, str]:
    """The standard names, without ``.gz``, of a part's images and labels."""
    prefix = PARTS[part]
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


def find_file(folder: Path, name: str) -> Path | None:
    """A file of this standard name in ``folder``: unzipped or ``.gz``, also with ``.idx``."""
    dotted = name.replace("-idx", ".idx")  # as some archives unpack
    for candidate in (f"{name}.gz", name, f"{dotted}.gz", dotted):
        if (folder / candidate).is_file():
            return folder / candidate
    return None


def holds_idx(folder: Path) -> bool:
    """Whether any standard IDX file lies in ``folder``."""
    return any(find_file(folder, name) for part in PARTS for name in file_names(part))


def load_idx_folder(folder: Path, name: str) -> DataSet:
    """A folder with MNIST's four file names; the two of the test part may be missing.

    Raises:
        DataError: a file is missing, truncated, of another kind, or does not fit the others.
    """
    files = {part: _find_part(folder, part) for part in PARTS}
    train, test = files["train"], files["test"]
    if train is None:
        raise DataError(f"{folder}: holds no training files; add {file_names('train')[0]}.gz and "
                        f"{file_names('train')[1]}.gz")  # fmt: skip
    return load_idx(name, train, test)


def _find_part(folder: Path, part: str) -> IdxFiles | None:
    names = file_names(part)
    images, labels = (find_file(folder, name) for name in names)
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        found, missing = (labels, names[0]) if images is None else (images, names[1])
        raise DataError(f"{folder}: holds {cast(Path, found).name} but no {missing} beside it")
    return IdxFiles(images, labels)


def load_idx(
    name: str,
    train: IdxFiles,
    test: IdxFiles | None,
    class_names: tuple[str, ...] | None = None,
) -> DataSet:
    """A data set of two or four IDX files. Pixels are read when they are first asked for.

    Args:
        name: of the data set.
        train, test: its files.
        class_names: of the classes; by default the numbers up to the highest training label.

    Raises:
        DataError: a file is truncated, of another kind, or does not fit the others. Truncated
            pixels are found when they are read.
    """
    train_pictures, notes = _part(train)
    names = class_names or number_names(train_pictures.labels)
    check_test_labels(train_pictures.labels, len(names), str(train.labels))
    test_pictures = None
    if test is not None:
        test_pictures, test_notes = _part(test)
        check_test_labels(test_pictures.labels, len(names), str(test.labels))
        notes += test_notes
    return DataSet(name, train_pictures, test_pictures, names, notes)


def _part(files: IdxFiles) -> tuple[LazyPictures, tuple[str, ...]]:
    labels = read_labels(files.labels)
    count, height, width = _read_header(files.images)
    if count != len(labels):
        raise DataError(
            f"{files.images}: {count:,} pictures, but {files.labels.name} holds "
            f"{len(labels):,} labels"
        )
    if count == 0:
        raise DataError(f"{files.images}: holds no pictures")
    notes = () if (height, width) == (SIDE, SIDE) else (
        scaling_note(height, width, files.images.name),
    )  # fmt: skip
    return LazyPictures(labels, lambda: read_images(files.images)), notes


def read_images(path: Path) -> Images:
    """The pixels of an IDX file, uint8 ``[n, 28, 28]``; squares of another size are scaled.

    Raises:
        DataError: the file is truncated, too long, or of another kind.
    """
    count, height, width = _read_header(path)
    pixels = _read_body(path, 16, count * height * width)
    images = pixels.reshape(count, height, width)
    return images if (height, width) == (SIDE, SIDE) else scale(images)


def read_labels(path: Path) -> Labels:
    """The labels of an IDX file, int64 ``[n]``.

    Raises:
        DataError: the file is truncated, too long, or of another kind.
    """
    (count,) = _header(path, LABELS_MAGIC, "labels", 1)
    return to_labels(_read_body(path, 8, count), count, str(path))


def _read_header(path: Path) -> tuple[int, int, int]:
    count, height, width = _header(path, IMAGES_MAGIC, "images", 3)
    return count, height, width


def _header(path: Path, magic: int, what: str, dimensions: int) -> tuple[int, ...]:
    length = 4 * (1 + dimensions)
    head = _read(path, length)
    found = int.from_bytes(head[:4], "big") if len(head) >= 4 else None
    if found is not None and found != magic:
        raise DataError(
            f"{path}: not an IDX file of {what}: it begins with {found}, expected {magic}"
        )
    if len(head) < length:
        raise DataError(f"{path}: truncated: {len(head)} bytes are less than an IDX header")
    return struct.unpack(f">{dimensions}I", head[4:])


def _read_body(path: Path, start: int, length: int) -> Images:
    # One byte more than expected is asked for, to notice a file that is too long.
    body = memoryview(_read(path, start + length + 1))[start:]
    if len(body) < length:
        raise DataError(
            f"{path}: truncated: its header promises {length:,} bytes, {len(body):,} are there"
        )
    if len(body) > length:
        raise DataError(f"{path}: longer than the {length:,} bytes its header promises")
    return np.frombuffer(body, dtype=np.uint8)


def _read(path: Path, length: int) -> bytes:
    """Up to ``length`` bytes from the start of the file, unzipped."""
    try:
        with _open(path) as file:
            return file.read(length)
    except EOFError as error:
        raise DataError(f"{path}: truncated: the gzip data ends too early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")
