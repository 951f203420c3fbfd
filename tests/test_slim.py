"""Slim files compute the same with fewer bytes, and what is known of them stands beside them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from conftest import RunCli
from helpers_models import Graph, dense_file, nearest_mean, write

import edgedigits.zoo
from edgedigits.convert.slim import slim
from edgedigits.convert.stamp import stamp
from edgedigits.data.builtin import load_digits
from edgedigits.device.classifier import Classifier
from edgedigits.device.interpreter import Interpreter
from edgedigits.device.metadata import Metadata, read_metadata
from edgedigits.device.sidecar import file_metadata, is_as_written, sidecar
from edgedigits.errors import ModelFileError
from edgedigits.files import write_json

READER = edgedigits.zoo.reader_file()
KERNELS: tuple[Literal["default", "reference"], ...] = ("default", "reference")


def _means_file(*, softmax: bool = True) -> bytes:
    train = load_digits().train
    assert train.labels is not None
    return dense_file(*nearest_mean(train.images, train.labels, 10), softmax=softmax)


def _twins_file() -> bytes:
    """Two Dense layers with the same weights in buffers of their own, and a tensor nobody uses."""
    weights = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    bias = np.arange(16, dtype=np.float32)
    graph = Graph()
    picture = graph.tensor([1, 4, 4, 1], name="picture")
    size = graph.tensor([2], "INT32", np.array([1, 16], np.int32))
    value = graph.tensor([1, 16])
    graph.op("RESHAPE", [picture, size], [value], newShape=[1, 16])
    graph.tensor([1000], data=np.ones(1000, np.float32), name="unused")
    for _ in range(2):
        layer = [graph.tensor(list(part.shape), data=part) for part in (weights, bias)]
        after = graph.tensor([1, 16])
        graph.op("FULLY_CONNECTED", [value, *layer], [after])
        value = after
    graph.ends([picture], [value])
    return graph.bytes()


def _parsed(data: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(data, 0)


def _answers(data: bytes, kernels: Literal["default", "reference"]) -> bytes:
    """Outputs, as stored, of pictures of digits, faint ones among them."""
    interpreter = Interpreter(data, "file", kernels=kernels)
    shape, dtype = interpreter.input.shape, interpreter.input.dtype
    found = b""
    for strength, image in enumerate(load_digits().train.images[:32]):
        pixels = image.reshape(-1)[: math.prod(shape)] * (strength / 31)
        values = pixels - 128 if dtype == np.int8 else pixels / 255
        found += interpreter.run(values.astype(dtype).reshape(shape)).tobytes()
    return found


def _with_metadata() -> bytes:
    """The shipped reader, which is slim itself, with its metadata inside."""
    data = READER.read_bytes()
    metadata = file_metadata(READER, data)
    assert metadata is not None
    return stamp(data, metadata)


PLAIN = _with_metadata()
FILES = {
    "reader": PLAIN,
    "means": _means_file(),
    "logits": _means_file(softmax=False),
    "twins": _twins_file(),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kernels", KERNELS)
def test_the_outputs_are_the_same_bits(name: str, kernels: Literal["default", "reference"]) -> None:
    before, after = FILES[name], slim(FILES[name])
    assert _answers(after, kernels) == _answers(before, kernels)
    assert len(set(_answers(after, kernels))) > 8  # not a file that answers nothing


@pytest.mark.parametrize("name", FILES)
def test_names_and_metadata_are_gone_and_the_file_is_smaller(name: str) -> None:
    after = slim(FILES[name])
    assert len(after) < len(FILES[name])
    model = _parsed(after)
    assert not model.metadata
    assert not model.signatureDefs
    assert {tensor.name for graph in model.subgraphs for tensor in graph.tensors} == {None}
    assert slim(after) == after


@pytest.mark.parametrize("name", FILES)
def test_constant_data_begins_at_multiples_of_16(name: str) -> None:
    model = schema.Model.GetRootAs(slim(FILES[name]), 0)
    starts = []
    for i in range(model.BuffersLength()):
        buffer = model.Buffers(i)
        if buffer.DataLength():
            starts.append(buffer._tab.Vector(buffer._tab.Offset(4)))
    assert starts
    assert not [start for start in starts if start % 16]


def test_what_nothing_uses_is_dropped_and_what_is_alike_is_stored_once() -> None:
    before, after = _parsed(FILES["twins"]), _parsed(slim(FILES["twins"]))
    assert len(before.subgraphs[0].tensors) == 10
    assert len(after.subgraphs[0].tensors) == 9
    first, second = (op.inputs for op in after.subgraphs[0].operators[1:])
    buffers = [tensor.buffer for tensor in after.subgraphs[0].tensors]
    assert [buffers[n] for n in first[1:]] == [buffers[n] for n in second[1:]]
    sizes = [0 if buffer.data is None else len(buffer.data) for buffer in after.buffers]
    assert sorted(sizes) == [0, 2 * 4, 16 * 4, 16 * 16 * 4]


def test_the_stored_numbers_are_those_of_the_file_before() -> None:
    """Weights, biases and scales, tensor by tensor in the order of the operations."""

    def stored(data: bytes) -> list[tuple[bytes, tuple[float, ...]]]:
        model = _parsed(data)
        (graph,) = model.subgraphs
        found = []
        for op in graph.operators:
            for place, number in enumerate([*op.inputs, *op.outputs]):
                tensor = graph.tensors[number]
                content = model.buffers[tensor.buffer].data
                scales = () if tensor.quantization is None else tensor.quantization.scale
                if place == 2 and scales is not None and len(scales) > 1:
                    scales = ()  # the bias: kernels do not read its scales
                raw = b"" if content is None else np.asarray(content, np.uint8).tobytes()
                found.append((raw, tuple(() if scales is None else map(float, scales))))
        return found

    assert stored(slim(PLAIN)) == stored(PLAIN)


@pytest.mark.parametrize("length", [0, 3, 8, 100, 5000])
def test_garbage_is_refused_in_one_line(length: int) -> None:
    rng = np.random.default_rng(length)
    for _ in range(20):
        with pytest.raises(ModelFileError, match=r"^mine: its graph cannot be read"):
            slim(rng.bytes(length), "mine")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_file_is_refused(share: float) -> None:
    data = READER.read_bytes()
    with pytest.raises(ModelFileError, match=r"^the file: its graph cannot be read"):
        slim(data[: math.floor(share * len(data))])


@pytest.fixture
def slimmed(tmp_path: Path) -> Path:
    """The shipped reader as a slim file with its JSON beside it."""
    metadata = read_metadata(PLAIN)
    assert metadata is not None
    file = write(tmp_path / "reader.tflite", slim(PLAIN))
    write_json(file.with_suffix(".json"), sidecar(file.read_bytes(), metadata))
    return file


def test_a_slim_file_is_known_by_the_json_beside_it(slimmed: Path) -> None:
    plain = Classifier(write(slimmed.with_name("plain.tflite"), PLAIN))
    found = Classifier(slimmed)
    assert found.metadata == plain.metadata is not None
    assert found.assumptions == ()
    assert is_as_written(slimmed, slimmed.read_bytes())
    images = load_digits().train.images[:50]
    np.testing.assert_array_equal(found.scores(images), plain.scores(images))


def test_a_json_file_of_another_file_is_an_error_of_one_line(slimmed: Path) -> None:
    write(slimmed, PLAIN)
    assert isinstance(Classifier(slimmed).metadata, Metadata)  # its own, from inside
    write(slimmed, _means_file())
    with pytest.raises(ModelFileError, match=r"reader\.json: was written for another file than"):
        Classifier(slimmed)


@pytest.mark.parametrize(
    "beside", [b"", b"[]", b"{}", b'{"sha256": "0"}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_json_file_about_something_else_does_not_matter(slimmed: Path, beside: bytes) -> None:
    slimmed.with_suffix(".json").write_bytes(beside)
    assert file_metadata(slimmed, slimmed.read_bytes()) is None
    assert not is_as_written(slimmed, slimmed.read_bytes())


def test_metadata_of_another_kind_counts_as_none(slimmed: Path) -> None:
    document = json.loads(slimmed.with_suffix(".json").read_text())
    for value in (None, 3, {}, {**document["metadata"], "edgedigits": 99}):
        write_json(slimmed.with_suffix(".json"), {**document, "metadata": value})
        assert file_metadata(slimmed, slimmed.read_bytes()) is None


@pytest.mark.slow
def test_export_slim(run: Path, run_cli: RunCli) -> None:
    code, out, error = run_cli("export", run, "--int8", "--slim", "--source", "model", "--json")
    assert code == 0, error
    (made,) = json.loads(out)["exported"]
    assert made["variant"] == "int8-slim"
    plain, file = run / "exports" / "int8.tflite", run / "exports" / "int8-slim.tflite"
    assert made["bytes"] == file.stat().st_size < plain.stat().st_size - 2000
    assert file.read_bytes() == slim(plain.read_bytes())
    first, second = Classifier(plain).metadata, Classifier(file).metadata
    assert first is not None
    assert second is not None
    assert second.to_json() == {**first.to_json(), "variant": "int8-slim"}
    code, out, error = run_cli("compare", run, "--scenes", 0, "--json")
    assert code == 0, error
    rows = {row["variant"]: row for row in json.loads(out)["rows"]}
    names = list(rows)
    assert names.index("int8-slim") == names.index("int8") + 1
    assert rows["int8-slim"]["accuracy"] == rows["int8"]["accuracy"]
    assert rows["int8-slim"]["note"] == ""
    code, out, error = run_cli("evaluate", file, "--json")
    assert code == 0, error
    assert json.loads(out)["accuracy"] == rows["int8"]["accuracy"]
