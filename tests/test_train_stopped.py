"""Training that is stopped, killed or resumed, and what is left of it each time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_training import random_weights, small_npz

from edgedigits.errors import RunError, UsageError
from edgedigits.keras_files import load_keras
from edgedigits.models.build import build
from edgedigits.models.registry import get_model
from edgedigits.new_run import create_run
from edgedigits.run import RunFolder, open_run
from edgedigits.run_data import load_run_data
from edgedigits.train import (
    EpochResult,
    TrainResult,
    TrainSettings,
    best_epoch,
    load_history,
    measure,
    resume,
    state,
    train,
    training,
)
from edgedigits.train.epochs import Keep
from edgedigits.train.result import finish

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_npz(tmp_path_factory.mktemp("data") / "small.npz")


@pytest.fixture(scope="module")
def settings(npz: Path) -> TrainSettings:
    return TrainSettings("tiny-cnn", str(npz), epochs=3, seed=1, augment=True)


@pytest.fixture(scope="module")
def trained(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train(settings, tmp_path_factory.mktemp("runs") / "run")


def test_resume_is_refused_where_it_makes_no_sense(
    trained: TrainResult, settings: TrainSettings, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="its training is complete"):
        resume(settings, trained.run.path)
    with pytest.raises(UsageError, match=r"--epochs is 9, but .* was begun with 3"):
        resume(replace(settings, epochs=9), trained.run.path)
    with pytest.raises(UsageError, match="the model is mnist-cnn, but"):
        resume(replace(settings, model="mnist-cnn"), trained.run.path)
    with pytest.raises(UsageError, match="no such run folder"):
        resume(settings, tmp_path / "none")


class _CrashError(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.mark.parametrize(
    ("lost", "epochs"),
    [
        ("history", 3),
        ("checkpoint", 3),
        ("model", 3),
        ("results", 3),
        ("history", 2),
        ("last checkpoint", 2),
        ("last model", 2),
    ],
)
def test_a_crash_between_any_two_files_leaves_a_consistent_run(
    lost: str,
    epochs: int,
    npz: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Crash in epoch 2 just before one of the files is replaced, and go on from there."""
    settings = TrainSettings("tiny-cnn", str(npz), epochs=epochs, seed=2)
    run = RunFolder(tmp_path / "run")
    calls: list[str] = []

    def crash_at(name: str, count: int, real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            calls.append(name)
            if calls.count(name) == count:
                raise _CrashError
            return real(*arguments)

        return call

    with monkeypatch.context() as patch:
        if lost == "history":
            patch.setattr(state, "save_history", crash_at("history", 2, state.save_history))
        elif lost == "checkpoint":
            patch.setattr(
                state, "checkpoint_file", crash_at("checkpoint", 2, state.checkpoint_file)
            )
        elif lost in ("model", "last checkpoint"):  # the last checkpoint is a bare model
            patch.setattr(state, "save_model", crash_at("model", 2, state.save_model))
        elif lost == "last model":
            patch.setattr(state, "save_model", crash_at("model", 3, state.save_model))
        else:
            patch.setattr(training, "finish", crash_at("results", 1, finish))
        with pytest.raises(_CrashError):
            train(settings, run.path)
    before = load_history(run)
    result = resume(settings, run.path)
    assert [epoch.epoch for epoch in result.epochs] == list(range(1, epochs + 1))
    assert result.epochs[0] == before[0]
    assert result.best == best_epoch(load_history(run))
    assert result.validation_accuracy == result.best.val_accuracy
    assert not state.checkpoint_file(run).exists()


def test_the_model_of_the_kept_epoch_is_written_and_written_again_after_a_crash(
    tmp_path: Path,
) -> None:
    """The second of two epochs is the worse one; a crash leaves the first one's model behind."""
    models = [build(get_model("tiny-cnn")) for _ in range(2)]
    pixels = np.zeros((1, 28, 28, 1), np.float32) + 0.5
    for seed, model in enumerate(models):
        random_weights(model, seed)
    first, second = (model(pixels).numpy() for model in models)
    results = tuple(EpochResult(i, 1.0, 0.5, 1.0, 1 - 0.1 * i, 0.001, 1.0) for i in (1, 2))
    keeps: tuple[tuple[Keep, Any], ...] = (("best", first), ("last", second))
    for keep, expected in keeps:
        run = create_run(tmp_path / keep)
        state.save_epoch(run, models[0], results[:1], keep=keep)
        behind = run.model_file().read_bytes()
        state.save_epoch(run, models[1], results, last=True, keep=keep)
        np.testing.assert_allclose(load_keras(run.model_file())(pixels), expected, atol=1e-6)
        run.model_file().write_bytes(behind)
        checkpoint = state.load_checkpoint(run, 1, keep=keep)
        assert checkpoint is not None
        assert checkpoint.results == results
        np.testing.assert_allclose(load_keras(run.model_file())(pixels), expected, atol=1e-6)
        assert json.loads(run.history_file.read_text())["best_epoch"] == (
            1 if keep == "best" else 2
        )


@pytest.fixture
def started(npz: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, list[str]]]:
    """A real training of epochs long enough to be hit in the middle."""
    run = tmp_path / "run"
    command = [
        *(sys.executable, "-m", "edgedigits.cli.main", "train", "tiny-cnn", "--data", str(npz)),
        *("--run", str(run), "--epochs", "4", "--batch-size", "1", "--seed", "3"),
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    yield process, run, command
    process.kill()
    process.communicate()


def _wait_for_epoch(run: Path, epoch: int, process: subprocess.Popen[str]) -> None:
    """Until the files of that epoch are there; the first epoch's ``model.keras`` is its last."""
    history = run / "history.json"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        there = (run / "model.keras").exists()
        if there and len(json.loads(history.read_text())["epochs"]) == epoch:
            return
        time.sleep(0.02)
    pytest.fail("the training never reached that epoch")


def test_a_kill_in_the_second_epoch_loses_that_epoch_only(
    started: tuple[subprocess.Popen[str], Path, list[str]],
) -> None:
    process, run, command = started
    _wait_for_epoch(run, 1, process)
    time.sleep(0.1)  # into the steps of the second epoch
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    first = load_history(RunFolder(run))
    assert len(first) == 1
    done = subprocess.run([*command, "--resume", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "after epoch 1 of 4" in done.stderr
    result = json.loads(done.stdout)
    assert [entry["epoch"] for entry in result["history"]] == [1, 2, 3, 4]
    assert EpochResult(**result["history"][0]) == first[0]
    assert not state.checkpoint_file(RunFolder(run)).exists()
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_ctrl_c_keeps_the_best_model(
    started: tuple[subprocess.Popen[str], Path, list[str]],
) -> None:
    process, path, _ = started
    _wait_for_epoch(path, 2, process)
    time.sleep(0.15)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "interrupted after" in stderr
    assert f"'edgedigits train --run {path} --resume' goes on\n" in stderr
    run = RunFolder(path)
    results = load_history(run)
    accuracy = measure(load_keras(run.model_file()), load_run_data(run).validation, (28, 28, 1))[1]
    assert accuracy == max(result.val_accuracy for result in results)
    assert run.manifest()["training"]["complete"] is False
    resumed = resume(TrainSettings("tiny-cnn"), path)
    assert [epoch.epoch for epoch in resumed.epochs] == [1, 2, 3, 4]
    assert resumed.epochs[: len(results)] == results


def test_a_full_disk_is_one_clear_line(npz: Path, tmp_path: Path) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
        "from edgedigits.cli.main import run; run()"
    )
    run = tmp_path / "run"
    done = subprocess.run(
        [
            *(sys.executable, "-c", code, "train", "tiny-cnn", "--data", str(npz)),
            *("--run", str(run), "--epochs", "1"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    *_, left, said = done.stderr.splitlines()
    assert said.startswith(f"edgedigits: {run}/checkpoint.keras: cannot")
    assert left.startswith("stopped before the first epoch was complete: ")
    assert left.endswith(f"; 'edgedigits train --run {run} --resume' begins again")
    with pytest.raises(UsageError, match=r"already holds a run; add --resume, --overwrite, or nam"):
        train(TrainSettings("tiny-cnn"), run)
    with pytest.raises(
        RunError, match=r"no model\.keras yet; .* 'edgedigits train --run .* --resume'"
    ):
        open_run(run)
    assert sorted(p.name for p in run.iterdir()) == [
        "history.json",
        "run.json",
        "split.json",
        "summary.txt",
    ]
    resume(TrainSettings(), run)
    assert load_keras(run / "model.keras").count_params() > 0
