"""The script that puts files into the package: measured, chosen by validation, and found again."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from helpers_models import plain_loop

import edgedigits.zoo
from edgedigits.convert.contents import read_contents
from edgedigits.convert.packing import pack
from edgedigits.convert.slim import slim
from edgedigits.convert.stamp import stamp
from edgedigits.data.builtin import load_digits
from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import read_metadata
from edgedigits.device.sidecar import sidecar
from edgedigits.errors import EdgedigitsError
from edgedigits.files import write_json
from edgedigits.models.registry import MODELS

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "ship_model.py"
COMMANDS = ["edgedigits train tiny-cnn --run runs/a --seed SEED", "edgedigits export runs/a --int8"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("ship_model", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ship_model"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _other_run(run: Path, seed: int, **settings: Any) -> Path:
    """The same run as if trained with another seed."""
    copy = Path(shutil.copytree(run, run.with_name(f"seed{seed}")))
    manifest = json.loads((copy / "run.json").read_text())
    manifest["seed"] = manifest["settings"]["seed"] = seed
    manifest["settings"].update(settings)
    (copy / "run.json").write_text(json.dumps(manifest))
    return copy


def _spoil(file: Path) -> None:
    """The last layer's weights turned round: a sound file of the same run with wrong answers."""
    metadata = read_metadata(file.read_bytes())
    assert metadata is not None
    model = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
    (graph,) = model.subgraphs
    last = [op for op in graph.operators if len(op.inputs) == 3][-1]
    buffer = model.buffers[graph.tensors[last.inputs[1]].buffer]
    buffer.data = np.asarray(buffer.data, np.uint8)[::-1]
    file.write_bytes(stamp(pack(model), metadata))


def _slim(file: Path) -> None:
    """As ``export --slim`` does."""
    metadata = read_metadata(file.read_bytes())
    assert metadata is not None
    target = file.with_name("int8-slim.tflite")
    target.write_bytes(slim(file.read_bytes()))
    write_json(target.with_suffix(".json"), sidecar(target.read_bytes(), metadata))


def test_the_best_on_validation_is_shipped_with_all_seeds(
    script: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = _other_run(run, 7)
    _spoil(worse / "exports" / "int8.tflite")
    for each in (run, worse):
        _slim(each / "exports" / "int8.tflite")
    zoo = tmp_path / "zoo"
    target = script.ship("small", "int8-slim", [worse, run], COMMANDS, folder=zoo)
    monkeypatch.setattr(edgedigits.zoo, "FOLDER", zoo)

    assert target.read_bytes() == (run / "exports" / "int8-slim.tflite").read_bytes()
    entry = edgedigits.zoo.zoo_entry("small")
    assert edgedigits.zoo.resolve_file("small") == target
    assert (entry.shipped_seed, [seed.seed for seed in entry.seeds]) == (0, [7, 0])
    spec = MODELS["tiny-cnn"]
    assert (entry.model, entry.parameters, entry.macs) == ("tiny-cnn", spec.parameters, spec.macs)
    assert (entry.data, entry.commands) == ("digits", tuple(COMMANDS))
    # 16 channels of 28×28 pixels beside the picture, and what lies beside tensors.
    assert entry.arena_bytes is not None
    assert 17 * 784 < entry.arena_bytes < 3 * 17 * 784

    test = load_digits().test
    assert test is not None
    for variant, field in (("int8", "test_accuracy"), ("float32", "float_test_accuracy")):
        answers = plain_loop(run / "exports" / f"{variant}.tflite", test.images)
        assert getattr(entry.seeds[1], field) == float((answers == test.labels).mean())
    low, high = (seed.test_accuracy for seed in entry.seeds)
    assert low is not None
    assert high is not None
    assert low < 0.5 < high
    assert entry.accuracy is not None
    assert entry.accuracy.mean == pytest.approx((low + high) / 2)
    assert entry.accuracy.deviation == pytest.approx((high - low) / 2**0.5)
    metadata = Classifier(target).metadata
    assert metadata is not None
    assert metadata.to_json() == entry.metadata


def test_what_is_not_one_recipe_is_refused(script: Any, run: Path, tmp_path: Path) -> None:
    longer = _other_run(run, 1, epochs=99)
    with pytest.raises(EdgedigitsError, match=r"seed1: differs from .*run in epochs; ship runs"):
        script.ship("small", "int8", [run, longer], COMMANDS, folder=tmp_path)
    same = Path(shutil.copytree(run, tmp_path / "same"))
    with pytest.raises(EdgedigitsError, match="each seed counts once"):
        script.ship("small", "int8", [run, same], COMMANDS, folder=tmp_path)
    with pytest.raises(EdgedigitsError, match=r"int8-slim\.tflite: not there"):
        script.ship("small", "int8-slim", [run], COMMANDS, folder=tmp_path)
    (run / "exports" / "float32.tflite").unlink()
    with pytest.raises(EdgedigitsError, match="no variant float32"):
        script.ship("small", "int8", [run], COMMANDS, folder=tmp_path)
    assert not list(tmp_path.glob("small*"))


def test_arithmetic_of_the_shipped_reader(script: Any) -> None:
    data = edgedigits.zoo.reader_file().read_bytes()
    entry = edgedigits.zoo.zoo_entry("digit-reader")
    assert script.counts(read_contents(data, "x")) == (entry.parameters, entry.macs)
