"""Variants held against each other: figures from scikit-learn and SciPy, kept answers, limits."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from helpers_models import dense_file, nearest_mean, plain_loop, write
from scipy.stats import binomtest  # type: ignore[import-untyped]

import edgedigits.compare
from edgedigits.compare import Comparison, compare
from edgedigits.data.builtin import load_digits
from edgedigits.errors import ModelFileError, QualityError, UsageError
from edgedigits.gate import check_drop, gate_exports
from edgedigits.report.documents import comparison_json
from edgedigits.run import RunFolder, open_run

ORDER = [
    "float32", "float16", "dynamic", "int8", "int16x8", "int4", "qat-int8", "edgetpu-int8",
    "pruned-float32", "pruned-int8", "pruned-int16x8", "pruned-edgetpu-int8",
]  # fmt: skip


@pytest.fixture
def run(exported_run: Path, tmp_path: Path) -> RunFolder:
    return open_run(Path(shutil.copytree(exported_run, tmp_path / "mine")))


@pytest.fixture(scope="module")
def whole(exported_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    run = Path(shutil.copytree(exported_run, tmp_path_factory.mktemp("compare") / "whole"))
    return compare([open_run(run)])


def _ours(comparison: Comparison, variant: str) -> edgedigits.compare.ComparisonRow:
    return next(row for row in comparison.rows if row.variant == variant)


def test_every_variant_in_the_order_of_the_recipes(whole: Comparison) -> None:
    assert [row.variant for row in whole.rows] == ORDER
    assert {row.n for row in whole.rows} == {360}


@pytest.mark.parametrize("variant", ["int8", "int4", "dynamic"])
def test_pairs_against_a_plain_loop_and_scipy(whole: Comparison, variant: str) -> None:
    test = load_digits().test
    assert test is not None
    row = _ours(whole, variant)
    answers = plain_loop(row.file, test.images)
    reference = plain_loop(_ours(whole, "float32").file, test.images)
    right, before = answers == test.labels, reference == test.labels
    lost, gained = int((before & ~right).sum()), int((~before & right).sum())
    assert row.accuracy == right.mean()
    assert row.drop == pytest.approx(100 * (before.mean() - right.mean()), abs=1e-9)
    expected = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert row.mcnemar_p == pytest.approx(expected)
    assert row.agreement == (answers == reference).mean()
    assert row.accuracy_low < row.accuracy < row.accuracy_high


def test_the_reference_loses_nothing_against_itself(whole: Comparison) -> None:
    for variant in ("float32", "pruned-float32"):  # here a copy of the same model
        row = _ours(whole, variant)
        assert (row.drop, row.mcnemar_p, row.agreement, row.confidence_drift) == (0, 1, 1, 0)


def test_the_pareto_line_by_pairs(whole: Comparison) -> None:
    for row in whole.rows:
        beaten = any(
            (other.bytes <= row.bytes and other.accuracy > row.accuracy)
            or (other.bytes < row.bytes and other.accuracy >= row.accuracy)
            for other in whole.rows
        )
        assert row.pareto != beaten
    assert any(row.pareto for row in whole.rows)


def test_latency_is_measured(whole: Comparison) -> None:
    assert all(0 < row.latency_us_p50 <= row.latency_us_p95 for row in whole.rows)


def test_json_keys_that_stay(whole: Comparison) -> None:
    keys = (
        "variant file bytes gzip_bytes accuracy accuracy_low accuracy_high drop agreement "
        "latency_us_p50 pareto"
    )
    for row in comparison_json(whole)["rows"]:
        assert set(keys.split()) <= set(row)


def test_kept_answers_are_used_and_renewed(run: RunFolder) -> None:
    only = {"float32", "int8"}
    first = compare([run], only=only, latency=False)
    kept = run.evaluations / "int8-test.npz"
    with np.load(kept) as stored:
        document = dict(stored)
    # Other scores under the same key: if they come back, the kept ones were used.
    document["scores"] = document["scores"][:, ::-1]
    np.savez(kept, **document)
    used = compare([run], only=only, latency=False)
    np.testing.assert_array_equal(used.evaluations[1].scores, first.evaluations[1].scores[:, ::-1])
    # Another file under the same name: it must be run.
    shutil.copy(run.export_file("int4"), run.export_file("int8"))
    renewed = compare([run], only=only | {"int4"}, latency=False)
    by_name = {e.variant: e for e in renewed.evaluations}
    np.testing.assert_array_equal(by_name["int8"].scores, by_name["int4"].scores)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_damaged_kept_answers_are_made_again(run: RunFolder, share: float) -> None:
    first = compare([run], only={"int8"}, latency=False)
    kept = run.evaluations / "int8-test.npz"
    whole = kept.read_bytes()
    cut = int(len(whole) * share)
    for damage in (whole[:cut], whole[:cut] + bytes(64) + whole[cut + 64 :], b"text"):
        kept.write_bytes(damage)
        again = compare([run], only={"int8"}, latency=False)
        np.testing.assert_array_equal(again.evaluations[0].scores, first.evaluations[0].scores)


def test_a_slow_recipe_is_held_against_float32_on_the_same_pictures(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edgedigits.compare, "SLOW_PICTURES", 100)
    comparison = compare([run], only={"float32", "int16x8"}, latency=False)
    float32, slow = comparison.rows
    assert (float32.n, slow.n) == (360, 100)
    assert "run on 100 of 360 pictures" in slow.note
    test = load_digits().test
    assert test is not None
    # The 100 pictures, found again by their truth and by what the float model says of them.
    truth, scores = comparison.evaluations[1].truth, comparison.evaluations[0].scores
    from edgedigits.data.split import stratified_sample

    assert test.labels is not None
    chosen = stratified_sample(test.labels, 100, 0)
    np.testing.assert_array_equal(test.labels[chosen], truth)
    ours = plain_loop(slow.file, test.images[chosen])
    theirs = scores[chosen].argmax(axis=1)
    expected = 100 * ((theirs == truth).mean() - (ours == truth).mean())
    assert slow.drop == pytest.approx(expected, abs=1e-9)
    assert slow.agreement == (ours == theirs).mean()


def test_a_foreign_file_and_a_wide_head_among_the_exports(run: RunFolder) -> None:
    train = load_digits().train
    assert train.labels is not None
    write(run.exports / "mine.tflite", dense_file(*nearest_mean(train.images, train.labels, 35)))
    comparison = compare([run], only={"float32", "mine"}, latency=False)
    row = _ours(comparison, "mine")
    test = load_digits().test
    assert test is not None
    assert row.accuracy == (plain_loop(row.file, test.images) == test.labels).mean()
    assert "no edgedigits metadata" in row.note
    assert row.drop is not None
    assert comparison.rows[-1].variant == "mine"  # foreign names come last


def test_a_damaged_export_is_named(run: RunFolder) -> None:
    file = run.export_file("int8")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelFileError, match=r"exports/int8\.tflite: "):
        compare([run], latency=False)


def test_two_runs_each_against_its_own_float32(run: RunFolder, tmp_path: Path) -> None:
    other = open_run(Path(shutil.copytree(run.path, tmp_path / "other")))
    shutil.copy(other.export_file("int4"), other.export_file("float32"))
    only = {"float32", "int4"}
    comparison = compare([run, other], only=only, latency=False)
    assert [(row.run, row.variant) for row in comparison.rows] == [
        ("mine", "float32"), ("mine", "int4"), ("other", "float32"), ("other", "int4"),
    ]  # fmt: skip
    assert comparison.rows[3].agreement == 1
    assert comparison.rows[1].agreement != 1 or comparison.rows[1].confidence_drift != 0


def test_runs_on_different_data_are_refused(
    run: RunFolder, trained_run: Path, tmp_path: Path
) -> None:
    from helpers_data import write_csv

    from edgedigits.data.registry import load_data
    from edgedigits.run_data import choose_split, data_record

    test = load_digits().test
    assert test is not None
    assert test.labels is not None
    csv = write_csv(tmp_path / "other.csv", test.images[:200], test.labels[:200])
    other = open_run(Path(shutil.copytree(run.path, tmp_path / "other")))
    dataset = load_data(str(csv))
    other.update_manifest(data=data_record(dataset, str(csv), None))
    choose_split(dataset, 0.1, 0).save(other)
    with pytest.raises(UsageError, match="its test pictures are not those of the runs before it"):
        compare([run, other], only={"float32"}, latency=False)


def test_validation_is_for_choosing_and_train_is_refused(run: RunFolder) -> None:
    comparison = compare([run], split="validation", only={"int8"}, latency=False)
    assert comparison.rows[0].n == 144  # a tenth of 1,437
    assert comparison_json(comparison)["rows"][0]["latency_us_p50"] is None
    assert comparison.rows[0].drop is None  # there is no float32 beside it
    with pytest.raises(UsageError, match="--split train: must be test or validation"):
        compare([run], split="train")


def test_what_is_missing(run: RunFolder, trained_run: Path) -> None:
    with pytest.raises(UsageError, match="holds no exports; run 'edgedigits export"):
        compare([open_run(trained_run)])
    with pytest.raises(UsageError, match="no variant int9; there is float32, "):
        compare([run], only={"int8", "int9"})
    with pytest.raises(UsageError, match="--threads 0: must be 1 or more"):
        compare([run], threads=0)


def test_max_drop_by_the_measured_drop(whole: Comparison) -> None:
    values = (0.0, 0.25, -0.5, 1.75, None, 2.0, 0.5, 0.3, 0.0, 0.1, 0.2, 0.4)
    drops = dict(zip(ORDER, values, strict=True))
    rows = tuple(replace(row, drop=drops[row.variant]) for row in whole.rows)
    made_up = replace(whole, rows=rows)
    check_drop(made_up, 2.0)  # as much as is allowed is allowed
    with pytest.raises(
        QualityError, match=r"of digits: int8 lost 1\.75, int4 lost 2\.00$"
    ) as caught:
        check_drop(made_up, 1.0)
    assert caught.value.exit_code == 1
    for limit in (-0.5, float("nan")):
        with pytest.raises(UsageError, match="--max-drop"):
            check_drop(made_up, limit)


def test_max_drop_needs_a_float32(run: RunFolder) -> None:
    run.export_file("float32").unlink()
    with pytest.raises(UsageError, match="--max-drop needs a float32 variant"):
        gate_exports(run, {"int8"}, 1.0)


def test_the_gate_looks_at_the_fresh_variants_only(run: RunFolder) -> None:
    """A bad old file does not fail the export of a good one; a bad fresh one does."""
    blind = dense_file(np.zeros((10, 784), np.float32), np.arange(10, dtype=np.float32))
    write(run.export_file("int4"), blind)  # always answers 9
    gate_exports(run, {"float16"}, 0.5)
    with pytest.raises(QualityError, match=r"more than 0.5 points .* validation .*int4 lost [67]"):
        gate_exports(run, {"float16", "int4"}, 0.5)


@pytest.mark.shared
@pytest.mark.slow
def test_the_plain_runtime_agrees_on_mnist_sized_data(run: RunFolder, data_dir: Path) -> None:
    """Ten thousand pictures through batches of 32 and one by one give the same answers."""
    from edgedigits.evaluate import evaluate_file

    file = run.export_file("int8")
    evaluation, part = evaluate_file(file, "mnist", data_dir=data_dir)
    assert evaluation.report.n == 10_000
    interpreter = Interpreter(model_path=os.fspath(file))
    interpreter.allocate_tensors()
    source, target = (
        d[0]["index"] for d in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    answers = []
    for image in part.pictures.images:
        x = (image.astype(np.int16) - 128).astype(np.int8)[None, :, :, None]
        interpreter.set_tensor(source, x)
        interpreter.invoke()
        answers.append(int(interpreter.get_tensor(target)[0].argmax()))
    np.testing.assert_array_equal(evaluation.answers, answers)


def test_files_made_of_what_the_run_no_longer_holds_are_noted(run: RunFolder) -> None:
    def notes() -> dict[str, str]:
        rows = compare([run], latency=False, only={"float32", "int8", "pruned-int8"}).rows
        return {row.variant: row.note for row in rows}

    assert not any("another" in note for note in notes().values())
    record = json.loads(run.calibration_file.read_text())
    run.calibration_file.write_text(json.dumps({**record, "digest": "0" * 64}))
    with run.model_file("pruned").open("ab") as file:
        file.write(b"changed")
    found = notes()
    assert found["float32"] == ""
    assert found["int8"] == (
        "made with another calibration set than the run holds now; export it again"
    )
    assert "made with another pruned.keras than the run holds now" in found["pruned-int8"]
