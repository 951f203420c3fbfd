"""Whole reproductions on a fraction of the data, interrupted and taken up again."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import RunCli
from helpers_training import small_npz

from edgedigits.reproduce.one_run import export_missing, finish_run
from edgedigits.reproduce.shrinking import shrink
from edgedigits.run import RunFolder
from edgedigits.train import TrainSettings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]


def _answers(file: Path, images: np.ndarray) -> list[int]:
    """What an int8 file answers, by the bare runtime, one picture at a time."""
    interpreter = Interpreter(model_path=os.fspath(file))
    interpreter.allocate_tensors()
    source, target = (
        d[0]["index"] for d in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    answers = []
    for image in images:
        interpreter.set_tensor(
            source, (image.astype(np.int16) - 128).astype(np.int8)[None, ..., None]
        )
        interpreter.invoke()
        answers.append(int(interpreter.get_tensor(target)[0].argmax()))
    return answers


@pytest.mark.shared
@pytest.mark.timeout(600)
def test_quick_says_so_everywhere_and_its_figures_are_those_of_its_files(
    tmp_path: Path, run_cli: RunCli, data_dir: Path
) -> None:
    code, out, error = run_cli(
        "reproduce", "R4", "--quick", "--data-dir", data_dir, cwd=tmp_path, timeout=500
    )
    assert code == 0, error
    assert out.startswith("QUICK R4 mnist-dense on mnist")
    assert "the figures mean nothing" in out
    runs = tmp_path / "runs" / "reproduce"
    assert not (tmp_path / "benchmarks").exists()
    document = json.loads((runs / "results" / "quick-mnist-dense.json").read_text())
    assert document["quick"] is True
    assert "figures mean nothing" in document["note"]
    (seed,) = document["settings"][0]["seeds"]
    run = runs / "quick-mnist-dense-ours-seed0"
    assert "quick-2000-mnist.npz" in (run / "report" / "report.html").read_text()

    with np.load(runs / "quick-2000-mnist.npz") as stored:
        images, labels = stored["x_test"], stored["y_test"]
        assert len(stored["x_train"]) == 2000
    right = np.array(_answers(run / "exports" / "int8.tflite", images)) == labels
    rows = {row["variant"]: row for row in seed["variants"]}
    assert rows["int8"]["accuracy"] == pytest.approx(right.mean(), abs=1e-12)
    assert set(rows) == {"float32", "float16", "dynamic", "int8", "int4", "qat-int8"}
    for setting in document["settings"]:
        for picture in setting["pictures"].values():
            assert (runs / "results" / picture["file"]).stat().st_size > 5_000

    # Again: nothing is trained or exported a second time.
    before = (run / "model.keras").stat().st_mtime_ns, rows["int8"]["bytes"]
    code, out, error = run_cli(
        "reproduce", "mnist-dense", "--quick", "--json", "--data-dir", data_dir, cwd=tmp_path
    )
    assert code == 0, error
    assert "trained already" in error
    assert "exporting" not in error
    (again,) = json.loads(out)["systems"]
    row = next(r for r in again["settings"][0]["seeds"][0]["variants"] if r["variant"] == "int8")
    assert ((run / "model.keras").stat().st_mtime_ns, row["bytes"]) == before


def _start(folder: Path, data_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgedigits.cli.main", "reproduce", *arguments]
    return subprocess.Popen(
        [*command, "--data-dir", str(data_dir)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A background job is started with Ctrl-C ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.shared
@pytest.mark.timeout(600)
@pytest.mark.parametrize("after", ["model.keras", "exports/float32.tflite"])
def test_an_interrupted_reproduction_goes_on(after: str, tmp_path: Path, data_dir: Path) -> None:
    run = tmp_path / "runs" / "reproduce" / "quick-mnist-dense-ours-seed0"
    process = _start(tmp_path, data_dir, "mnist-dense", "--quick")
    deadline = time.monotonic() + 200
    while not (run / after).exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert not list(run.rglob(".*"))

    process = _start(tmp_path, data_dir, "mnist-dense", "--quick")
    out, error = process.communicate(timeout=400)
    assert process.returncode == 0, error
    assert out.startswith("QUICK R4")
    assert ("trained already" in error) or ("resuming" in error)


@pytest.mark.shared
@pytest.mark.timeout(900)
def test_the_csv_system_explores_and_predicts(
    tmp_path: Path, run_cli: RunCli, data_dir: Path
) -> None:
    code, out, error = run_cli(
        "reproduce", "alexnet-digits", "--quick", "--data-dir", data_dir, "--json", cwd=tmp_path,
        timeout=800,
    )  # fmt: skip
    assert code == 0, error
    (document,) = json.loads(out)["systems"]
    parts = {part["file"]: part for part in document["exploration"]["parts"]}
    assert {name: part["shape"] for name, part in parts.items()} == {
        "train.csv": [200, 28, 28],
        "test.csv": [60, 28, 28],
        "test-unlabelled.csv": [60, 28, 28],
    }
    assert parts["test-unlabelled.csv"]["class_counts"] is None
    runs = tmp_path / "runs" / "reproduce"
    folder, run = runs / "quick-200-mnist-csv", runs / "quick-alexnet-digits-ours-seed0"
    with (folder / "test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    counts = [sum(row["label"] == str(label) for row in rows) for label in range(10)]
    assert parts["test.csv"]["class_counts"] == counts
    images = np.array([[int(row[f"pixel{i}"]) for i in range(784)] for row in rows], np.uint8)
    answers = _answers(run / "exports" / "int8.tflite", images.reshape(-1, 28, 28))
    with (run / "predictions.csv").open(newline="") as file:
        predictions = list(csv.reader(file))
    assert predictions[0] == ["ImageId", "Label"]
    assert predictions[1:] == [[str(i), str(a)] for i, a in enumerate(answers, start=1)]
    (seed,) = document["settings"][0]["seeds"]
    assert {row["variant"] for row in seed["variants"]} == {"float32", "int8"}
    assert (document["parameters"], document["shrinking"]) == (82_280_170, None)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("shrink")
    data = str(small_npz(folder / "small.npz", train=600, test=200))
    return finish_run(TrainSettings("tiny-cnn", data, epochs=6), folder / "run")


def test_shrinking_prunes_the_step_before_and_judges_by_the_large_file(small_run: Any) -> None:
    result = shrink(small_run.run, (0.5, 0.5), epochs=2)
    files = {(file.step, file.variant): file for file in result.files}
    assert set(files) == {(s, f"channels-{r}") for s in (1, 2) for r in ("int8", "int4")}
    # tiny-cnn: 16 and 32 filters, 64 units; halved twice: 4, 8, 16.
    first, second = files[1, "channels-int8"], files[2, "channels-int8"]
    assert first.parameters == 9 * 8 + 8 + 72 * 16 + 16 + 784 * 32 + 32 + 320 + 10
    assert second.parameters == 9 * 4 + 4 + 36 * 8 + 8 + 392 * 16 + 16 + 160 + 10
    assert second.bytes < first.bytes < result.int8_bytes < result.float32_bytes
    good = [file for file in result.files if file.validation_drop < result.max_drop + 1e-6]
    assert result.chosen == (min(good, key=lambda file: file.bytes) if good else None)
    both = [file for file in good if file.test.drop < result.max_drop + 1e-6]
    assert result.confirmed == (min(both, key=lambda file: file.bytes) if both else None)
    large = small_run.float32
    for step in (1, 2):
        run = RunFolder(small_run.run.path.with_name(f"run-shrunk{step}"))
        file = files[step, "channels-int8"]
        images, truth = small_run.images, large.truth
        right = np.array(_answers(run.export_file("channels-int8"), images)) == truth
        assert file.test_accuracy == pytest.approx(right.mean(), abs=1e-12)
        drop = 100 * (large.report.accuracy - right.mean())
        assert file.test.drop == pytest.approx(drop, abs=1e-9)


def test_a_refused_variant_is_remembered_for_this_model_only(small_run: Any) -> None:
    from edgedigits.convert.recipes import RECIPES, Variant
    from edgedigits.files import file_digest

    run: RunFolder = small_run.run
    variant = Variant("model", RECIPES["int16x8"])
    digest = file_digest(run.model_file())
    entry = {"model": digest, "message": "int16x8: not for this model"}
    run.update_manifest(refused={"int16x8": entry})
    refused = export_missing(run, [variant], None, small_run_progress())
    assert refused == {"int16x8": "int16x8: not for this model"}
    assert not run.export_file("int16x8").exists()
    run.update_manifest(refused={"int16x8": {**entry, "model": "another"}})
    assert export_missing(run, [variant], None, small_run_progress()) == {}
    assert run.export_file("int16x8").exists()


def small_run_progress() -> Any:
    from edgedigits.progress import SILENT

    return SILENT
