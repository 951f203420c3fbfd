"""``edgedigits shrink``, the real program on a real run: alone, and as two workers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import RunCli
from helpers_postgres import free_port, postgres, programs

from edgedigits.metrics import wilson_interval

OPTIONS = ["--max-drop", "3", "--trials", "6", "--epochs", "1"]


def shrunk(run_cli: RunCli, run: Path, *options: object) -> dict[str, Any]:
    code, out, error = run_cli("shrink", run, *options, "--json", timeout=900)
    assert code == 0, error
    return dict(json.loads(out))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_shrink_ends_with_the_smallest_file_within_the_limit(
    trained_run: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    run = Path(shutil.copytree(trained_run, tmp_path / "run"))
    document = shrunk(run_cli, run, *OPTIONS)
    trials = document["trials"]
    assert [trial["number"] for trial in trials] == list(range(6))
    recipes = [trial["recipe"] for trial in trials]
    assert recipes[:4] == ["int8", "int4 (dense_1)", "int4 (dense_2)", "int4"]
    assert recipes[4] == "25 % of filters, 25 % of units, int8"
    assert trials[3]["bytes"] < 0.6 * trials[0]["bytes"]
    assert trials[4]["bytes"] < 0.15 * trials[0]["bytes"]
    good = [trial for trial in trials if trial["drop"] <= 3]
    chosen = min(good, key=lambda trial: trial["bytes"])
    assert document["chosen"] == chosen["number"]
    file = run / "exports" / "shrunk.tflite"
    assert (document["file"], file.stat().st_size) == (str(file), chosen["bytes"])

    # What the file does, asked of another command.
    for part, accuracy in (("validation", chosen["accuracy"]), ("test", None)):
        code, out, error = run_cli("evaluate", file, "--split", part, "--json")
        assert code == 0, error
        evaluation = json.loads(out)
        if accuracy is not None:
            assert evaluation["accuracy"] == pytest.approx(accuracy, abs=1e-12)
    test = document["test"]
    assert (test["n"], test["accuracy"]) == (evaluation["n"], evaluation["accuracy"])
    interval = wilson_interval(round(test["accuracy"] * test["n"]), test["n"])
    assert (test["accuracy_low"], test["accuracy_high"]) == pytest.approx(interval)
    assert evaluation["variant"] == "shrunk"

    # Again: nothing is tried anew.
    again = shrunk(run_cli, run, *OPTIONS)
    assert again == document
    assert json.loads((run / "shrink.json").read_text())["trials"] == trials

    code, out, error = run_cli("shrink", run, "--max-bytes", 100, "--trials", 3, timeout=900)
    assert (code, out) == (1, "")
    assert error.splitlines()[-1].startswith(
        "edgedigits: none of 3 files has at most 100 bytes on the validation part; the nearest is"
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    programs() is None and os.environ.get("CI") != "1", reason="PostgreSQL is not installed"
)
def test_two_workers_on_copies_of_a_run_and_one_is_killed(
    trained_run: Path, tmp_path: Path
) -> None:
    """Each has its own folder, as on two machines; both would end with the same file."""
    import psycopg

    from edgedigits.shrink.storage import load_optuna

    def start(run: Path, url: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-m", "edgedigits.cli.main", "shrink", str(run), *OPTIONS]
        return subprocess.Popen(
            [*program, "--storage", url, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "EDGEDIGITS_DATA": ""},
        )

    def running(url: str) -> list[str]:
        """The workers of running trials. Only looks: Optuna would make the tables of its own."""
        with psycopg.connect(url.replace("+psycopg", "")) as database:
            made = database.execute("SELECT to_regclass('trial_user_attributes')").fetchone()
            if made == (None,):
                return []
            rows = database.execute(
                "SELECT value_json FROM trial_user_attributes JOIN trials USING (trial_id) "
                "WHERE key = 'worker' AND state = 'RUNNING'"
            )
            return [json.loads(value) for (value,) in rows]

    optuna = load_optuna()
    runs = [Path(shutil.copytree(trained_run, tmp_path / name)) for name in ("a", "b")]
    from edgedigits.calibration.make import calibration_set, save_calibration_set
    from edgedigits.run import RunFolder
    from edgedigits.run_data import load_run_data

    for run in runs:  # one calibration set for both, or they would be two searches
        folder = RunFolder(run)
        save_calibration_set(folder, calibration_set(load_run_data(folder)))
    with postgres() as url:
        killed, other = (start(run, url) for run in runs)
        try:
            until = time.monotonic() + 600
            while not any(w.endswith(f":{killed.pid}") for w in running(url)):
                assert killed.poll() is None, killed.communicate()
                assert time.monotonic() < until
                time.sleep(0.2)
            killed.kill()
            out, error = other.communicate(timeout=1200)
        finally:
            killed.kill()
            other.kill()
        assert other.returncode == 0, error
        document = json.loads(out)
        study = optuna.load_study(study_name=document["study"], storage=url)
        states = [trial.state.name for trial in study.trials if trial.params or trial.user_attrs]
    assert "RUNNING" not in states
    assert states.count("FAIL") == 1
    candidates = [json.dumps(trial["candidate"]) for trial in document["trials"]]
    assert len(candidates) == len(set(candidates)) == 6
    assert (runs[1] / "exports" / "shrunk.tflite").stat().st_size == document["bytes"]


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ([], 2, "--max-drop POINTS or --max-bytes N"),
        (["--max-drop", "-1"], 2, "--max-drop -1"),
        (["--max-bytes", "0"], 2, "--max-bytes 0"),
        (["--max-drop", "1", "--trials", "0"], 2, "--trials 0"),
        (["--max-drop", "1", "--epochs", "0"], 2, "--epochs 0"),
    ],
)
def test_options_that_do_not_fit(
    options: list[str], code: int, named: str, trained_run: Path, run_cli: RunCli
) -> None:
    found, out, error = run_cli("shrink", trained_run, *options)
    assert (found, out) == (code, "")
    (line,) = error.splitlines()
    assert line.startswith("edgedigits: ")
    assert named in line


def test_a_database_that_is_not_there_is_one_line(trained_run: Path, run_cli: RunCli) -> None:
    url = f"postgresql://me:s3cret@127.0.0.1:{free_port()}/x"
    code, out, error = run_cli("shrink", trained_run, "--max-drop", 1, "--storage", url)
    assert (code, out) == (1, "")
    line = error.splitlines()[-1]
    assert line.startswith("edgedigits: --storage postgresql://me:***@127.0.0.1:")
    assert "cannot be reached or used" in line
    assert "s3cret" not in error
    assert "Traceback" not in error


def test_without_optuna_the_extra_is_named(
    trained_run: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    (tmp_path / "optuna.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    code, out, error = run_cli("shrink", trained_run, "--max-drop", 1, env={"PYTHONPATH": path})
    assert (code, out) == (1, "")
    assert error == (
        "edgedigits: shrinking needs optuna, which is not installed: "
        "pip install 'edgedigits[train]'\n"
    )
