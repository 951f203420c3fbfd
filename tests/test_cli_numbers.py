"""Every option that takes a number refuses, by its name, numbers that make no sense."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers_commands import leaves
from helpers_crops import crop_name, noise_crops, write_crops

from edgedigits.cli.main import app
from edgedigits.errors import UsageError

# The rest of the command line, by command; with the options that some numbers go with.
COMMANDS = {
    "demo": "--run new",
    "train": "tiny-cnn --run new",
    "train --replay": "--finetune run --data crops --run new",
    "train --views": "tiny-cnn --teacher run --run new",
    "train --temperature": "tiny-cnn --teacher run --run new",
    "import": "run/model.keras --data digits --run new",
    "prune": "run",
    "calibrate": "run",
    "export": "run --int8",
    "evaluate": "mnist-8k --data digits",
    "predict": "mnist-8k --data digits --out new.csv",
    "compare": "run",
    "shrink": "run --max-bytes 9000",
    "diagnose": "run",
    "bench": "mnist-8k",
    "deploy": "host",
    "deploy --to": "host --rollback",
    "recognise": "a.png",
    "camera": "--source a.png",
    "camera --port": "--source a.png --preview",
    "label": "crops",
    "data reader": "digits --out new.npz",
}
NUMBERS = [
    (" ".join(words), option.opts[-1], option.type_descriptor.annotation)
    for words, command in leaves().items()
    for option in command.params
    if option.type_descriptor.annotation in (int, float, list[int])
]
CASES = [
    (command, option, value)
    for command, option, kind in NUMBERS
    for value in (("-1", "nan", "inf") if kind is float else ("-1",))
]


@pytest.fixture(scope="module")
def place(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder: a run, crops and a picture."""
    place = tmp_path_factory.mktemp("numbers")
    shutil.copytree(trained_run, place / "run")
    write_crops(place / "crops", noise_crops(2))
    shutil.copy(place / "crops" / crop_name(1), place / "a.png")
    return place


@pytest.mark.parametrize(("command", "option", "value"), CASES)
def test_refused_by_name(
    command: str, option: str, value: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    rest = COMMANDS.get(f"{command} {option}", COMMANDS.get(command, "")).split()
    if option in rest:
        del rest[rest.index(option) : rest.index(option) + 2]
    with pytest.raises(UsageError, match=rf"{option} .*{value}") as error:
        app([*command.split(), *rest, option, value], standalone_mode=False)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in place.iterdir()) == ["a.png", "crops", "run"]
