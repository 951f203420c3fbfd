"""Bad input through the real program: one line on standard error, the right exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_data import make_images, make_labels, write_csv
from helpers_models import dense_file, two_input_file, write


@pytest.fixture(scope="module")
def place(exported_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good run and all sorts of bad things beside it; the working folder."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(exported_run, place / "run")
    good = (place / "run" / "exports" / "int8.tflite").read_bytes()
    write(place / "cut.tflite", good[: len(good) // 2])
    write(place / "random.tflite", np.random.default_rng(0).bytes(3000))
    write(place / "empty.tflite", b"")
    write(place / "two.tflite", two_input_file())
    narrow = dense_file(np.zeros((3, 784), np.float32), np.zeros(3, np.float32))
    write(place / "narrow.tflite", narrow)
    (place / "text.tflite").write_text("This is no model, but a text.\n")
    (place / "folder").mkdir()
    (place / "bare").mkdir()
    shutil.copy(exported_run / "run.json", place / "bare")
    shutil.copytree(place / "run", place / "unexported", ignore=lambda *_: ["exports"])
    shutil.copytree(place / "run", place / "damaged", ignore=lambda *_: ["exports"])
    (place / "damaged" / "run.json").write_text('{"schema_version": 1')
    shutil.copytree(place / "run", place / "moved", ignore=lambda *_: ["exports"])
    manifest = json.loads((place / "run" / "run.json").read_text())
    manifest["data"]["digest"] = "0" * 64
    (place / "moved" / "run.json").write_text(json.dumps(manifest))
    shutil.copytree(place / "run", place / "odd", ignore=lambda *_: ["exports"])
    (place / "odd" / "calibration.json").write_text("[]")
    write_csv(place / "three.csv", make_images(30), make_labels(30, 3))
    return place


INT8 = "run/exports/int8.tflite"
CASES = {
    "evaluate: no such file": (
        "evaluate none.tflite --data digits",
        2,
        "none.tflite: no such file",
    ),
    "evaluate: a folder": ("evaluate folder --data digits", 1, "folder: cannot be read: Is a dir"),
    "evaluate: truncated": ("evaluate cut.tflite --data digits", 1, "cut.tflite: "),
    "evaluate: random": ("evaluate random.tflite --data digits", 1, "random.tflite: not a TFLite"),
    "evaluate: empty": (
        "evaluate empty.tflite --data digits",
        1,
        "empty.tflite: the file is empty",
    ),
    "evaluate: text": ("evaluate text.tflite --data digits", 1, "text.tflite: not a TFLite file"),
    "evaluate: two inputs": ("evaluate two.tflite --data digits", 1, "two.tflite: has 2 inputs"),
    "evaluate: narrow head": (
        "evaluate narrow.tflite --data digits",
        1,
        "narrow.tflite: answers 3 classes, but digits has 10",
    ),
    "evaluate: foreign without --data": ("evaluate narrow.tflite", 2, "add --data"),
    "evaluate: unknown data": (f"evaluate {INT8} --data nmist", 2, "nmist"),
    "evaluate: unknown split": (f"evaluate {INT8} --split half", 2, "--split half: unknown"),
    "evaluate: no validation": (
        "evaluate narrow.tflite --data three.csv --split validation",
        2,
        "--split validation: narrow.tflite does not lie in a run folder",
    ),
    "evaluate: limit": (f"evaluate {INT8} --limit 0", 2, "--limit 0: must be 1 or more"),
    "evaluate: threads": (f"evaluate {INT8} --threads 0", 2, "--threads 0: must be 1 or more"),
    "evaluate: a name too long": (f"evaluate {'x' * 300} --data digits", 1, "File name too long"),
    "predict: no --data": ("predict narrow.tflite --out out.csv", 2, "Missing option '--data'"),
    "predict: no --out": (f"predict {INT8} --data digits", 2, "Missing option '--out'"),
    "predict: no such file": (
        "predict none.tflite --data digits --out out.csv",
        2,
        "none.tflite: no such file",
    ),
    "predict: exists": (
        f"predict {INT8} --data digits --out three.csv",
        2,
        "three.csv: already exists; add --overwrite",
    ),
    "predict: a folder": (f"predict {INT8} --data digits --out folder", 2, "folder: is a folder"),
    "predict: below a file": (
        f"predict {INT8} --data digits --out three.csv/out.csv",
        1,
        "three.csv/out.csv: cannot write: a part of the path is a file",
    ),
    "data csv: below a file": (
        "data csv digits --out three.csv/folder",
        1,
        "train.csv: cannot write: a part of the path is a file",
    ),
    "inspect: text": ("inspect text.tflite", 1, "text.tflite: not a TFLite file"),
    "inspect: truncated": ("inspect cut.tflite", 1, "cut.tflite: "),
    "bench: no such file": ("bench none.tflite", 2, "none.tflite: no such file"),
    "bench: rounds": (f"bench {INT8} --rounds 0", 2, "--rounds 0: must be 1 or more"),
    "bench: no file": ("bench", 2, "Missing argument"),
    "compare: no such run": ("compare none", 2, "none: no such run folder"),
    "compare: not a run": ("compare folder", 1, "folder: not a run folder"),
    "compare: no model": ("compare bare", 1, "bare: the run holds no model.keras"),
    "compare: no exports": ("compare unexported", 2, "unexported: holds no exports"),
    "compare: damaged run.json": ("compare damaged", 1, "damaged/run.json: cannot be read"),
    "compare: data changed": ("compare moved", 1, "digits has changed since this run was made"),
    "compare: threads": ("compare run --threads 0", 2, "--threads 0: must be 1 or more"),
    "compare: split": ("compare run --split train", 2, "--split train: must be test or validation"),
    "calibrate: no such run": ("calibrate none", 2, "none: no such run folder"),
    "calibrate: method": ("calibrate run --method best", 2, "--method best: unknown"),
    "calibrate: samples": ("calibrate run --samples 99999", 2, "--samples 99999: must be from 1"),
    "calibrate: seed": ("calibrate run --seed -1", 2, "--seed -1: must be 0 or more"),
    "calibrate: no such folder": ("calibrate run --from none", 2, "--from none: no such folder"),
    "calibrate: no pictures": ("calibrate run --from folder", 1, "folder: holds no pictures"),
    "calibrate: both": ("calibrate run --from folder --samples 5", 2, "leave out --samples"),
    "export: no such run": ("export none --int8", 2, "none: no such run folder"),
    "export: not a run": ("export folder --int8", 1, "folder: not a run folder"),
    "export: no model": ("export bare --int8", 1, "bare: the run holds no model.keras"),
    "export: nothing": ("export run", 2, "nothing to export: add --int8"),
    "export: unknown variant": ("export run --int9", 2, "No such option: --int9"),
    "export: unknown source": ("export run --int8 --source x", 2, "--source x: unknown"),
    "export: source not there": (
        "export run --int8 --source channels",
        2,
        "--source channels: run holds no channels.keras",
    ),
    "export: epochs": ("export run --qat --qat-epochs 0", 2, "--qat-epochs 0: must be 1 or more"),
    "export: negative drop": ("export run --int8 --max-drop -1", 2, "--max-drop -1: must be a"),
    "export: drop not a number": ("export run --int8 --max-drop nan", 2, "--max-drop nan: must"),
    "export: data changed": ("export moved --int8", 1, "digits has changed since this run was"),
    "export: damaged calibration": ("export odd --int8", 1, "odd/calibration.json: not the cal"),
    "shrink: a .keras file": (
        "shrink run/model.keras --max-drop 1",
        2,
        "run/model.keras: is a file, not a run folder; make one with 'edgedigits import "
        "run/model.keras --data DATA --run RUN'",
    ),
    "shrink: a .tflite file": (
        "shrink two.tflite --max-drop 1",
        2,
        "two.tflite: is a file, not a run folder; make one of the Keras model it was made of with "
        "'edgedigits import MODEL.keras --data DATA --run RUN'",
    ),
    "prune: an export": (f"prune {INT8}", 2, "is a file, not a run folder; name the run that it"),
    "compare: another file": ("compare three.csv", 2, "three.csv: is a file, not a run folder"),
    "unknown command": ("exprot run", 2, "No such command"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_line(case: str, place: Path, run_cli: RunCli) -> None:
    command, expected, part = CASES[case]
    before = {file: file.read_bytes() for file in (place / "run").rglob("*") if file.is_file()}
    code, out, error = run_cli(*command.split(), cwd=place)
    assert code == expected, error
    assert out == ""
    assert error.startswith("edgedigits: ")
    assert error.count("\n") == 1
    assert error.endswith("\n")
    assert part in error
    assert "Traceback" not in error
    assert "unexpected" not in error
    after = {file: file.read_bytes() for file in (place / "run").rglob("*") if file.is_file()}
    assert after == before


def test_a_full_disk_behind_the_output(place: Path) -> None:
    import subprocess
    import sys

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgedigits.cli.main", "inspect", str(place / INT8), "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "edgedigits: No space left on device\n"


@pytest.mark.parametrize("command", [("train", "tiny-cnn", "--run"), ("evaluate",), ("demo",)])
def test_a_name_that_is_not_utf8(command: tuple[str, ...], tmp_path: Path, run_cli: RunCli) -> None:
    name = "runs\udcff"
    code, out, error = run_cli(*command, name, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert error == "edgedigits: runs\\xff: a name that is not UTF-8; rename the file or folder\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_folder_around_it_whose_name_is_not_utf8(tmp_path: Path, run_cli: RunCli) -> None:
    folder = tmp_path / "in\udcff"
    folder.mkdir()
    write_csv(folder / "digits.csv", make_images(300), make_labels(300, 10))
    code, _, error = run_cli("train", "tiny-cnn", "--data", "digits.csv", "--run", "a", cwd=folder)
    assert (code, error.count("unexpected")) == (1, 0)
    assert error.splitlines()[-1] == (
        f"edgedigits: {tmp_path}/in\\xff/digits.csv: a name that is not UTF-8; rename the file or "
        "folder"
    )
