"""Small data sets in every format, written with the standard library and NumPy alone."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def make_images(n: int, side: int = 28, seed: int = 0) -> NDArray[np.uint8]:
    """Random pictures with a dark background, all different, uint8 ``[n, side, side]``."""
    images = np.zeros((n, side, side), dtype=np.uint8)
    inner = slice(side // 5, side - side // 5)
    shape = images[:, inner, inner].shape
    images[:, inner, inner] = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return images


def make_labels(n: int, classes: int = 10) -> NDArray[np.int64]:
    """Labels 0, 1, …, again and again."""
    return np.arange(n, dtype=np.int64) % classes


def idx_images(images: NDArray[np.uint8]) -> bytes:
    """An IDX file of pictures."""
    return struct.pack(">4I", 2051, *images.shape) + images.tobytes()


def idx_labels(labels: NDArray[np.int64]) -> bytes:
    """An IDX file of labels."""
    return struct.pack(">2I", 2049, len(labels)) + labels.astype(np.uint8).tobytes()


def write_idx(folder: Path, part: str, n: int = 20, *, zipped: bool = True, seed: int = 0) -> None:
    """The two files of a part."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = idx_images(make_images(n, seed=seed)), idx_labels(make_labels(n))
    for name, content in zip(NAMES[part], contents, strict=True):
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


def write_csv(
    path: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    *,
    label_at: int = 0,
    header: list[str] | None = None,
) -> Path:
    """A CSV file with the label at this column."""
    columns = header or [f"pixel{i}" for i in range(784)]
    rows = [[str(value) for value in image.reshape(-1)] for image in images]
    if labels is not None:
        columns = [*columns[:label_at], "label", *columns[label_at:]]
        for row, label in zip(rows, labels, strict=True):
            row.insert(label_at, str(label))
    path.write_text("\n".join(",".join(line) for line in [columns, *rows]) + "\n")
    return path


def write_pictures(
    folder: Path, images: NDArray[np.uint8], labels: NDArray[np.int64], names: list[str]
) -> None:
    """A PNG file a picture, in a sub-folder a class."""
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / names[int(label)] / f"{i:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image)
