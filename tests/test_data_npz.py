"""``.npz`` files: the usual names, and arrays as people save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_data import make_images, make_labels

from edgedigits.data.registry import load_data
from edgedigits.errors import DataError

IMAGES, LABELS = make_images(20), make_labels(20)


def _save(path: Path, **arrays: Any) -> str:
    np.savez_compressed(path, **arrays)
    return str(path)


def test_four_arrays_are_two_parts(tmp_path: Path) -> None:
    test = make_images(10, seed=9)
    path = _save(
        tmp_path / "a.npz", x_train=IMAGES, y_train=LABELS, x_test=test, y_test=make_labels(10)
    )
    data = load_data(path)
    assert data.test is not None
    np.testing.assert_array_equal(data.train.images, IMAGES)
    np.testing.assert_array_equal(data.train.labels, LABELS)
    np.testing.assert_array_equal(data.test.images, test)
    assert data.class_names == tuple("0123456789")
    assert data.notes == ()


@pytest.mark.parametrize(("x", "y"), [("images", "labels"), ("x", "y"), ("x_train", "y_train")])
def test_two_arrays_are_one_part(tmp_path: Path, x: str, y: str) -> None:
    data = load_data(_save(tmp_path / "a.npz", **{x: IMAGES, y: LABELS.astype(np.uint8)}))
    assert data.test is None
    np.testing.assert_array_equal(data.train.images, IMAGES)
    np.testing.assert_array_equal(data.train.labels, LABELS)
    assert data.train.labels is not None
    assert data.train.labels.dtype == np.int64


def test_images_alone_have_no_labels(tmp_path: Path) -> None:
    data = load_data(_save(tmp_path / "a.npz", images=IMAGES))
    assert data.train.labels is None
    assert "without labels" in data.notes[0]


@pytest.mark.parametrize(
    ("array", "note"),
    [
        (IMAGES[..., None], None),
        (IMAGES.reshape(20, 784), None),
        (IMAGES.astype(np.int32), None),
        (IMAGES.astype(np.uint16), None),
        ((IMAGES / 255).astype(np.float32), "float32 values 0 to 1 were multiplied by 255"),
        (IMAGES / 255, "float64 values 0 to 1 were multiplied by 255"),
        (IMAGES.astype(np.float32), "float32 values were rounded"),
        (np.repeat(IMAGES[..., None], 3, axis=3), "three channels were taken as RGB"),
    ],
)
def test_the_same_pictures_in_other_clothes(
    tmp_path: Path, array: np.ndarray, note: str | None
) -> None:
    data = load_data(_save(tmp_path / "a.npz", x=array, y=LABELS[:, None]))
    np.testing.assert_array_equal(data.train.images, IMAGES)
    np.testing.assert_array_equal(data.train.labels, LABELS)
    assert len(data.notes) == (note is not None)
    assert note is None or note in data.notes[0]


def test_channels_are_red_green_blue(tmp_path: Path) -> None:
    colours = np.zeros((2, 28, 28, 3), dtype=np.uint8)
    colours[0, ..., 0] = 255
    colours[1, ..., 2] = 255
    grey = load_data(_save(tmp_path / "a.npz", x=colours, y=[0, 1])).train.images
    # ITU-R BT.601: red weighs 0.299, blue 0.114.
    assert grey[0, 0, 0] == pytest.approx(76, abs=1)
    assert grey[1, 0, 0] == pytest.approx(29, abs=1)


def test_floats_are_rounded_to_the_nearest_byte(tmp_path: Path) -> None:
    array = np.zeros((2, 28, 28))
    array[0, 0, :4] = [0.0018, 0.0021, 0.999, 1.0]  # times 255: 0.459, 0.5355, 254.745, 255
    images = load_data(_save(tmp_path / "a.npz", x=array, y=[0, 1])).train.images
    assert images[0, 0, :4].tolist() == [0, 1, 255, 255]


def test_masks_become_black_and_white(tmp_path: Path) -> None:
    data = load_data(_save(tmp_path / "a.npz", x=IMAGES > 100, y=LABELS))
    np.testing.assert_array_equal(data.train.images, np.where(IMAGES > 100, 255, 0))
    assert "true and false" in data.notes[0]


def test_squares_of_another_size_are_scaled_and_said(tmp_path: Path) -> None:
    doubled = np.repeat(np.repeat(IMAGES, 2, axis=1), 2, axis=2)
    data = load_data(_save(tmp_path / "a.npz", x=doubled, y=LABELS))
    np.testing.assert_array_equal(data.train.images, IMAGES)
    assert "56×56 were scaled to 28×28" in data.notes[0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": IMAGES, "b": LABELS}, "holds a, b; expected x_train, y_train"),
        ({}, "holds nothing; expected"),
        ({"x": IMAGES, "y": LABELS[:-1]}, "y: 19 labels for 20 pictures"),
        ({"x": IMAGES, "y": np.eye(20)}, "labels have shape 20×20"),
        ({"x": IMAGES, "y": LABELS - 1}, "label -1 is no class number"),
        ({"x": IMAGES, "y": LABELS + 5000}, "label 5000 is no class number"),
        ({"x": IMAGES, "y": LABELS + 0.5}, "labels are not whole numbers"),
        ({"x": IMAGES, "y": np.full(20, np.nan)}, "labels are not whole numbers"),
        ({"x": IMAGES, "y": ["a"] * 20}, "labels are not whole numbers"),
        ({"x": IMAGES, "y": np.array([None] * 20)}, "Python objects"),
        ({"x": np.array([None] * 20), "y": LABELS}, "Python objects"),
        ({"x": IMAGES[0, 0], "y": LABELS}, "x: shape 28 is no set of pictures"),
        ({"x": np.float32(3), "y": LABELS}, "x: shape of a single value is no set"),
        ({"x": np.zeros((20, 28, 28, 2)), "y": LABELS}, "shape 20×28×28×2 is no set"),
        ({"x": np.zeros((20, 700), np.uint8), "y": LABELS}, "shape 20×700 is no set"),
        ({"x": np.zeros((0, 28, 28), np.uint8), "y": LABELS[:0]}, "holds no pictures"),
        ({"x": np.zeros((20, 28, 40), np.uint8), "y": LABELS}, "pictures are 40×28"),
        ({"x": np.zeros((20, 3, 3), np.uint8), "y": LABELS}, "pictures are 3×3"),
        ({"x": IMAGES - 128.0, "y": LABELS}, "values go from -128 to 127"),
        ({"x": IMAGES.astype(np.int32) * 2, "y": LABELS}, "values go from 0 to 510"),
        ({"x": np.full((20, 28, 28), np.nan), "y": LABELS}, "not finite"),
        ({"x": np.full((20, 28, 28), "a"), "y": LABELS}, "not numbers"),
        ({"x_train": IMAGES, "x_test": IMAGES}, "x_train but no y_train"),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, "x_test but no y_test"),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS + 1},
            "y_test: label 10 is outside the classes",
        ),
    ],
)
def test_a_bad_array_is_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = _save(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load_data(path)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=IMAGES, y=LABELS)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[3000:3100] = bytes(100)
    with path.with_name("plain.npy").open("wb") as file:
        np.save(file, IMAGES)
    for content in (
        b"",
        b"no zip",
        whole[:2000],
        bytes(damaged),
        path.with_name("plain.npy").read_bytes(),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz: ") as caught:
            load_data(str(path))
        assert "\n" not in str(caught.value)
