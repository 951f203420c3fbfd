"""The script that makes a shipped file again: what it runs, what it leaves, what it says."""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgedigits.errors import RunError, UsageError
from edgedigits.models.registry import MODELS
from edgedigits.zoo import READER, ZooEntry, zoo_entry, zoo_files

if TYPE_CHECKING:
    from types import ModuleType

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
TRAIN = "edgedigits train mnist-4k --data digits --run runs/{} --seed {} --epochs {}"
COMMANDS = (
    TRAIN.format("teacher", 0, 1),
    TRAIN.format("a-SEED", "SEED", 2) + " --teacher runs/teacher",
    "edgedigits export runs/a-SEED --int8 --float32 --slim",
)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import make_rung

    return make_rung


@pytest.fixture
def entry() -> ZooEntry:
    return replace(zoo_entry("mnist-4k"), commands=COMMANDS)


def recorder(done: list[str]) -> Any:
    return lambda words: done.append(shlex.join(words))


def write_run(folder: Path, command: str, *, complete: bool) -> None:
    folder.mkdir(parents=True)
    manifest = {"schema_version": 1, "command": command, "training": {"complete": complete}}
    (folder / "run.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", sorted(zoo_files()))
def test_the_commands_of_every_shipped_file_hang_together(script: ModuleType, name: str) -> None:
    entry = zoo_entry(name)
    made: set[str] = set()
    *before, export = script.steps(entry, entry.shipped_seed)
    for words in before:
        options = dict(itertools.pairwise(words))
        for needed in ("--teacher", "--init"):
            assert made.issuperset(options[needed].split(",") if needed in options else [])
        if words[0] == "train":
            assert words[1] in MODELS
            made.add(options["--run"])
    assert export[0] == "export"
    assert export[1] in made
    assert "SEED" not in shlex.join(export)


def test_a_file_made_from_one_seed_has_no_other(script: ModuleType) -> None:
    with pytest.raises(UsageError, match="--seed 7"):
        script.steps(zoo_entry(READER), 7)


def test_what_is_complete_stays_and_what_was_interrupted_goes_on(
    script: ModuleType, entry: ZooEntry, tmp_path: Path
) -> None:
    teacher, student = (command.replace("SEED", "4") for command in COMMANDS[:2])
    write_run(tmp_path / "runs/teacher", teacher, complete=True)
    write_run(tmp_path / "runs/a-4", student, complete=False)
    done: list[str] = []
    with pytest.raises(RunError):  # nothing was really trained
        script.make(entry, 4, tmp_path, recorder(done))
    assert done == ["train --run runs/a-4 --resume", "export runs/a-4 --int8 --float32 --slim"]


def test_a_run_that_was_made_otherwise_is_not_taken(
    script: ModuleType, entry: ZooEntry, tmp_path: Path
) -> None:
    write_run(tmp_path / "runs/teacher", TRAIN.format("teacher", 0, 30), complete=True)
    with pytest.raises(UsageError, match="--folder"):
        script.make(entry, 0, tmp_path, recorder([]))


def test_a_folder_that_is_a_file_is_named(
    script: ModuleType, entry: ZooEntry, tmp_path: Path
) -> None:
    (tmp_path / "made").write_text("")
    with pytest.raises(UsageError, match=r"--folder .*made"):
        script.make(entry, 0, tmp_path / "made", recorder([]))


def test_a_run_that_does_not_say_how_it_was_made_is_not_taken(
    script: ModuleType, entry: ZooEntry, tmp_path: Path
) -> None:
    write_run(tmp_path / "runs/teacher", "", complete=True)
    (tmp_path / "runs/teacher/run.json").write_text('{"schema_version": 1}')
    with pytest.raises(UsageError, match="--folder"):
        script.make(entry, 0, tmp_path, recorder([]))


@pytest.mark.slow
def test_from_data_to_a_measured_file_by_one_command(
    script: ModuleType, entry: ZooEntry, tmp_path: Path
) -> None:
    file, result = script.make(entry, 2, tmp_path, script._edgedigits_in(tmp_path))
    assert file == tmp_path / "runs/a-2/exports/int8-slim.tflite"
    evaluated = subprocess.run(
        [sys.executable, "-m", "edgedigits.cli.main", "evaluate", str(file), "--json"],
        check=True,
        capture_output=True,
    )
    accuracy = json.loads(evaluated.stdout)["accuracy"]
    assert result.test_accuracy == pytest.approx(accuracy)
    said = script.told(entry, file, result)
    assert f"test: {100 * accuracy:.2f} %, seed 2 (recorded" in said
    assert f"{file.stat().st_size:,} bytes" in said


def test_a_command_that_fails_is_named(script: ModuleType, entry: ZooEntry, tmp_path: Path) -> None:
    broken = replace(entry, commands=("edgedigits train no-such-model --run runs/a",))
    with pytest.raises(RunError, match="no-such-model"):
        script.make(broken, entry.shipped_seed, tmp_path, script._edgedigits_in(tmp_path))
