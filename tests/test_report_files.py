"""A comparison written into a run folder: JSON documents, the page, and the right pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers_report import make_comparison, make_evaluation

from edgedigits.calibration.make import calibration_set, save_calibration_set
from edgedigits.compare import Comparison
from edgedigits.data.registry import load_data
from edgedigits.data.split import stratified_sample
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData, choose_split, data_record, load_run_data

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from edgedigits.report.files import save_comparison


def make_run_folder(path: Path) -> tuple[RunFolder, RunData]:
    path.mkdir()
    run = RunFolder(path)
    dataset = load_data("digits")
    run.update_manifest(data=data_record(dataset, "digits", None), model={"name": "tiny"}, seed=3)
    choose_split(dataset, 0.1, 3).save(run)
    return run, load_run_data(run)


def compare_on(run: RunFolder, data: RunData, *, sample: int | None = None) -> Comparison:
    """A float32 variant on the whole test part, or on a sample of it."""
    part = data.test
    assert part.labels is not None
    if sample is not None:
        part = part.take(stratified_sample(part.labels, sample, 0))
    evaluation = make_evaluation(truth=part.labels, variant="float32", run=str(run.path))
    return make_comparison([replace(evaluation, data_digest=part.digest)])


def test_everything_is_written(tmp_path: Path) -> None:
    run, data = make_run_folder(tmp_path / "a")
    save_calibration_set(run, calibration_set(data, samples=20))
    comparison = compare_on(run, data)
    page = save_comparison(comparison, [run])
    assert page == run.report / "report.html"
    document = json.loads((run.report / "comparison.json").read_text())
    assert document["schema_version"] == 1
    assert document["rows"][0]["variant"] == "float32"
    evaluation = json.loads((run.evaluations / "float32.json").read_text())
    assert evaluation["n"] == len(data.test)
    names = {path.name for path in run.report.glob("*.png")}
    assert {"a-calibration.png", "float32-examples.png", "float32-mistakes.png"} <= names


def test_a_sampled_variant_shows_its_own_pictures(tmp_path: Path) -> None:
    run, data = make_run_folder(tmp_path / "a")
    other = tmp_path / "elsewhere"
    save_comparison(compare_on(run, data, sample=50), [run], other)
    assert (other / "float32-examples.png").is_file()
    assert not run.report.exists()


def test_other_pictures_are_never_shown_for_those_evaluated(tmp_path: Path) -> None:
    run, data = make_run_folder(tmp_path / "a")
    comparison = compare_on(run, data)
    strange = replace(comparison.evaluations[0], data_digest="0" * 64)
    save_comparison(replace(comparison, evaluations=(strange,)), [run])
    assert not (run.report / "float32-examples.png").exists()
    assert (run.report / "float32-confusion.png").is_file()


def test_the_validation_part_does_not_replace_the_test_result(tmp_path: Path) -> None:
    run, data = make_run_folder(tmp_path / "a")
    save_comparison(compare_on(run, data), [run])
    kept = (run.evaluations / "float32.json").read_bytes()
    labels = data.validation.labels
    assert labels is not None
    evaluation = make_evaluation(truth=labels, variant="float32", run=str(run.path))
    evaluation = replace(evaluation, split="validation", data_digest=data.validation.digest)
    comparison = replace(make_comparison([evaluation]), split="validation")
    save_comparison(comparison, [run])
    assert (run.evaluations / "float32.json").read_bytes() == kept
    validation = json.loads((run.evaluations / "float32-validation.json").read_text())
    assert validation["split"] == "validation"
    assert np.sum(validation["confusion"]) == len(labels)
