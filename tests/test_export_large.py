"""int8 of large models goes through another tool, and comes out the same kind of file."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgedigits.calibration.make import load_calibration_set
from edgedigits.convert import worker
from edgedigits.convert.contents import read_contents
from edgedigits.convert.export import save_pictures
from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import read_metadata
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]


@pytest.fixture(scope="module")
def made(exported_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run, and the int8 file of its model made as that of a large one."""
    folder = tmp_path_factory.mktemp("large")
    run = RunFolder(folder / "run")
    shutil.copytree(exported_run, run.path)
    data = load_run_data(run)
    pictures = save_pictures(folder / "calibration.npz", load_calibration_set(run, data))
    job = worker.Job(
        {"run": str(run.path), "data_dir": None, "qat": {}, "tasks": []}, worker.Events(sys.stderr)
    )
    task = worker.Task("int8", "model", "int8", str(pictures), str(folder / "large.tflite"))
    with pytest.MonkeyPatch.context() as patch:
        assert worker.recipe_for(job, task).tool == "tflite-converter"
        patch.setattr(worker, "LARGE", job.model("model").count_params() - 1)
        recipe = worker.recipe_for(job, task)
        assert recipe.tool == "ai-edge-quantizer"
        file = worker.convert(job, task, recipe)
        worker.check(file, recipe, "int8")
        Path(task.target).write_bytes(worker.finish(job, task, file))
    return run, Path(task.target), data


def test_the_file_says_which_tool_made_it_and_is_fully_integer(made: Any) -> None:
    _, file, _ = made
    data = file.read_bytes()
    metadata = read_metadata(data)
    assert metadata is not None
    assert metadata.recipe["tool"] == "ai-edge-quantizer"
    assert metadata.recipe["name"] == "int8"
    contents = read_contents(data, "large")
    assert contents.verdict() == "fully int8: yes"
    source = contents.tensors[contents.inputs[0]]
    assert source.zero_points == (-128,)
    assert source.scales == pytest.approx((1 / 255,), rel=1e-6)


def test_both_tools_give_the_same_answers(made: Any) -> None:
    run, file, data = made
    images = data.test.images
    ours = Classifier(run.export_file("int8")).scores(images)
    theirs = Classifier(file).scores(images)
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= 0.99
    assert np.abs(ours - theirs).mean() < 0.01


def test_ranges_are_the_true_ones(made: Any) -> None:
    """Against the float file run picture by picture: the logits are not clipped."""
    run, file, data = made
    interpreter = Interpreter(
        model_path=os.fspath(run.export_file("float32")), experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    logits = next(
        op["inputs"][0] for op in interpreter._get_ops_details() if op["op_name"] == "SOFTMAX"
    )
    highest = -np.inf
    for image in load_calibration_set(run, data).images:
        interpreter.set_tensor(source, image[None, ..., None].astype(np.float32) / 255)
        interpreter.invoke()
        highest = max(highest, float(interpreter.get_tensor(logits).max()))
    contents = read_contents(file.read_bytes(), "large")
    softmax = next(op for op in contents.ops if op.name == "SOFTMAX")
    tensor = contents.tensors[softmax.inputs[0]]
    largest = (127 - tensor.zero_points[0]) * tensor.scales[0]
    assert largest == pytest.approx(highest, rel=0.02)
