"""An old run beside a new one: figures by a second computation, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_crops import labelled_crops
from helpers_models import dense_file, nearest_mean, write
from numpy.typing import NDArray
from scipy.stats import binomtest  # type: ignore[import-untyped]

from edgedigits.compare import compare
from edgedigits.data.builtin import load_digits
from edgedigits.data.crops import is_held_out
from edgedigits.data.dataset import Pictures
from edgedigits.errors import DataError, QualityError, UsageError
from edgedigits.gate import check_improvement
from edgedigits.improvement import Improvement, measure_improvement
from edgedigits.run import RunFolder, open_run
from edgedigits.run_crops import RunCrops
from edgedigits.run_data import choose_split, data_record

DIGITS = load_digits()
assert DIGITS.test is not None
TEST = DIGITS.test
Model = tuple[NDArray[np.float32], NDArray[np.float32]]
NEVER_3 = np.array([0, 0, 0, -1e4, 0, 0, 0, 0, 0, 0], np.float32)
RARER_3 = NEVER_3 * np.float32(1.5e-4)  # a little less often


def make_run(path: Path, model: Model) -> RunFolder:
    """A run on the embedded digits with one linear file, and no Keras model worth the name."""
    run = RunFolder(path)
    run.update_manifest(data=data_record(DIGITS, "digits", None))
    choose_split(DIGITS, 0.1, 0).save(run)
    run.model_file().write_bytes(b"not opened here")
    write(run.export_file("float32"), dense_file(*model))
    return open_run(path)


def model_of(bias: NDArray[np.float32] | None = None) -> Model:
    assert DIGITS.train.labels is not None
    weights, plain = nearest_mean(DIGITS.train.images, DIGITS.train.labels, 10)
    return weights, plain if bias is None else plain + bias


def crops() -> Pictures:
    """Training digits, shifted a little."""
    pictures = DIGITS.train.take(np.arange(120))
    return Pictures(np.roll(pictures.images, 2, axis=2), pictures.labels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    some = crops()
    assert some.labels is not None
    return labelled_crops(tmp_path / "unsure", some.images, some.labels.tolist())


def measured(old: RunFolder, new: RunFolder, folder: Path) -> Improvement:
    return measure_improvement([old, new], compare([old, new], latency=False), folder)


def answers(model: Model, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    x = images.reshape(len(images), -1).astype(np.float32) / 255
    return np.asarray((x @ model[0].T + model[1]).argmax(axis=1), np.int64)


def test_figures_by_a_second_computation(tmp_path: Path, folder: Path) -> None:
    models = model_of(), model_of(NEVER_3)
    old, new = (make_run(tmp_path / name, m) for name, m in zip("ab", models, strict=True))
    found = measured(old, new, folder)
    assert (found.old, found.new) == (old.path, new.path)
    some = crops()
    held = is_held_out(some.images)
    assert some.labels is not None
    for (row,), images, truth in (
        (found.before, TEST.images, TEST.labels),
        (found.unseen, some.images[held], some.labels[held]),
    ):
        right = [answers(model, images) == truth for model in models]
        lost, gained = (right[0] & ~right[1]).sum(), (~right[0] & right[1]).sum()
        assert row.n == len(images)
        assert row.old_accuracy == pytest.approx(right[0].mean())
        assert row.new_accuracy == pytest.approx(right[1].mean())
        assert row.gain == pytest.approx(100 * (right[1].mean() - right[0].mean()))
        assert row.gain_low <= row.gain <= row.gain_high
        assert (row.lost, row.gained) == (lost, gained)
        expected = binomtest(int(lost), int(lost + gained)).pvalue if lost + gained else 1.0
        assert row.mcnemar_p == pytest.approx(expected)
        for low, share, high in (
            (row.old_low, row.old_accuracy, row.old_high),
            (row.new_low, row.new_accuracy, row.new_high),
        ):
            assert low <= share <= high
    assert found.before[0].worse


def test_what_passes_and_what_does_not(tmp_path: Path, folder: Path) -> None:
    old = make_run(tmp_path / "old", model_of())
    worse = measured(old, make_run(tmp_path / "worse", model_of(NEVER_3)), folder)
    lost = -worse.before[0].gain
    assert lost > 2
    with pytest.raises(QualityError, match=r"worse than .*old on the test part of digits: float32"):
        check_improvement(worse)
    check_improvement(worse, lost + 0.01)
    with pytest.raises(QualityError, match="--allow-worse takes it nevertheless"):
        check_improvement(worse, lost - 0.01)
    better = measured(make_run(tmp_path / "bad", model_of(NEVER_3)), old, folder)
    check_improvement(better)
    check_improvement(better, 0)
    same = measured(old, make_run(tmp_path / "same", model_of()), folder)
    check_improvement(same, 0)
    with pytest.raises(UsageError, match="--max-drop -1"):
        check_improvement(same, -1)


def test_a_loss_that_chance_makes_is_no_reason(tmp_path: Path, folder: Path) -> None:
    old = make_run(tmp_path / "old", model_of())
    slight = measured(old, make_run(tmp_path / "slight", model_of(RARER_3)), folder)
    row = slight.before[0]
    assert row.gain < 0
    assert row.mcnemar_p > 0.05
    check_improvement(slight)
    with pytest.raises(QualityError):
        check_improvement(slight, 0)


def test_crops_that_a_run_learnt_do_not_judge_it(tmp_path: Path, folder: Path) -> None:
    old, new = (make_run(tmp_path / name, model_of()) for name in "ab")
    some = crops()
    held = some.take(np.flatnonzero(is_held_out(some.images)))
    known = RunCrops(held.take(np.arange(3)), held.take(np.arange(3, 5)), "elsewhere")
    known.save(new)
    new.update_manifest(crops=known.record())
    found = measured(old, new, folder)
    assert found.unseen[0].n == len(held) - 5
    assert any("5 held-out crops were left out" in note for note in found.notes)
    everything = RunCrops(held, held, "elsewhere")
    everything.save(new)
    new.update_manifest(crops=everything.record())
    with pytest.raises(DataError, match="learnt every crop that is held out"):
        measured(old, new, folder)


def test_runs_without_a_common_variant(tmp_path: Path, folder: Path) -> None:
    old, new = (make_run(tmp_path / name, model_of()) for name in "ab")
    new.export_file("float32").rename(new.export_file("float16"))
    with pytest.raises(UsageError, match=r"no variant that .* has too; there is float16 and"):
        measured(old, new, folder)


def test_on_the_command_line(tmp_path: Path, folder: Path, run_cli: RunCli) -> None:
    old = make_run(tmp_path / "old", model_of()).path
    new = make_run(tmp_path / "new", model_of(NEVER_3)).path
    common = ["--crops", folder, "--scenes", 0]
    code, out, error = run_cli("compare", old, new, *common, "--json")
    assert code == 1
    assert error.splitlines()[-1].startswith(f"edgedigits: {new}: worse than {old} on the test")
    document = json.loads(out)
    assert document["improvement"]["before"][0]["worse"] is True
    assert len(document["rows"]) == 2
    stored = json.loads((new / "report" / "comparison.json").read_text())
    assert stored["improvement"] == document["improvement"]
    page = (new / "report" / "report.html").read_text()
    assert "<h2>Old and new</h2>" in page
    assert "unsure (held-out crops)" in page
    code, out, error = run_cli("compare", old, new, *common, "--allow-worse")
    assert code == 0, error
    assert "unsure (held-out crops)" in out
    for arguments, expected, words in (
        (["compare", old, "--crops", folder], 2, "name two runs, not 1"),
        (["compare", old, new, "--crops", tmp_path], 2, "is no folder of crops"),
        (["compare", old, new, "--allow-worse"], 2, "--allow-worse goes with --crops"),
    ):
        code, out, error = run_cli(*arguments)
        assert (code, out) == (expected, "")
        assert words in error
