"""Files that are damaged, foreign, or not for this machine: one clear line, exit code 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from conftest import RunCli
from helpers_models import Graph, endless_file, write

from edgedigits.convert.inspection import examine
from edgedigits.convert.packing import pack
from edgedigits.errors import ModelFileError
from edgedigits.zoo import reader_file

if TYPE_CHECKING:
    from types import ModuleType

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def custom_file(code: str) -> bytes:
    """One operation that is not part of the format."""
    graph = Graph()
    a, b = graph.tensor([1, 4], "INT8", scale=0.1), graph.tensor([1, 4], "INT8", scale=0.1)
    graph.op("ABS", [a], [b])
    graph.model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
    graph.model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    graph.model.operatorCodes[0].customCode = code.encode()
    graph.part.operators[0].builtinOptions = None
    graph.part.operators[0].builtinOptionsType = 0
    graph.ends([a], [b])
    return graph.bytes()


def relu_file() -> Graph:
    graph = Graph()
    a, b = graph.tensor([1, 4], "INT8", scale=0.1), graph.tensor([1, 4], "INT8", scale=0.1)
    graph.op("ABS", [a], [b])
    graph.ends([a], [b])
    return graph


def refusal(data: bytes) -> str:
    """The message for a file; it is one line."""
    with pytest.raises(ModelFileError) as caught:
        examine(data, Path("x.tflite"))
    (line,) = str(caught.value).splitlines()
    return line


def test_indices_out_of_range_are_named() -> None:
    graph = relu_file()
    graph.part.operators[0].inputs = [7]
    assert "operation 0 names tensor 7 of 2" in refusal(graph.bytes())
    graph = relu_file()
    graph.part.operators[0].inputs = [-2]
    assert "operation 0 names tensor -2 of 2" in refusal(graph.bytes())
    graph = relu_file()
    graph.part.outputs = [-1]
    assert "the graph's outputs names tensor -1 of 2" in refusal(graph.bytes())
    graph = relu_file()
    graph.part.operators[0].opcodeIndex = 3
    assert "operation 0 is of kind 3 of 1" in refusal(graph.bytes())
    graph = relu_file()
    graph.part.tensors[1].buffer = 9
    assert "tensor 1 names buffer 9 of 1" in refusal(graph.bytes())


def test_kinds_that_the_format_does_not_know() -> None:
    graph = relu_file()
    graph.model.operatorCodes[0].builtinCode = 5_000
    assert "the kind of operation 0 is 5000, which the format does not know" in refusal(
        graph.bytes()
    )
    graph = relu_file()
    graph.part.tensors[0].type = 100
    assert "the type of tensor 0 is 100" in refusal(graph.bytes())


def test_more_declared_than_the_file_holds() -> None:
    graph = relu_file()
    graph.part.tensors[0].shape = [1 << 30, 1 << 30]
    weights = graph.tensor([1 << 20, 1 << 20], "INT8", np.ones(4, np.int8), scale=0.1)
    graph.part.operators[0].inputs = [weights]
    assert f"tensor {weights} (int8 [1048576, 1048576]) needs 1,099,511,627,776 bytes" in refusal(
        graph.bytes()
    )


def test_an_activation_of_any_size_costs_no_memory() -> None:
    graph = relu_file()
    for tensor in graph.part.tensors:
        tensor.shape = [1 << 30, 1 << 30]
    found = examine(graph.bytes(), Path("x.tflite"))
    assert found.arena is not None
    assert found.arena.head == 2 << 60


def test_vectors_that_all_lie_at_the_same_place_are_counted() -> None:
    # 100,000 scales, written once, of 1,000 tensors: 100 million numbers in half a megabyte.
    graph = relu_file()
    scales = np.full(100_000, 0.1, np.float32)
    for _ in range(1_000):
        number = graph.tensor([1], "INT8", scale=0.1)
        graph.part.tensors[number].quantization.scale = scales
    data = pack(graph.model, share=True)
    assert len(data) < 1 << 20
    assert "it declares more scales than it can hold" in refusal(data)


def test_a_scale_that_is_no_number() -> None:
    graph = relu_file()
    graph.part.tensors[1].quantization.scale = [float("nan")]
    assert "a scale of tensor 1 is no number" in refusal(graph.bytes())


def test_names_cannot_drive_the_terminal() -> None:
    graph = relu_file()
    graph.part.tensors[0].name = b"\x1b[31mred\x07"
    tensors = examine(graph.bytes(), Path("x.tflite")).contents.tensors
    assert tensors[0].name == "\ufffd[31mred\ufffd"


@pytest.mark.parametrize("keep", [9, 64, 1_000, 4_000, 8_127])
def test_truncated(tmp_path: Path, run_cli: RunCli, keep: int) -> None:
    whole = (reader_file().parent / "mnist-8k.tflite").read_bytes()
    if keep in (9, 4_000):  # as a command twice is enough
        cut = write(tmp_path / "cut.tflite", whole[:keep])
        code, out, error = run_cli("inspect", cut)
        assert (code, out) == (1, "")
        (line,) = error.splitlines()
        assert line.startswith("edgedigits: ")
        assert "cut.tflite: " in line
    else:
        assert "x.tflite: its graph cannot be read" in refusal(whole[:keep])


def test_random_bytes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        noise = rng.integers(0, 256, int(rng.integers(8, 5_000)), np.uint8).tobytes()
        assert "x.tflite: " in refusal(noise[:4] + b"TFL3" + noise[8:])


def test_an_unknown_custom_operation_is_named(tmp_path: Path, run_cli: RunCli) -> None:
    file = write(tmp_path / "own.tflite", custom_file("MyOwnOp"))
    code, out, error = run_cli("inspect", file)
    assert code == 1
    assert "fully int8: not known (custom operations MyOwnOp)" in out
    (line,) = error.splitlines()
    assert line.endswith("own.tflite: unknown custom operation MyOwnOp; nothing here runs it")


def test_a_file_compiled_for_the_edge_tpu_is_said_to_be_one(
    tmp_path: Path, run_cli: RunCli
) -> None:
    file = write(tmp_path / "m_edgetpu.tflite", custom_file("edgetpu-custom-op"))
    code, out, error = run_cli("inspect", file, "--json")
    assert code == 1
    document = json.loads(out)
    assert document["custom_operations"] == ["edgetpu-custom-op"]
    assert document["edgetpu"]["compiled"] is True
    (line,) = error.splitlines()
    assert (
        "m_edgetpu.tflite: compiled for the Edge TPU (custom operation edgetpu-custom-op)" in line
    )


def test_several_graphs_are_told(tmp_path: Path, run_cli: RunCli) -> None:
    code, out, error = run_cli("inspect", write(tmp_path / "loop.tflite", endless_file()))
    assert code == 1
    assert "WHILE" in out
    (line,) = error.splitlines()
    assert line.endswith("loop.tflite: holds 3 graphs; only the first is shown")


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import fuzz_inspect

    return fuzz_inspect


def shipped() -> list[bytes]:
    return [path.read_bytes() for path in sorted(reader_file().parent.glob("*.tflite"))]


def test_mutated_files_are_shown_or_refused(fuzz: ModuleType) -> None:
    result = fuzz.run(shipped(), 600, seed=1)
    assert result["failures"] == []
    assert sum(result["outcomes"].values()) == 600
    assert {"refused", "shown"} <= set(result["outcomes"])


@pytest.mark.slow
def test_ten_thousand_mutated_files(fuzz: ModuleType) -> None:
    assert fuzz.run(shipped(), 10_000, seed=2)["failures"] == []


def test_a_mutant_that_gets_through_is_told(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise IndexError("beyond")

    monkeypatch.setattr(fuzz, "examine", broken)
    assert fuzz.run(shipped(), 2, seed=0)["failures"][0] == "mutant 0: IndexError: beyond"
