"""Labelled crops as a data set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import RunCli
from helpers_crops import crop_name, labelled_crops, noise_crops, write_crops
from helpers_models import dense_file, nearest_mean, write

from edgedigits.data.crop_labels import NAMES, CropLabel, read_crop_labels, write_crop_labels
from edgedigits.data.crops import CropSet, for_classes, is_for_choosing, is_held_out, load_crops
from edgedigits.data.registry import load_data
from edgedigits.errors import DataError
from edgedigits.evaluate import evaluate_file

CROPS = noise_crops(60)
LABELS = [number % 12 for number in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return labelled_crops(tmp_path / "unsure", CROPS, LABELS)


def test_pixels_are_those_the_network_saw(folder: Path) -> None:
    dataset = load_data(str(folder))
    assert isinstance(dataset, CropSet)
    assert dataset.class_names == NAMES
    assert dataset.test is not None
    label_of = {crop.tobytes(): label for crop, label in zip(CROPS, LABELS, strict=True)}
    seen = 0
    for part in (dataset.train, dataset.test):
        assert part.labels is not None
        for image, label in zip(part.images, part.labels, strict=True):
            assert label_of[image.tobytes()] == label
            seen += 1
    assert seen == 60


def test_a_bright_crop_is_not_inverted(tmp_path: Path) -> None:
    """Other folders of pictures are, when most of them look dark on light."""
    bright = np.clip(noise_crops(10).astype(int) // 4 + 180, 0, 255).astype(np.uint8)
    dataset = load_data(str(labelled_crops(tmp_path / "unsure", bright, [1] * 10)))
    assert dataset.train.images.min() >= 180


def test_the_held_out_part_by_a_second_computation(folder: Path) -> None:
    dataset = load_data(str(folder))
    assert dataset.test is not None

    def number(crop: np.ndarray) -> int:
        return int(hashlib.blake2b(crop.tobytes(), digest_size=16).hexdigest()[:16], 16)

    expected = {crop.tobytes() for crop in CROPS if number(crop) % 5 == 0}
    assert {image.tobytes() for image in dataset.test.images} == expected
    assert 5 <= len(expected) <= 20
    chosen = is_for_choosing(CROPS)
    assert chosen.tolist() == [number(crop) // 5 % 10 == 0 for crop in CROPS]


def test_no_crop_changes_sides_when_others_come(tmp_path: Path) -> None:
    few = load_crops(labelled_crops(tmp_path / "a", CROPS[20:40], LABELS[20:40]), "a")
    many = load_crops(labelled_crops(tmp_path / "b", CROPS, LABELS), "b")
    assert few.test is not None
    assert many.test is not None
    assert {i.tobytes() for i in few.test.images} <= {i.tobytes() for i in many.test.images}
    assert {i.tobytes() for i in few.train.images} <= {i.tobytes() for i in many.train.images}
    share = is_held_out(noise_crops(4000, seed=1)).mean()
    assert share == pytest.approx(0.2, abs=0.03)


def test_classes_are_those_that_occur(tmp_path: Path) -> None:
    digits = load_crops(labelled_crops(tmp_path / "a", CROPS[:9], list(range(9))), "a")
    assert digits.class_names == tuple("0123456789")
    none = load_crops(labelled_crops(tmp_path / "b", CROPS[:9], [10] * 9), "b")
    assert none.class_names == (*"0123456789", "not a digit")


def test_a_model_without_the_class_leaves_it_out(folder: Path) -> None:
    dataset = load_crops(folder, "unsure")
    ten = for_classes(dataset, tuple("0123456789"))
    assert ten.train.labels is not None
    assert ten.test is not None
    assert set(ten.train.labels.tolist()) <= set(range(10))
    left = 60 - len(ten.train) - len(ten.test)
    assert left == 10  # of each class five
    assert any(
        note == '10 crops were left out: the model has no class "not a digit" or "several digits"'
        for note in ten.notes
    )
    turned = for_classes(dataset, (*"0123456789", "several digits", "not a digit"))
    assert turned.train.labels is not None
    assert dataset.train.labels is not None
    swapped = np.array([*range(10), 11, 10])[dataset.train.labels]
    np.testing.assert_array_equal(turned.train.labels, swapped)
    with pytest.raises(DataError, match="holds digits; the model's classes are shirt, coat"):
        for_classes(dataset, ("shirt", "coat"))


def test_damaged_and_missing_crops_are_said(folder: Path) -> None:
    (folder / crop_name(7)).write_bytes(b"x")
    (folder / crop_name(9)).unlink()
    dataset = load_crops(folder, "unsure")
    assert dataset.test is not None
    assert len(dataset.train) + len(dataset.test) == 58
    assert any("2 labelled crops cannot be read" in note for note in dataset.notes)


def test_labels_survive_a_round_trip_and_are_sorted(tmp_path: Path) -> None:
    labels = {'b,"x-crop.png': CropLabel("3", "t"), "a-crop.png": CropLabel(NAMES[11], "u")}
    write_crop_labels(tmp_path, labels)
    assert read_crop_labels(tmp_path) == labels
    assert list(read_crop_labels(tmp_path)) == sorted(labels)
    text = (tmp_path / "labels.csv").read_text()
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_crop_labels(tmp_path) == labels  # as a spreadsheet writes it


def test_folders_without_use_are_one_clear_line(tmp_path: Path, run_cli: RunCli) -> None:
    write_crops(tmp_path / "new", CROPS[:3])
    code, out, error = run_cli("data", "look", tmp_path / "new")
    assert (code, out) == (1, "")
    assert "none of its crops is labelled; run 'edgedigits label" in error
    held = CROPS[is_held_out(CROPS)][:2]
    with pytest.raises(DataError, match="all 2 labelled crops are held out"):
        load_crops(labelled_crops(tmp_path / "held", held, [1, 2]), "held")
    gone = labelled_crops(tmp_path / "gone", CROPS[:2], [1, 2])
    for number in (1, 2):
        (gone / crop_name(number)).unlink()
    with pytest.raises(DataError, match="none of the 2 crops in labels"):
        load_crops(gone, "gone")


def test_a_file_is_evaluated_on_the_held_out_crops(folder: Path, tmp_path: Path) -> None:
    """By a nearest-mean model of them it is right on every digit, and asked nothing else."""
    digits = np.array(LABELS) < 10
    weights, bias = nearest_mean(CROPS[digits][:10], np.array(LABELS)[digits][:10], 10)
    file = write(tmp_path / "means.tflite", dense_file(weights, bias))
    evaluation, part = evaluate_file(file, str(folder))
    held = is_held_out(CROPS) & digits
    assert part.split == "test"
    assert evaluation.report.n == held.sum()
    expected = (CROPS[held].reshape(held.sum(), -1) / 255 @ weights.T + bias).argmax(axis=1)
    np.testing.assert_array_equal(evaluation.answers, expected)


def test_look_says_what_was_held_out(folder: Path, run_cli: RunCli) -> None:
    code, out, error = run_cli("data", "look", folder, "--json")
    assert code == 0, error
    document = json.loads(out)
    assert any("held out as the test part, by content" in note for note in document["notes"])


def test_pictures_of_another_size_are_not_crops(folder: Path) -> None:
    cv2.imwrite(str(folder / crop_name(1)), np.zeros((28, 28, 3), np.uint8))
    assert any("1 labelled crops cannot" in note for note in load_crops(folder, "x").notes)
