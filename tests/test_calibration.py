"""The calibration set: shares counted by hand, disjoint by content, found again or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers_crops import labelled_crops, noise_crops, write_crops
from numpy.typing import NDArray

from edgedigits.calibration.choose import METHODS, choose
from edgedigits.calibration.make import (
    calibration_set,
    calibration_set_from_folder,
    load_calibration_set,
    save_calibration_set,
)
from edgedigits.calibration.record import CalibrationSet
from edgedigits.calibration.stability import compare_calibrations
from edgedigits.convert.worker import with_full_range
from edgedigits.data.builtin import load_digits
from edgedigits.data.crops import is_held_out
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.errors import DataError, RunError, UsageError
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData, apply_split, choose_split


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_digits()


@pytest.fixture(scope="module")
def data(digits: DataSet) -> RunData:
    return apply_split(digits, choose_split(digits, 0.1, 0))


def _pixels(images: NDArray[np.uint8]) -> set[bytes]:
    return {image.tobytes() for image in images}


@pytest.mark.parametrize("method", METHODS)
def test_chosen_from_the_training_part_only_and_none_twice(data: RunData, method: str) -> None:
    chosen = calibration_set(data, samples=200, method=method)
    assert chosen.indices is not None
    assert len(set(chosen.indices.tolist())) == len(chosen.images) == 200
    np.testing.assert_array_equal(data.dataset.train.images[chosen.indices], chosen.images)
    assert set(chosen.indices.tolist()) <= set(data.train_indices.tolist())
    evaluation = _pixels(data.validation.images) | _pixels(data.test.images)
    assert not _pixels(chosen.images) & evaluation
    assert (chosen.disjoint.shared, chosen.disjoint.removed) == (0, 0)
    assert chosen.disjoint.evaluation_pictures == len(data.validation) + len(data.test)


@pytest.mark.parametrize("samples", [10, 77, 500])
def test_stratified_counts_follow_the_classes(data: RunData, samples: int) -> None:
    chosen = calibration_set(data, samples=samples)
    assert data.train.labels is not None
    shares = np.bincount(data.train.labels) / len(data.train) * samples
    counts = np.array(list(chosen.class_counts.values()))
    assert list(chosen.class_counts) == list("0123456789")
    assert counts.sum() == samples
    assert np.abs(counts - shares).max() < 1  # the largest remainder never errs by a whole one
    assert data.dataset.train.labels is not None
    found = np.bincount(data.dataset.train.labels[chosen.indices], minlength=10)
    np.testing.assert_array_equal(found, counts)


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_means_the_same_pictures(data: RunData, method: str) -> None:
    first, again, other = (
        calibration_set(data, samples=50, method=method, seed=seed) for seed in (3, 3, 4)
    )
    assert first.to_json() == again.to_json()
    assert first.digest != other.digest


def test_the_methods_differ(data: RunData) -> None:
    digests = {calibration_set(data, samples=60, method=method).digest for method in METHODS}
    assert len(digests) == len(METHODS)


def test_diverse_takes_the_farthest_each_time() -> None:
    """Flat grey pictures are points on a line; farthest first is worked out by hand."""
    greys = np.array([0, 10, 90, 100, 255, 200], np.uint8)
    pool = Pictures(np.repeat(greys, 784).reshape(-1, 28, 28), None)
    start = int(np.random.default_rng(0).integers(6))
    chosen, left = [int(greys[start])], sorted({int(g) for g in greys} - {int(greys[start])})
    while len(chosen) < 4:
        farthest = max(left, key=lambda grey: min(abs(grey - taken) for taken in chosen))
        chosen.append(farthest)
        left.remove(farthest)
    found = choose(pool, samples=4, method="diverse", seed=0)
    assert sorted(greys[found].tolist()) == sorted(chosen)


def test_diverse_can_take_everything_even_of_equal_pictures() -> None:
    pool = Pictures(np.zeros((5, 28, 28), np.uint8), None)
    assert choose(pool, samples=5, method="diverse", seed=1).tolist() == [0, 1, 2, 3, 4]


def test_default_is_500_or_half_of_little(data: RunData, digits: DataSet) -> None:
    assert len(calibration_set(data).images) == 500
    small = replace(digits, train=digits.train.take(np.arange(120)))
    little = apply_split(small, choose_split(small, 0.1, 0))
    assert len(calibration_set(little).images) == len(little.train) // 2


def test_an_evaluation_picture_among_the_training_ones_is_left_out(digits: DataSet) -> None:
    assert digits.test is not None
    assert digits.train.labels is not None
    images = digits.train.images.copy()
    images[[5, 6, 7]] = digits.test.images[[0, 1, 0]]
    planted = replace(digits, train=Pictures(images, digits.train.labels))
    data = apply_split(planted, choose_split(planted, 0.1, 0))
    in_train = len({5, 6, 7} & set(data.train_indices.tolist()))
    assert in_train >= 2  # or the case is not the one that is meant
    chosen = calibration_set(data, samples=len(data.train) - in_train, method="random")
    assert chosen.disjoint.removed == in_train
    assert chosen.disjoint.shared == 0
    assert chosen.indices is not None
    assert not {5, 6, 7} & set(chosen.indices.tolist())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "best"}, "--method best: unknown; choose one of stratified, random, diverse"),
        ({"samples": 0}, "--samples 0: must be from 1 to "),
        ({"samples": -3}, "--samples -3: must be from 1 to "),
        ({"samples": 10**6}, "--samples 1000000: must be from 1 to "),
        ({"seed": -1}, "--seed -1: must be 0 or more"),
    ],
)
def test_options_that_do_not_fit(data: RunData, options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        calibration_set(data, **options)  # type: ignore[arg-type]


def _folder(folder: Path, images: NDArray[np.uint8], classes: list[str] | None = None) -> Path:
    for i, image in enumerate(images):
        below = folder if classes is None else folder / classes[i % len(classes)]
        below.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(below / f"{i}.png"), image)
    return folder


def _crops(n: int) -> NDArray[np.uint8]:
    crops = np.zeros((n, 28, 28), np.uint8)
    crops[:, 4:24, 10:18] = np.random.default_rng(8).integers(1, 256, (n, 20, 8))
    return crops


def test_from_a_flat_folder(data: RunData, tmp_path: Path) -> None:
    chosen = calibration_set_from_folder(data, _folder(tmp_path / "crops", _crops(7)))
    assert (chosen.indices, chosen.class_counts, chosen.method) == (None, {}, "folder")
    assert _pixels(chosen.images) == _pixels(_crops(7))


def test_from_a_folder_by_class(data: RunData, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "crops", _crops(7), ["b", "a"])
    assert calibration_set_from_folder(data, folder).class_counts == {"a": 3, "b": 4}


def test_evaluation_pictures_of_a_folder_are_left_out(data: RunData, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "x", np.concatenate([_crops(3), data.test.images[:2]]))
    chosen = calibration_set_from_folder(data, folder)
    assert (len(chosen.images), chosen.disjoint.removed, chosen.disjoint.shared) == (3, 2, 0)
    leaky = _folder(tmp_path / "leaky", data.validation.images[:2])
    with pytest.raises(DataError, match="every picture in it is also an evaluation picture"):
        calibration_set_from_folder(data, leaky)


def test_folders_that_hold_nothing_of_use(data: RunData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--from .*missing: no such folder"):
        calibration_set_from_folder(data, tmp_path / "missing")
    (tmp_path / "text.txt").write_text("no picture")
    with pytest.raises(DataError, match="holds no pictures"):
        calibration_set_from_folder(data, tmp_path)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG and no more")
    with pytest.raises(DataError, match=r"broken\.png"):
        calibration_set_from_folder(data, tmp_path)


@pytest.fixture
def recorded(data: RunData, tmp_path: Path) -> tuple[RunFolder, CalibrationSet]:
    run, chosen = RunFolder(tmp_path), calibration_set(data, samples=30)
    save_calibration_set(run, chosen)
    return run, chosen


def test_the_record_leads_back_to_the_pictures(
    data: RunData, recorded: tuple[RunFolder, CalibrationSet]
) -> None:
    run, chosen = recorded
    found = load_calibration_set(run, data)
    np.testing.assert_array_equal(found.images, chosen.images)
    assert found.to_json() == chosen.to_json()
    document = json.loads(run.calibration_file.read_text())
    assert document["schema_version"] == 1
    assert document["samples"] == len(document["indices"]) == 30
    assert document["disjoint"]["shared"] == 0


def test_changed_pictures_are_noticed_by_the_digest(
    data: RunData, recorded: tuple[RunFolder, CalibrationSet]
) -> None:
    run, chosen = recorded
    assert chosen.indices is not None
    images = data.dataset.train.images.copy()
    images[chosen.indices[11], 0, 0] ^= 1
    dataset = replace(data.dataset, train=Pictures(images, data.dataset.train.labels))
    with pytest.raises(RunError, match=r"have changed since .*run 'edgedigits calibrate' again"):
        load_calibration_set(run, replace(data, dataset=dataset))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("indices", [10**9]),
        ("indices", ["a"]),
        ("indices", {"a": 1}),
        ("indices", [0.5, 1]),
        ("digest", "0" * 64),
        ("class_counts", 5),
        ("disjoint", {"odd": 1}),
        ("disjoint", None),
        ("schema_version", 9),
    ],
)
def test_a_damaged_record(
    data: RunData, recorded: tuple[RunFolder, CalibrationSet], field: str, value: object
) -> None:
    run, _ = recorded
    document = json.loads(run.calibration_file.read_text())
    run.calibration_file.write_text(json.dumps({**document, field: value}))
    with pytest.raises(RunError, match=r"calibration\.json: "):
        load_calibration_set(run, data)


def test_pictures_of_a_folder_are_kept_with_the_run(data: RunData, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "crops", _crops(9))
    run = RunFolder(tmp_path / "run")
    chosen = calibration_set_from_folder(data, folder)
    save_calibration_set(run, chosen)
    for picture in folder.iterdir():
        picture.unlink()
    np.testing.assert_array_equal(load_calibration_set(run, data).images, chosen.images)
    kept = run.calibration_file.with_suffix(".npz")
    whole = kept.read_bytes()
    for damage in (whole[:-9], b"", whole[:60] + b"\0" * 40 + whole[100:], b"no archive"):
        kept.write_bytes(damage)
        with pytest.raises(RunError, match=r"calibration\.npz: missing or damaged"):
            load_calibration_set(run, data)
    kept.unlink()
    with pytest.raises(RunError, match=r"calibration\.npz: missing or damaged"):
        load_calibration_set(run, data)


def test_stability_figures_by_hand() -> None:
    first = {"in": (0.5, -128), "conv": (0.10, -128), "out": (0.20, 3)}
    second = {"in": (0.5, -128), "conv": (0.11, -128), "out": (0.20, 4)}
    answers = np.array([1, 2, 3, 4]), np.array([1, 2, 0, 0])
    result = compare_calibrations(
        (first, second), answers, np.array([1, 0, 3, 0]), (500, 500), (0, 1)
    )
    assert [shift.tensor for shift in result.shifts] == ["conv", "out"]  # "in" did not move
    assert result.shifts[0].change == pytest.approx(0.1)
    assert result.shifts[1].zero_points == (3, 4)
    assert result.tensors == 3
    assert result.largest_change == pytest.approx(0.1)
    assert result.mean_change == pytest.approx(0.1 / 3)
    assert (result.pictures, result.changed_answers) == (4, 0.5)
    assert result.accuracies == (0.5, 0.5)
    with pytest.raises(ValueError, match="not have the same activation tensors"):
        compare_calibrations((first, {}), answers, answers[0], (1, 1), (0, 1))


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 200), (3, 255), (7, 90), (5, 5)])
def test_the_whole_range_of_a_byte_is_seen(low: int, high: int) -> None:
    images = np.full((2, 28, 28), low, np.uint8)
    images[1, 3, 3] = high
    before = images.copy()
    full = with_full_range(images)
    assert (full.min(), full.max()) == (0, 255)
    assert (full != before).sum() <= 2
    np.testing.assert_array_equal(images, before)


def test_from_a_folder_of_unsure_crops(data: RunData, tmp_path: Path) -> None:
    """The 28×28 crops alone, not what is around them; nothing that is held out or evaluated."""
    crops = np.concatenate([noise_crops(30), data.test.images[:2]])
    held = is_held_out(crops)
    folder = write_crops(tmp_path / "unsure", crops)
    chosen = calibration_set_from_folder(data, folder)
    assert _pixels(chosen.images) == _pixels(crops[:30][~held[:30]])
    assert (chosen.method, chosen.class_counts) == ("crops", {})
    evaluation = len(data.test) + len(data.validation) + held.sum()
    assert chosen.disjoint.evaluation_pictures == evaluation
    assert chosen.disjoint.removed == 32 - len(chosen.images)
    assert chosen.disjoint.shared == 0

    labelled_crops(tmp_path / "some", crops, [7] * 32)
    chosen = calibration_set_from_folder(data, tmp_path / "some")
    assert chosen.class_counts == {"7": len(chosen.images)}
    run = RunFolder(tmp_path / "run")
    save_calibration_set(run, chosen)
    assert load_calibration_set(run, data).digest == chosen.digest
    for path in folder.glob("*-crop.png"):
        path.unlink()
    with pytest.raises(DataError, match="holds no crops"):
        calibration_set_from_folder(data, folder)
