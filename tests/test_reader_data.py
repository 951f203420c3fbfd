"""Data for a reader: labels of what is cut out of frames, other styles of writing, and the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli

from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.data.registry import load_data
from edgedigits.device.finder.hypotheses import Hypothesis
from edgedigits.device.reading import SEVERAL, Box
from edgedigits.errors import DataError, UsageError
from edgedigits.reader_data import (
    NOT_A_DIGIT,
    cut_from_scenes,
    true_label,
    write_reader_data,
)
from edgedigits.scenes import Scene, SceneDigit
from edgedigits.styles import other_styles


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_data("digits")


def _scene() -> Scene:
    """A 3 and a 5 side by side."""
    row = (SceneDigit(3, Box(100, 100, 40, 60)), SceneDigit(5, Box(150, 100, 40, 60)))
    blank = np.zeros((240, 320), np.uint8)
    return Scene(np.dstack([blank] * 3), (row,), ("plain",), blank)


@pytest.mark.parametrize(
    ("box", "label"),
    [
        (Box(100, 100, 40, 60), 3),
        (Box(148, 98, 44, 64), 5),
        (Box(100, 100, 90, 60), SEVERAL),  # both
        (Box(100, 100, 75, 60), NOT_A_DIGIT),  # the 3, and more than half of the 5
        (Box(100, 100, 40, 20), NOT_A_DIGIT),  # a third of the 3
        (Box(10, 10, 30, 40), NOT_A_DIGIT),  # something else
        (Box(100, 100, 40, 34), None),  # more than half of it: one could argue
    ],
)
def test_the_label_of_a_candidate(box: Box, label: int | None) -> None:
    candidate = Hypothesis(0, (0, 1), box, np.zeros((28, 28), np.uint8))
    assert true_label(candidate, _scene()) == label


def test_what_is_cut_out_of_frames(digits: DataSet) -> None:
    cut = cut_from_scenes(digits.train, 6, seed=1)
    assert cut.labels is not None
    assert cut.images.shape == (len(cut), 28, 28)
    assert set(cut.labels.tolist()) <= set(range(12))
    assert (cut.labels < 10).sum() >= 10
    assert (cut.labels == NOT_A_DIGIT).sum() >= 10
    for crop in cut.images[cut.labels == NOT_A_DIGIT]:  # nothing that could be a 1
        rows, columns = np.nonzero(crop >= 65)
        assert np.ptp(rows) + 1 <= 1.8 * (np.ptp(columns) + 1)
    again = cut_from_scenes(digits.train, 6, seed=1)
    np.testing.assert_array_equal(cut.images, again.images)
    assert len(cut_from_scenes(digits.train, 0, seed=1)) == 0


def test_other_styles_add_ink_where_it_belongs(digits: DataSet) -> None:
    styled = other_styles(np.random.default_rng(2), 60, digits.train)
    assert styled.labels is not None
    assert np.bincount(styled.labels).tolist() == [0, 40, 0, 0, 0, 0, 0, 20]
    # A foot: the lowest rows of a 1 are wider than its middle.
    feet = styled.images[1::3].astype(int)
    rows = [np.flatnonzero(image.max(axis=1) > 64) for image in feet]
    wide = [
        (image[row[-2:]].max(axis=0) > 64).sum() > (image[(row[0] + row[-1]) // 2] > 64).sum()
        for image, row in zip(feet, rows, strict=True)
    ]
    assert np.mean(wide) > 0.7


def test_the_file_is_a_data_set_of_twelve_classes(digits: DataSet, tmp_path: Path) -> None:
    file = tmp_path / "reader.npz"
    written = write_reader_data(digits, file, negatives=50, scenes=2, seed=3)
    data = load_data(str(file))
    assert data.class_names == (*"0123456789", "not a digit", "several digits")
    assert data.test is not None
    assert data.train.labels is not None
    assert data.test.labels is not None
    counts = np.bincount(data.train.labels, minlength=12)
    assert (counts[:10].sum(), counts[10:].sum()) == (written.digits, written.negatives)
    assert written.negatives >= 50
    assert len(data.train) == len(digits.train) + 50 + 10 + 62 + written.from_scenes
    assert (written.test_digits, written.test_negatives) == (360, 5)
    # No training picture is in the test part.
    train = {image.tobytes() for image in data.train.images}
    own_test = {image.tobytes() for image in data.test.images}
    before = {image.tobytes() for image in digits.train.images}
    assert len(train & own_test) == len(before & own_test)
    second = tmp_path / "again.npz"
    write_reader_data(digits, second, negatives=50, scenes=2, seed=3)
    assert load_data(str(second)).digest == data.digest


def test_what_cannot_be_used_is_refused(digits: DataSet, tmp_path: Path) -> None:
    there = tmp_path / "there.npz"
    there.write_bytes(b"")
    with pytest.raises(UsageError, match="already exists; add --overwrite"):
        write_reader_data(digits, there)
    with pytest.raises(UsageError, match=r"must end in \.npz"):
        write_reader_data(digits, tmp_path / "x.zip")
    with pytest.raises(UsageError, match="--scenes is -1"):
        write_reader_data(digits, tmp_path / "x.npz", scenes=-1)
    bare = DataSet("bare", Pictures(digits.train.images, None), digits.test, digits.class_names)
    with pytest.raises(DataError, match="needs labels and a test part"):
        write_reader_data(bare, tmp_path / "x.npz")
    few = DataSet("few", digits.train, digits.test, ("a", "b"))
    with pytest.raises(DataError, match="has 2 classes"):
        write_reader_data(few, tmp_path / "x.npz")


def test_the_command(tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "reader.npz"
    code, text, error = run_cli(
        *("data", "reader", "digits", "--out", out, "--negatives", 20, "--scenes", 1, "--json")
    )
    assert code == 0, error
    document = json.loads(text)
    assert document["file"] == str(out)
    assert document["test_negatives"] == 2
