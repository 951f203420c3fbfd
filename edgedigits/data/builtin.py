"""``digits``: 1,797 real handwritten digits inside the package; nothing to download.

UCI "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998), the part that
scikit-learn carries as ``load_digits``: 8×8 pixels, 17 levels. Stored as it is, and brought to
28×28 by the preprocessor when it is read. See ``digits.md``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import DataSet, Images, LazyPictures
from edgedigits.errors import DataError
from edgedigits.preprocess import place

DIGITS_FILE = Path(__file__).with_name("digits.npz")
LEVELS = 16  # the strongest ink of the stored pictures


def load_digits() -> DataSet:
    """The embedded digits: 1,437 for training and 360 for testing, the same on every machine.

    The test part is stratified and was drawn once; its positions are stored beside the pictures.

    Raises:
        DataError: the file inside the package is missing or damaged.
    """
    try:
        with np.load(DIGITS_FILE, allow_pickle=False) as file:
            images, labels, held = file["images"], file["labels"], file["test_indices"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{DIGITS_FILE}: cannot be read ({error}); install edgedigits again"
        ) from error
    labels = labels.astype(np.int64)
    held = held.astype(np.int64)
    rest = np.setdiff1d(np.arange(len(labels), dtype=np.int64), held)
    return DataSet(
        name="digits",
        train=LazyPictures(labels[rest], lambda: enlarge(images[rest])),
        test=LazyPictures(labels[held], lambda: enlarge(images[held])),
        class_names=tuple("0123456789"),
        notes=("8×8 pictures were enlarged to 28×28 by MNIST's rule",),
        held_out_indices=held,
    )


def enlarge(images: NDArray[np.uint8]) -> Images:
    """From stored pictures, uint8 ``[n, 8, 8]``, 0 to 16, to uint8 ``[n, 28, 28]``, 0 to 255."""
    full_range = np.rint(images * (255.0 / LEVELS)).astype(np.uint8)
    return np.stack([place(image) for image in full_range])
