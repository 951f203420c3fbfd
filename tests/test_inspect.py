"""What is in a file, held against files put together by hand and the runtime's own listing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import RunCli
from helpers_models import Graph, dense_file, two_input_file, write

from edgedigits.convert.contents import read_contents
from edgedigits.convert.inspection import inspect_file
from edgedigits.errors import ModelFileError


def _dense() -> bytes:
    return dense_file(np.ones((5, 784), np.float32), np.zeros(5, np.float32))


def test_a_graph_put_together_by_hand() -> None:
    contents = read_contents(_dense(), "x")
    assert [(op.name, op.inputs, op.outputs) for op in contents.ops] == [
        ("RESHAPE", (0, 1), (2,)),
        ("FULLY_CONNECTED", (2, 3, 4), (5,)),
        ("SOFTMAX", (5,), (6,)),
    ]
    assert (contents.inputs, contents.outputs, contents.subgraphs) == ((0,), (6,), 1)
    weights = contents.tensors[3]
    assert (weights.dtype, weights.shape, weights.bytes) == ("FLOAT32", (5, 784), 5 * 784 * 4)
    assert contents.tensors[0].name == "picture"
    assert contents.metadata == ()
    assert contents.verdict() == ("fully int8: no (float throughout)")
    # Each float tensor once, with the first operation that touches it.
    first = {tensor.index: op.name for op, tensor in contents.floats()}
    assert first == {
        0: "RESHAPE", 2: "RESHAPE", 3: "FULLY_CONNECTED", 4: "FULLY_CONNECTED",
        5: "FULLY_CONNECTED", 6: "SOFTMAX",
    }  # fmt: skip


def test_quantisation_and_missing_inputs() -> None:
    graph = Graph()
    a = graph.tensor([1, 4], "INT8", scale=0.5, zero_point=-3, name="a")
    w = graph.tensor([2, 4], "INT8", np.ones((2, 4), np.int8), scale=0.25)
    out = graph.tensor([1, 2], "INT8", scale=2.0, zero_point=7, name="out")
    graph.op("FULLY_CONNECTED", [a, w, -1], [out])  # −1: no bias
    graph.ends([a], [out])
    contents = read_contents(graph.bytes(), "x")
    assert contents.ops[0].inputs == (0, 1)
    assert contents.activation_scales() == {"a": (0.5, -3), "out": (2.0, 7)}
    assert contents.verdict() == "fully int8: yes"


def test_constants_kept_behind_the_graph_are_found() -> None:
    """Large files keep their data outside the FlatBuffer and name its place."""
    weights = np.arange(5 * 784, dtype=np.float32).reshape(5, 784)
    graph = Graph()
    picture, out = graph.tensor([1, 784]), graph.tensor([1, 5])
    w = graph.tensor([5, 784], data=weights)
    graph.op("FULLY_CONNECTED", [picture, w, -1], [out])
    graph.ends([picture], [out])
    buffer = graph.model.buffers[-1]
    buffer.data, buffer.offset, buffer.size = None, 1 << 20, weights.nbytes
    place = -(-len(graph.bytes()) // 64) * 64
    buffer.offset = place
    behind = graph.bytes().ljust(place, b"\0") + weights.tobytes()
    assert read_contents(behind, "x").tensors[w].bytes == weights.nbytes
    with pytest.raises(ModelFileError, match="x: its graph cannot be read"):
        read_contents(behind[:-1], "x")


def test_an_operation_that_names_a_tensor_that_is_not_there() -> None:
    graph = Graph()
    picture, out = graph.tensor([1, 784]), graph.tensor([1, 784])
    graph.op("ABS", [picture], [out])
    graph.part.operators[0].inputs = [99]
    graph.ends([picture], [out])
    with pytest.raises(ModelFileError, match="x: its graph cannot be read"):
        read_contents(graph.bytes(), "x")


@pytest.mark.parametrize("variant", ["float32", "int8", "int4"])
def test_tensors_are_those_the_runtime_lists(exported_run: Path, variant: str) -> None:
    data = (exported_run / "exports" / f"{variant}.tflite").read_bytes()
    contents = read_contents(data, variant)
    listed = {t["index"]: t for t in Interpreter(model_content=data).get_tensor_details()}
    for tensor in contents.tensors:
        theirs = listed[tensor.index]
        assert tensor.name == theirs["name"]
        assert tensor.shape == tuple(theirs["shape"])
        scales = theirs["quantization_parameters"]["scales"]
        np.testing.assert_array_equal(np.asarray(tensor.scales, np.float32), scales)
        if tensor.dtype != "INT4":
            assert tensor.dtype.lower() == np.dtype(theirs["dtype"]).name


def test_the_command(exported_run: Path, run_cli: RunCli, tmp_path: Path) -> None:
    file = exported_run / "exports" / "int8.tflite"
    code, out, error = run_cli("inspect", file, "--json")
    assert (code, error) == (0, "")
    document = json.loads(out)
    assert document["fully_integer"] is True
    assert document["bytes"] == file.stat().st_size
    assert document["metadata"]["labels"] == list("0123456789")
    assert document["ops"][0]["name"] == "CONV_2D"
    assert document["layers"][0]["layer"] == "conv_1"
    assert document["fully_int8"] is True
    code, out, _ = run_cli("inspect", file)
    assert code == 0
    assert "fully int8: yes" in out
    assert "MAX_POOL_2D" in out
    foreign = write(tmp_path / "foreign.tflite", _dense())
    code, out, _ = run_cli("inspect", foreign)
    assert code == 0
    assert "metadata: none of edgedigits" in out


def test_a_foreign_file_that_is_no_classifier_is_shown_all_the_same(
    run_cli: RunCli, tmp_path: Path
) -> None:
    code, out, _ = run_cli("inspect", write(tmp_path / "two.tflite", two_input_file()), "--json")
    assert code == 0
    shown = json.loads(out)
    assert len(shown["inputs"]) == 2
    assert [op["name"] for op in shown["ops"]] == ["ADD"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot leave the folder out")
def test_a_module_in_the_current_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    write(tmp_path / "foreign.tflite", _dense())
    monkeypatch.chdir(tmp_path)
    found = inspect_file(Path("foreign.tflite"))
    assert found.bytes == len(_dense())
    assert len(found.contents.ops) == 3
