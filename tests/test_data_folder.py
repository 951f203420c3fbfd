"""Folders of pictures by class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers_data import make_images, make_labels, write_pictures

from edgedigits.data.registry import load_data
from edgedigits.errors import DataError
from edgedigits.preprocess import picture_to_digit

IMAGES = make_images(12)


class Recorder:
    """Keeps what a step says."""

    def __init__(self) -> None:
        self.updates: list[tuple[str, float, float | None]] = []

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        self.updates.append((what, done, total))

    def say(self, line: str) -> None:
        pass


def test_pictures_of_28_by_28_are_taken_as_they_are(tmp_path: Path) -> None:
    write_pictures(tmp_path, IMAGES, make_labels(12, 3), ["cat", "ant", "bee"])
    recorder = Recorder()
    data = load_data(str(tmp_path), progress=recorder)
    assert data.class_names == ("ant", "bee", "cat")
    assert data.train.labels is not None
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    # "ant" was label 1 when it was written: pictures 1, 4, 7, 10.
    np.testing.assert_array_equal(data.train.images[:4], IMAGES[1::3])
    np.testing.assert_array_equal(data.train.images[8:], IMAGES[0::3])
    assert data.notes == ()
    assert [done for _, done, _ in recorder.updates] == list(range(1, 13))


def test_numeric_names_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    write_pictures(tmp_path, IMAGES, make_labels(12), [str(i) for i in (10, 9, 2, *range(20, 27))])
    expected = ("2", "9", "10", *(str(i) for i in range(20, 27)))
    assert load_data(str(tmp_path)).class_names == expected


def test_dark_on_light_is_inverted_and_said(tmp_path: Path) -> None:
    write_pictures(tmp_path, 255 - IMAGES, make_labels(12, 2), ["a", "b"])
    data = load_data(str(tmp_path))
    np.testing.assert_array_equal(data.train.images[:6], IMAGES[0::2])
    assert "12 pictures of 28×28 were inverted" in data.notes[0]


def test_one_bright_picture_does_not_turn_a_dark_set(tmp_path: Path) -> None:
    images = IMAGES.copy()
    images[0] = 255 - images[0]
    write_pictures(tmp_path, images, make_labels(12, 2), ["a", "b"])
    data = load_data(str(tmp_path))
    np.testing.assert_array_equal(data.train.images[:6], images[0::2])
    assert data.notes == ()


def test_other_sizes_go_through_the_preprocessor(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for i in range(4):
        paper = np.full((90, 70, 3), 230, dtype=np.uint8)
        cv2.line(paper, (20, 15), (int(rng.integers(25, 60)), 70), (40, 30, 20), 5)
        path = tmp_path / "ab"[i % 2] / f"{i}.{['png', 'jpg', 'bmp', 'webp'][i]}"
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), paper)
    data = load_data(str(tmp_path))
    assert "4 pictures of other sizes" in data.notes[0]
    first = cv2.imread(str(tmp_path / "a" / "0.png"))
    assert first is not None
    np.testing.assert_array_equal(data.train.images[0], picture_to_digit(first))
    for image in data.train.images:  # light on dark now, and centred
        assert image[0, 0] == 0
        assert image.max() == 255


def test_transparent_pictures_are_laid_on_white(tmp_path: Path) -> None:
    drawn = np.zeros((28, 28, 4), dtype=np.uint8)
    drawn[8:20, 12:16, 3] = 255  # black ink, nothing around it
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), drawn)
    image = load_data(str(tmp_path)).train.images[0]
    np.testing.assert_array_equal(image == 255, drawn[..., 3] == 255)
    assert set(np.unique(image)) == {0, 255}


def test_train_and_test_above_the_classes(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", IMAGES, make_labels(12, 3), ["a", "b", "c"])
    test = make_images(4, seed=8)
    write_pictures(tmp_path / "test", test, np.array([1, 1, 2, 2]), ["a", "b", "c"])
    data = load_data(str(tmp_path))
    assert data.test is not None
    assert data.class_names == ("a", "b", "c")
    assert len(data.train) == 12
    np.testing.assert_array_equal(data.test.images, test)
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [1, 1, 2, 2]


def test_a_test_class_that_training_lacks_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", IMAGES, make_labels(12, 2), ["a", "b"])
    write_pictures(tmp_path / "test", IMAGES, make_labels(12, 3), ["a", "b", "z"])
    with pytest.raises(DataError, match="class 'z' is outside the classes"):
        load_data(str(tmp_path))


def test_hidden_and_foreign_files_are_passed_over(tmp_path: Path) -> None:
    write_pictures(tmp_path, IMAGES, make_labels(12, 2), ["a", "b"])
    (tmp_path / "a" / ".hidden.png").write_bytes(b"no picture")
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    (tmp_path / ".git").mkdir()
    data = load_data(str(tmp_path))
    assert len(data.train) == 12
    assert data.class_names == ("a", "b")
    assert "1 files that are no pictures were passed over" in data.notes[0]


def _png() -> bytes:
    return bytes(cv2.imencode(".png", make_images(1)[0])[1])


@pytest.mark.parametrize("content", [b"", b"this is text", b"\x89PNG\r\n\x1a\n", _png()[:150]])
def test_a_picture_that_is_no_picture_is_named(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path, IMAGES, make_labels(12, 2), ["a", "b"])
    bad = tmp_path / "b" / "bad.png"
    bad.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.png: is no picture") as caught:
        load_data(str(tmp_path))
    assert str(bad) in str(caught.value)
    assert capfd.readouterr().err == ""


def test_folders_that_hold_no_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither IDX files nor train"):
        load_data(str(tmp_path))
    write_pictures(tmp_path, IMAGES, np.zeros(12, dtype=np.int64), ["only"])
    with pytest.raises(DataError, match="holds a single class, 'only'"):
        load_data(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no pictures"):
        load_data(str(tmp_path))


@pytest.mark.shared
def test_photographed_digits_become_light_on_dark(
    tmp_path: Path, data_part: Callable[[str], Path]
) -> None:
    crops = sorted(data_part("photos/crops").glob("*.png"))
    for path in crops:
        target = tmp_path / path.name[0] / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    data = load_data(str(tmp_path))
    assert data.class_names == tuple("0123456789")
    assert np.bincount(data.train.labels).tolist() == [10] * 10  # type: ignore[arg-type]
    assert (data.train.images.max(axis=(1, 2)) == 255).all()
    border = data.train.images.copy()
    border[:, 2:-2, 2:-2] = 0
    assert border.mean() < 3
