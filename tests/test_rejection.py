"""Thresholds for "not a digit": fitted by hand-made scores, stored in files, reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli

from edgedigits.camera_check import check_camera, check_scenes, found_scenes, score_reading
from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data
from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import Metadata, Rejection, read_metadata
from edgedigits.device.opening import open_recogniser
from edgedigits.rejection import (
    both_kinds,
    fit_rejection,
    judge_rejection,
    knows_digits,
    sureness,
)
from edgedigits.scoring import Score, total
from edgedigits.zoo import reader_file


def test_the_threshold_is_the_highest_that_keeps_the_share() -> None:
    digits = np.linspace(0.01, 1.0, 100, dtype=np.float32)  # 0.01, 0.02, … 1.00
    others = np.array([0.0, 0.05, 0.5, 0.95], np.float32)
    fitted = fit_rejection(digits, others, kept=0.9)
    assert fitted.threshold == pytest.approx(0.11)
    assert fitted.coverage == pytest.approx(0.9)
    assert fitted.false_accepts == 0.5
    assert (fitted.digits, fitted.others) == (100, 4)
    everything = fit_rejection(digits, others, kept=1.0)
    assert everything.threshold == pytest.approx(0.01)
    assert everything.coverage == 1.0
    judged = judge_rejection(digits, others, 0.96)
    assert judged.coverage == pytest.approx(0.05)
    assert judged.false_accepts == 0.0


def test_how_sure_a_file_is_counts_digits_only() -> None:
    scores = np.zeros((2, 11), np.float32)
    scores[0, 3], scores[0, 10] = 0.2, 0.8
    scores[1, 9] = 0.7
    np.testing.assert_allclose(sureness(scores), [0.2, 0.7])


def test_others_are_a_class_of_their_own_or_drawn() -> None:
    train = load_data("digits").train
    assert train.labels is not None
    drawn = both_kinds(train, seed=0, most=40)
    assert drawn.digits.shape == drawn.others.shape == (40, 28, 28)
    labels = train.labels.copy()
    labels[:25] = 10
    own = both_kinds(Pictures(train.images, labels), seed=0, most=40)
    assert len(own.others) == 25
    known = {image.tobytes() for image in train.images[:25]}
    assert {image.tobytes() for image in own.others} == known
    assert knows_digits((*"0123456789", "not a digit"))
    assert not knows_digits(("T-shirt", "trouser"))


def test_the_same_pictures_are_drawn_once() -> None:
    train = load_data("digits").train
    first = both_kinds(train, seed=3, most=30)
    assert both_kinds(train, seed=3, most=30) is first
    other = both_kinds(train, seed=4, most=30)
    assert not np.array_equal(other.others, first.others)
    np.testing.assert_array_equal(both_kinds(train, seed=3, most=30).others, first.others)


def test_an_export_brings_its_threshold_and_evaluate_reports_it(
    exported_run: Path, run_cli: RunCli
) -> None:
    file = exported_run / "exports" / "int8.tflite"
    metadata = read_metadata(file.read_bytes())
    assert metadata is not None
    assert metadata.rejection is not None
    assert metadata.rejection.coverage >= 0.985
    code, out, error = run_cli("evaluate", file, "--data", "digits", "--json")
    assert code == 0, error
    rejection = json.loads(out)["rejection"]
    assert rejection["threshold"] == metadata.rejection.threshold
    # Counted again, by the bare scores.
    test = load_data("digits").test
    assert test is not None
    kept = Classifier(file).scores(test.images)[:, :10].max(axis=1) >= rejection["threshold"]
    assert rejection["coverage"] == pytest.approx(kept.mean(), abs=1e-9)
    code, out, error = run_cli("evaluate", file, "--data", "digits")
    assert "not a digit below a score of" in out


def test_damaged_rejection_is_no_metadata(exported_run: Path) -> None:
    metadata = read_metadata((exported_run / "exports" / "int8.tflite").read_bytes())
    assert metadata is not None
    document = metadata.to_json()
    assert Metadata.from_json(document) == metadata
    document["rejection"]["threshold"] = 1.5
    with pytest.raises(ValueError, match="rejection"):
        Metadata.from_json(document)
    del document["rejection"]
    assert Metadata.from_json(document).rejection is None
    assert Rejection(0.5, 1.0, 0.0, 1, 1) != metadata.rejection


def test_the_camera_check_counts_what_the_recogniser_reads() -> None:
    digits = load_data("digits").test
    assert digits is not None
    recogniser = open_recogniser(reader_file())
    once = check_camera(recogniser.classifier, found_scenes(digits, 4))
    again = total(
        score_reading(scene, recogniser.read(scene.image)) for scene in check_scenes(digits, 4)
    )
    assert once == again
    assert once.frames == 4
    assert once.right + once.wrong + once.missed > 0
    empty = total(
        score_reading(scene, recogniser.read(scene.image))
        for scene in check_scenes(digits, 2, "empty")
    )
    assert isinstance(empty, Score)
    assert (empty.right, empty.missed) == (0, 0)
