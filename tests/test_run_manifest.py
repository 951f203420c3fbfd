"""A damaged ``run.json`` is one line that names the file, the value and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgedigits.errors import RunError
from edgedigits.prune import prune
from edgedigits.report.facts import read_pruning, read_run_facts
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data
from edgedigits.train.distillation import load_teacher
from edgedigits.train.finetuning import filled_from_run
from edgedigits.train.settings import TrainSettings, recorded_augmentation

MODEL = {"name": "m", "input_shape": [28, 28, 1], "classes": 10, "input_range": [0.0, 1.0]}


def damaged(folder: Path, **fields: Any) -> RunFolder:
    """A run folder whose manifest holds these fields."""
    (folder / "run.json").write_text(json.dumps({"schema_version": 1, **fields}))
    (folder / "model.keras").write_text("a model")
    return RunFolder(folder)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": []}, r"model is \[\] instead of an object"),
        ({"model": {"input_shape": "28"}}, "model.input_shape is '28' instead of a list of one to"),
        ({"model": {"input_shape": [28, 0.5]}}, r"model.input_shape is \[28, 0.5\] instead"),
        ({"model": {"input_range": [0]}}, r"model.input_range is \[0\] instead of two numbers"),
        ({"model": {"classes": "ten"}}, "model.classes is 'ten' instead of a whole number from 0"),
        ({"data": "digits"}, "data is 'digits' instead of an object"),
        ({"data": {"class_names": [1]}}, r"data.class_names is \[1\] instead of a list of texts"),
        ({"data": {"location": 3}}, "data.location is 3 instead of a text or null"),
        ({"settings": None}, "settings is None instead of an object"),
        ({"settings": {"epochs": "3"}}, "settings.epochs is '3' instead of a whole number from 0"),
        ({"settings": {"augment": 1}}, "settings.augment is 1 instead of true or false"),
        ({"training": 1}, "training is 1 instead of an object"),
        ({"training": {"results": {"a": "b"}}}, "training.results is .* instead of an object of"),
        ({"pruning": {"pruned": 1}}, "pruning.pruned is 1 instead of an object"),
        ({"seed": "\n" * 99}, "seed is .* instead of a whole number from 0"),
    ],
)
def test_a_value_of_another_kind(fields: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"run.json: damaged, {said}.*; make the run again") as error:
        damaged(tmp_path, **fields).manifest()
    assert "\n" not in str(error.value)


def test_what_commands_need_of_it(tmp_path: Path) -> None:
    run = damaged(tmp_path)
    with pytest.raises(RunError, match=r"run.json: lacks model.input_shape; make the run again"):
        prune(run)
    with pytest.raises(RunError, match=r"run.json: lacks model.input_shape; make"):
        load_teacher(run, (28, 28, 1), 10)
    with pytest.raises(RunError, match=r"run.json: lacks data.name; make the run again"):
        load_run_data(run)
    settings = TrainSettings(finetune=str(tmp_path), crops="crops")
    damaged(tmp_path, settings={"model": "tiny-cnn"})
    with pytest.raises(RunError, match=r"run.json: lacks settings.batch_size; make the run again"):
        filled_from_run(settings)


def test_records_further_inside(tmp_path: Path) -> None:
    run = damaged(tmp_path, pruning={"pruned": {"layers": [{}]}})
    with pytest.raises(
        RunError, match=r"run.json: damaged, pruning.pruned is not what .*prune' re"
    ):
        read_pruning(read_run_facts(run))
    for amounts in ({"turns": 1}, {"shift": "far"}, {"shift": None}):
        with pytest.raises(RunError, match=r"run.json: damaged, settings.augmentation is not what"):
            recorded_augmentation(run, {"augmentation": amounts})
