"""IDX files: what is read, and every way they can be broken."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers_data import NAMES, idx_images, idx_labels, make_images, make_labels, write_idx

from edgedigits.data.registry import load_data
from edgedigits.errors import DataError

IMAGES, LABELS = NAMES["train"]


@pytest.mark.parametrize("zipped", [True, False])
def test_both_parts_are_read(tmp_path: Path, zipped: bool) -> None:
    write_idx(tmp_path, "train", 30, zipped=zipped, seed=1)
    write_idx(tmp_path, "test", 20, zipped=zipped, seed=2)
    data = load_data(str(tmp_path))
    assert data.test is not None
    np.testing.assert_array_equal(data.train.images, make_images(30, seed=1))
    np.testing.assert_array_equal(data.test.images, make_images(20, seed=2))
    np.testing.assert_array_equal(data.train.labels, make_labels(30))
    assert data.class_names == tuple("0123456789")
    assert data.notes == ()
    assert data.train.labels is not None
    assert data.train.images.dtype == np.uint8
    assert data.train.labels.dtype == np.int64


def test_names_with_a_dot_are_found_and_the_test_part_may_be_missing(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", 20, zipped=False)
    for name in NAMES["train"]:
        (tmp_path / name).rename(tmp_path / name.replace("-idx", ".idx"))
    data = load_data(str(tmp_path))
    assert data.test is None
    np.testing.assert_array_equal(data.train.images, make_images(20))


def test_training_pixels_are_not_read_for_the_test_part(tmp_path: Path) -> None:
    write_idx(tmp_path, "train")
    write_idx(tmp_path, "test", seed=3)
    path = tmp_path / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:-200])
    data = load_data(str(tmp_path))
    assert data.test is not None
    assert len(data.train) == 20
    np.testing.assert_array_equal(data.test.images, make_images(20, seed=3))
    with pytest.raises(DataError, match="truncated"):
        data.train.images  # noqa: B018


def _load_all(folder: Path) -> None:
    data = load_data(str(folder))
    data.train.images  # noqa: B018


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, idx_images(make_images(20))[:-1], "truncated: its header promises 15,680 bytes"),
        (IMAGES, idx_images(make_images(20)) + b"\0", "longer than the 15,680 bytes"),
        (IMAGES, idx_images(make_images(20))[:11], "truncated: 11 bytes"),
        (IMAGES, b"", "truncated: 0 bytes"),
        (IMAGES, idx_labels(make_labels(20)), "begins with 2049, expected 2051"),
        (IMAGES, b"PNG and something else altogether", "begins with 1347307296, expected 2051"),
        (IMAGES, idx_images(make_images(19)), "19 pictures, but .* holds 20 labels"),
        (IMAGES, struct.pack(">4I", 2051, 20, 28, 20) + bytes(20 * 28 * 20), "pictures are 20×28"),
        (IMAGES, struct.pack(">4I", 2051, 20, 4, 4) + bytes(20 * 16), "pictures are 4×4"),
        (IMAGES, struct.pack(">4I", 2051, 20, 4000, 4000), "pictures are 4000×4000"),
        (LABELS, idx_labels(make_labels(20))[:-3], "truncated: its header promises 20 bytes, 17"),
        (LABELS, idx_images(make_images(20)), "begins with 2051, expected 2049"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_broken_file_is_named(
    tmp_path: Path, name: str, content: bytes, message: str, zipped: bool
) -> None:
    write_idx(tmp_path, "train", zipped=zipped)
    path = tmp_path / (f"{name}.gz" if zipped else name)
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError, match=message) as caught:
        _load_all(tmp_path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_and_damaged_gzip_are_told_apart(tmp_path: Path) -> None:
    write_idx(tmp_path, "train")
    path = tmp_path / f"{IMAGES}.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated: the gzip data ends too early"):
        _load_all(tmp_path)
    path.write_bytes(b"no gzip at all, whatever its name says")
    with pytest.raises(DataError, match="damaged gzip data"):
        _load_all(tmp_path)
    path.write_bytes(whole[:600] + bytes(100) + whole[700:])
    with pytest.raises(DataError, match=r"damaged gzip data|truncated"):
        _load_all(tmp_path)


def test_two_empty_files_hold_no_pictures(tmp_path: Path) -> None:
    (tmp_path / IMAGES).write_bytes(struct.pack(">4I", 2051, 0, 28, 28))
    (tmp_path / LABELS).write_bytes(struct.pack(">2I", 2049, 0))
    with pytest.raises(DataError, match="holds no pictures"):
        load_data(str(tmp_path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path, "train")
    write_idx(tmp_path, "test")
    (tmp_path / f"{NAMES['test'][1]}.gz").unlink()
    with pytest.raises(DataError, match=f"{NAMES['test'][0]}.gz but no {NAMES['test'][1]}"):
        load_data(str(tmp_path))
    (tmp_path / f"{NAMES['test'][0]}.gz").unlink()
    (tmp_path / f"{IMAGES}.gz").unlink()
    with pytest.raises(DataError, match=f"but no {IMAGES}"):
        load_data(str(tmp_path))


def test_a_test_part_alone_is_refused(tmp_path: Path) -> None:
    write_idx(tmp_path, "test")
    with pytest.raises(DataError, match=f"no training files; add {IMAGES}"):
        load_data(str(tmp_path))


def test_test_labels_outside_the_classes_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path, "train")
    write_idx(tmp_path, "test")
    path = tmp_path / f"{NAMES['test'][1]}.gz"
    path.write_bytes(gzip.compress(idx_labels(make_labels(20, classes=13))))
    with pytest.raises(DataError, match=r"label 12 is outside the classes .* 0 to 9"):
        load_data(str(tmp_path))


def test_squares_of_another_size_are_scaled_and_said(tmp_path: Path) -> None:
    # Every picture is one even grey, so the right pixels are known without resizing anything.
    images = np.stack([np.full((56, 56), 10 * i, dtype=np.uint8) for i in range(20)])
    (tmp_path / IMAGES).write_bytes(idx_images(images))
    (tmp_path / LABELS).write_bytes(idx_labels(make_labels(20)))
    data = load_data(str(tmp_path))
    assert data.notes == (f"{IMAGES}: pictures of 56×56 were scaled to 28×28",)
    assert data.train.images.shape == (20, 28, 28)
    for i in range(20):
        assert (data.train.images[i] == 10 * i).all()


@pytest.mark.shared
def test_the_published_counts_of_mnist(data_dir: Path) -> None:
    data = load_data("mnist", data_dir=data_dir)
    assert data.test is not None
    assert data.train.images.shape == (60000, 28, 28)
    assert data.test.images.shape == (10000, 28, 28)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.train.labels).tolist() == counts  # type: ignore[arg-type]
    assert data.train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert data.train.images.std() / 255 == pytest.approx(0.3081, abs=5e-5)


@pytest.mark.shared
def test_the_published_counts_of_fashion_mnist(data_part: Callable[[str], Path]) -> None:
    data = load_data("fashion-mnist", data_dir=data_part("fashion-mnist").parent)
    assert data.test is not None
    assert np.bincount(data.train.labels).tolist() == [6000] * 10  # type: ignore[arg-type]
    assert np.bincount(data.test.labels).tolist() == [1000] * 10  # type: ignore[arg-type]
    assert data.train.images.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert data.class_names[0] == "T-shirt/top"
    assert data.class_names[9] == "ankle boot"
