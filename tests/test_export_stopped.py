"""Nothing is lost when an export is killed, interrupted, or runs out of disk."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers_export import exported_bytes

from edgedigits.convert.export import WORK_PREFIX, work_folder
from edgedigits.errors import RunError
from edgedigits.run import RunFolder


def test_the_work_of_an_export_that_still_runs_is_left_alone(run: Path) -> None:
    with work_folder(RunFolder(run)) as first, work_folder(RunFolder(run)) as second:
        assert first != second
        assert first.is_dir()
    assert not list(run.glob(f"{WORK_PREFIX}*"))


def test_left_overs_of_a_killed_export_are_removed(run: Path) -> None:
    left_over = run / f"{WORK_PREFIX}dead"
    left_over.mkdir()
    (left_over / "half.tflite").write_bytes(b"half")
    with work_folder(RunFolder(run)) as folder:
        assert not left_over.exists()
        assert folder.parent == run
    assert not folder.exists()


def test_a_work_folder_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(RunError, match="cannot write: a part of the path is a file"),
        work_folder(RunFolder(tmp_path / "file")),
    ):
        pass


StartExport = Callable[..., tuple[subprocess.Popen[str], int]]


@pytest.fixture
def start_export() -> Iterator[StartExport]:
    """Begin an export; gives it and the process id of its child once that is at work."""
    parents: list[subprocess.Popen[str]] = []
    children: list[tuple[int, Path]] = []

    def start(run: Path, *options: str) -> tuple[subprocess.Popen[str], int]:
        parent = subprocess.Popen(
            [sys.executable, "-m", "edgedigits.cli.main", "export", str(run), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A background job is started with Ctrl-C ignored, and its children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        parents.append(parent)
        listed = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = listed.read_text().split() if listed.exists() else []
            if found and any(run.glob(f"{WORK_PREFIX}*/job.json")):
                children.append((int(found[0]), run))
                return parent, int(found[0])
            time.sleep(0.05)
        raise AssertionError("no child within a minute")

    yield start
    for parent in parents:
        parent.kill()
    for pid, run in children:  # the number may belong to another process by now
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if str(run) in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)


def _ends(pid: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


needs_proc = pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="needs Linux's /proc"
)


@needs_proc
def test_a_killed_export_takes_its_child_along_and_harms_nothing(
    run: Path, start_export: StartExport
) -> None:
    before = exported_bytes(run)
    parent, child = start_export(run, "--all")
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert _ends(child)
    assert exported_bytes(run) == before


@needs_proc
def test_a_killed_child_is_told_in_one_line(run: Path, start_export: StartExport) -> None:
    before = exported_bytes(run)
    parent, child = start_export(run, "--int8")
    os.kill(child, signal.SIGKILL)
    _, error = parent.communicate(timeout=60)
    assert parent.returncode == 1
    line = error.strip().splitlines()[-1]
    assert line.startswith("edgedigits: the conversion process ended early (SIGKILL, often a sign")
    assert "after 0 of 2 files" in line
    assert exported_bytes(run) == before
    assert not list(run.glob(f"{WORK_PREFIX}*"))


@needs_proc
def test_ctrl_c_ends_both_and_cleans_up(run: Path, start_export: StartExport) -> None:
    before = exported_bytes(run)
    parent, child = start_export(run, "--qat", "--qat-epochs", "1000")  # hours, if it went on
    parent.send_signal(signal.SIGINT)
    _, error = parent.communicate(timeout=60)
    assert (parent.returncode, error.strip().splitlines()[-1]) == (130, "edgedigits: interrupted")
    assert _ends(child)
    assert exported_bytes(run) == before
    assert not list(run.glob(f"{WORK_PREFIX}*"))


def test_a_child_whose_parent_is_gone_ends(run: Path) -> None:
    """Its standard input is at its end then; here from the start."""
    target = run / "made.tflite"
    job = run / "job.json"
    task = {"variant": "float32", "source": "model", "recipe": "float32"}
    tasks = [{**task, "calibration": "none.npz", "target": str(target)}]
    job.write_text(json.dumps({"run": str(run), "data_dir": None, "qat": {}, "tasks": tasks}))
    done = subprocess.run(
        [sys.executable, "-m", "edgedigits.convert.worker", str(job)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert '"event": "done"' not in done.stdout
    assert '"event": "failed"' not in done.stdout
    assert not target.exists()


def _no_space() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_a_calibration_set_that_cannot_be_written_harms_nothing(run: Path) -> None:
    before = (run / "calibration.json").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "edgedigits.cli.main", "calibrate", str(run), "--samples", "600"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_no_space,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgedigits: {run}/calibration.json: cannot write: ")
    assert done.stderr.count("\n") == 1
    assert (run / "calibration.json").read_bytes() == before
    assert not list(run.glob(".calibration*"))


@pytest.mark.slow
def test_a_disk_that_fills_up_while_converting(run: Path) -> None:
    before = exported_bytes(run)

    def little_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))  # float32 has 427,696

    command = ["export", str(run), "--float32", "--source", "model"]
    done = subprocess.run(
        [sys.executable, "-m", "edgedigits.cli.main", *command],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=little_space,
    )
    assert done.returncode == 1
    said = f"{run}/exports/float32.tflite: cannot write: File too large"
    assert said in done.stderr.strip().splitlines()[-1]
    assert WORK_PREFIX not in done.stderr
    assert "Traceback" not in done.stderr
    assert exported_bytes(run) == before
