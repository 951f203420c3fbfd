"""The embedded digits, against scikit-learn's copy and MNIST's placing rule."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgedigits.data import builtin
from edgedigits.data.builtin import DIGITS_FILE, load_digits
from edgedigits.data.registry import load_data
from edgedigits.data.split import shared_content
from edgedigits.errors import DataError

datasets = pytest.importorskip("sklearn.datasets")


def test_stored_pixels_and_labels_are_those_of_scikit_learn() -> None:
    original = datasets.load_digits()
    with np.load(DIGITS_FILE, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["images"], original.images)
        np.testing.assert_array_equal(file["labels"], original.target)


def test_parts_divide_the_original_and_keep_its_labels() -> None:
    original = datasets.load_digits().target
    digits = load_digits()
    assert digits.test is not None
    assert digits.held_out_indices is not None
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert digits.test.labels is not None
    np.testing.assert_array_equal(digits.test.labels, original[digits.held_out_indices])
    rest = np.delete(original, digits.held_out_indices)
    assert digits.train.labels is not None
    np.testing.assert_array_equal(digits.train.labels, rest)


def test_each_class_keeps_its_share_in_the_test_part() -> None:
    digits = load_digits()
    assert digits.test is not None
    assert digits.test.labels is not None
    whole = np.bincount(datasets.load_digits().target)
    held = np.bincount(digits.test.labels)
    assert np.abs(held - whole * 360 / 1797).max() <= 1


def test_pictures_are_enlarged_by_the_preprocessor_and_keep_their_place() -> None:
    digits = load_digits()
    original = datasets.load_digits().images
    assert digits.held_out_indices is not None
    rest = np.setdiff1d(np.arange(1797), digits.held_out_indices)
    images = digits.train.images
    assert images.dtype == np.uint8
    assert images.shape == (1437, 28, 28)
    rows = np.flatnonzero(images.any(axis=(0, 2)))
    assert rows[-1] - rows[0] < 28
    for i in (0, 700, 1436):
        ink = images[i] > 31
        height = np.flatnonzero(ink.any(axis=1))[[0, -1]] @ [-1, 1] + 1
        width = np.flatnonzero(ink.any(axis=0))[[0, -1]] @ [-1, 1] + 1
        assert 18 <= max(height, width) <= 20
        centre = (images[i].sum(axis=1) @ np.arange(28)) / images[i].sum()
        assert abs(centre - 13.5) <= 1
        # The same digit: coarse averages over the ink's box go together.
        small = original[rest[i]]
        assert np.corrcoef(_shrink(images[i]), _shrink(small))[0, 1] > 0.8


def _shrink(image: np.ndarray) -> np.ndarray:
    """The ink's own box brought to 4×4 by averaging over whole cells, as a vector."""
    image = image.astype(float)
    rows = np.flatnonzero((image > image.max() / 8).any(axis=1))
    columns = np.flatnonzero((image > image.max() / 8).any(axis=0))
    cut = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cells = np.repeat(np.repeat(cut, 4, axis=0), 4, axis=1)
    height, width = cut.shape
    return np.asarray(cells.reshape(4, height, 4, width).mean(axis=(1, 3))).reshape(-1)


def test_no_test_picture_occurs_in_training() -> None:
    digits = load_digits()
    assert digits.test is not None
    assert len(shared_content(digits.test.images, digits.train.images)) == 0


def test_the_digest_is_the_same_every_time_and_feels_one_pixel() -> None:
    first, second = load_digits(), load_digits()
    assert first.digest == second.digest
    changed = load_digits()
    changed.train.images[5, 14, 14] ^= 1
    assert changed.train.digest != first.train.digest
    assert changed.digest != first.digest


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "digits.npz"
    damaged.write_bytes(DIGITS_FILE.read_bytes()[:1000])
    monkeypatch.setattr(builtin, "DIGITS_FILE", damaged)
    with pytest.raises(DataError, match=r"digits\.npz: cannot be read"):
        load_data("digits")


def test_the_plain_install_is_enough() -> None:
    code = (
        "import sys\n"
        "for name in ('sklearn', 'tensorflow', 'matplotlib', 'pandas', 'requests'):\n"
        "    sys.modules[name] = None\n"
        "from edgedigits.data.registry import load_data\n"
        "print(load_data('digits').train.images.shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1437, 28, 28)"
