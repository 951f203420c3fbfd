"""The house's rules: who may import what, links instead of copies, and help that starts at once."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers_commands import commands
from helpers_models import dense_file, nearest_mean, write
from sklearn.metrics import accuracy_score

from edgedigits.data.builtin import load_digits

CHECKOUT = Path(__file__).parent.parent
LINKED = ("calibration", "convert", "device")
TRAINING = ("tensorflow", "tf_keras", "keras", "sklearn", "tensorflow_model_optimization")
OTHERS = ("numpy", "cv2", "rich", "matplotlib", "ai_edge_litert", "pooch", "flatbuffers", "optuna")
HEAVY = (*TRAINING, *OTHERS)

WITHOUT_TRAINING = f"""
import sys
for name in {TRAINING}:
    sys.modules[name] = None
"""


def python(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "EDGEDIGITS_DATA"},
    )


def modules_of(package: str) -> list[str]:
    folder = CHECKOUT / "edgedigits" / package
    return [f"edgedigits.{package}.{info.name}" for info in pkgutil.iter_modules([str(folder)])]


DEVICE_SIDE = [
    *(name for package in ("device", "calibration", "data") for name in modules_of(package)),
    *(f"edgedigits.device.bundle.{name}" for name in ("opening", "placing", "signature")),
    *(f"edgedigits.{name}" for name in ("evaluate", "predict", "compare", "bench", "cli.main")),
    *("edgedigits.bundling", "edgedigits.report.bundles"),
    *("edgedigits.convert.contents", "edgedigits.report.tables", "edgedigits.report.documents"),
]


def test_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [str(linter), "--no-cache"], capture_output=True, text=True, check=False, cwd=CHECKOUT
    )
    assert result.returncode == 0, result.stdout
    assert "Contracts: 2 kept, 0 broken." in result.stdout


def test_what_runs_on_the_device_imports_without_the_training_packages() -> None:
    assert len(DEVICE_SIDE) > 20
    program = f"{WITHOUT_TRAINING}\nimport importlib\nfor name in sys.argv[1:]:\n"
    result = python(f"{program}    importlib.import_module(name)\nprint('done')", *DEVICE_SIDE)
    assert result.stderr == ""
    assert result.stdout == "done\n"


def test_evaluate_predict_and_inspect_work_without_the_training_packages(tmp_path: Path) -> None:
    digits = load_digits()
    assert digits.test is not None
    assert digits.train.labels is not None
    weights, bias = nearest_mean(digits.train.images, digits.train.labels, 10)
    file = write(tmp_path / "means.tflite", dense_file(weights, bias))
    scores = digits.test.images.reshape(-1, 784) / 255 @ weights.T.astype(np.float64) + bias
    run = f"{WITHOUT_TRAINING}\nfrom edgedigits.cli.main import run\nrun()"

    result = python(run, "evaluate", file, "--data", "digits", "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["n"] == len(digits.test.images)
    assert answer["accuracy"] == pytest.approx(
        accuracy_score(digits.test.labels, scores.argmax(axis=1)), abs=1e-9
    )

    out = tmp_path / "predictions.csv"
    result = python(run, "predict", file, "--data", "digits", "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    counts = np.bincount(scores.argmax(axis=1), minlength=10)
    assert json.loads(result.stdout)["counts"] == {str(i): n for i, n in enumerate(counts)}
    assert len(out.read_text().splitlines()) == 361

    result = python(run, "inspect", file, "--json")
    assert result.returncode == 0, result.stderr
    json.loads(result.stdout)


def test_training_without_the_training_packages_says_what_to_install(tmp_path: Path) -> None:
    run = f"{WITHOUT_TRAINING}\nfrom edgedigits.cli.main import run\nrun()"
    result = python(run, "train", "tiny-cnn", "--data", "digits", "--run", tmp_path / "run")
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "pip install 'edgedigits[train]'" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", LINKED)
def test_top_level_folders_are_linked_into_the_package(name: str) -> None:
    link = CHECKOUT / "edgedigits" / name
    assert link.is_symlink()
    assert str(link.readlink()) == f"../{name}"
    assert (CHECKOUT / name / "__init__.py").is_file()


SAMPLE = '''"""A sample."""

import {module}
from {module} import something
'''


@pytest.mark.parametrize("module", [*LINKED, "tensorflow.keras"])
def test_the_lint_rule_refuses_a_second_way_to_import(module: str) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    command = [str(ruff), "check", "--select", "TID251", "--no-cache", "--output-format", "concise"]
    found = [
        subprocess.run(
            [*command, "--stdin-filename", "edgedigits/sample.py", "-"],
            input=SAMPLE.format(module=name),
            capture_output=True,
            text=True,
            check=False,
            cwd=CHECKOUT,
        )
        for name in (module, f"edgedigits.{module}")
    ]
    assert found[0].returncode == 1
    assert found[0].stdout.count("TID251") == 2
    assert found[1].returncode == 0, found[1].stdout


def test_no_help_imports_anything_heavy() -> None:
    words = list(commands())
    assert ("data", "look") in words
    program = f"""
import sys
from edgedigits.cli.main import _run
for words in {words}:
    sys.argv = ["edgedigits", *words, "--help"]
    assert _run() == 0, words
    heavy = [name for name in {HEAVY} if name in sys.modules]
    print(" ".join(words) or "edgedigits", heavy, file=sys.stderr)
"""
    result = python(program)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Usage:") == len(words)
    loaded = [line for line in result.stderr.splitlines() if not line.endswith("[]")]
    assert loaded == []
