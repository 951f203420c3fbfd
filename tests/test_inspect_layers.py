"""What each operation costs and where it would map, against counts by hand."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from helpers_models import Graph

from edgedigits.convert.edgetpu import map_edgetpu
from edgedigits.convert.inspection import Inspection, examine, inspect_file
from edgedigits.convert.layer_facts import GZIP_WHOLE, gzip_size, layer_facts
from edgedigits.convert.layer_names import layer_name
from edgedigits.models.registry import get_model
from edgedigits.report.inspection import inspection_json, inspection_view
from edgedigits.report.rows import as_text
from edgedigits.zoo import reader_file


def found_in(data: bytes) -> Inspection:
    return examine(data, Path("x.tflite"))


def why(graph: Graph) -> list[str]:
    """Why each operation does not map to the Edge TPU."""
    return [op.why for op in map_edgetpu(found_in(graph.bytes()).contents).ops]


def int8(graph: Graph, *shape: int, data: np.ndarray | None = None, scales: int = 1) -> int:
    stored = None if data is None else data.astype(np.int8)
    number = graph.tensor(list(shape), "INT8", stored, scale=0.1)
    graph.part.tensors[number].quantization.scale = [0.1] * scales
    graph.part.tensors[number].quantization.zeroPoint = [0] * scales
    return number


def bias(graph: Graph, size: int) -> int:
    return graph.tensor([size], "INT32", np.zeros(size, np.int32), scale=0.01)


def convolved(*, named: str = "", **options: int) -> Graph:
    """A picture through a convolution, by hand."""
    graph = Graph()
    picture, out = int8(graph, 1, 10, 8, 3), int8(graph, 1, 5, 4, 6)
    weights = int8(graph, 6, 3, 3, 3, data=np.arange(162).reshape(6, 3, 3, 3) % 5, scales=6)
    settings = {"strideW": 2, "strideH": 2, "dilationWFactor": 1, "dilationHFactor": 1}
    graph.op("CONV_2D", [picture, weights, bias(graph, 6)], [out], **settings | options)
    graph.part.tensors[weights].name = named.encode()
    graph.ends([picture], [out])
    return graph


def test_a_convolution_by_hand() -> None:
    (layer,) = layer_facts(found_in(convolved().bytes()).contents)
    assert layer.parameters == 6 * 3 * 3 * 3 + 6
    assert layer.macs == 5 * 4 * 6 * 3 * 3 * 3
    assert layer.bytes == 162 + 6 * 4
    assert (layer.weights, layer.scales, layer.shape) == ("INT8", 6, (1, 5, 4, 6))
    assert layer.distinct == 5
    assert layer.zeros == pytest.approx(33 / 162)  # 0, 5, …, 160
    weights = (np.arange(162) % 5).astype(np.int8).tobytes()
    parts = [gzip.compress(weights, mtime=0), gzip.compress(bytes(24), mtime=0)]
    assert layer.gzip.bytes == sum(map(len, parts))


def test_depthwise_and_dense_by_hand() -> None:
    graph = Graph()
    picture, deep = int8(graph, 1, 6, 6, 4), int8(graph, 1, 6, 6, 4)
    weights = int8(graph, 1, 3, 3, 4, data=np.ones((1, 3, 3, 4)))
    graph.op("DEPTHWISE_CONV_2D", [picture, weights, bias(graph, 4)], [deep], strideW=1, strideH=1)
    flat, out = int8(graph, 1, 144), int8(graph, 1, 10)
    size = graph.tensor([2], "INT32", np.array([1, 144], np.int32))
    graph.op("RESHAPE", [deep, size], [flat])
    graph.op("FULLY_CONNECTED", [flat, int8(graph, 10, 144, data=np.ones((10, 144))), -1], [out])
    graph.ends([picture], [out])
    layers = layer_facts(found_in(graph.bytes()).contents)
    assert [layer.macs for layer in layers] == [6 * 6 * 9 * 4, 0, 1440]
    assert [layer.parameters for layer in layers] == [36 + 4, 0, 1440]


def test_numbers_in_four_bits_are_counted_one_by_one() -> None:
    graph = Graph()
    a, b = int8(graph, 1, 3), int8(graph, 1, 3)
    packed = np.array([0x10, 0x02, 0x20, 0x02, 0x05], np.uint8)  # 0 1 2 0 0 2 2 0 5
    weights = graph.tensor([3, 3], "INT4", packed, scale=0.1)
    graph.op("FULLY_CONNECTED", [a, weights, -1], [b])
    graph.ends([a], [b])
    (layer,) = layer_facts(found_in(graph.bytes()).contents)
    assert layer.distinct == 4
    assert layer.zeros == pytest.approx(4 / 9)


def test_shipped_files_count_what_their_description_says() -> None:
    for name in ("mnist-8k", "digit-reader"):
        file = reader_file().parent / f"{name}.tflite"
        described = json.loads(file.with_suffix(".json").read_text())
        found = inspect_file(file)
        assert (found.parameters, found.macs) == (described["parameters"], described["macs"])
        assert found.gzip.bytes == len(gzip.compress(file.read_bytes(), mtime=0))


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8", "int4", "qat-int8"])
def test_every_variant_has_the_layers_of_its_model(exported_run: Path, variant: str) -> None:
    manifest = json.loads((exported_run / "run.json").read_text())
    found = inspect_file(exported_run / "exports" / f"{variant}.tflite")
    model = get_model(manifest["model"]["name"])
    assert (found.parameters, found.macs) == (model.parameters, model.macs)
    named = [layer.layer for layer in found.layers if layer.macs]
    assert named == ["conv_1", "conv_2", "dense_1", "dense_2"]
    assert found.contents.fully_int8() == (variant in ("int8", "qat-int8"))


def test_layer_names() -> None:
    def named(*names: str) -> str | None:
        graph = Graph()
        a = graph.tensor([1, 4], name="in")
        b = graph.tensor([1, 4], name=";".join(names))
        graph.op("ABS", [a], [b])
        graph.ends([a], [b])
        contents = found_in(graph.bytes()).contents
        return layer_name(contents.ops[0], contents.tensors)

    assert named("tiny_cnn/conv_1/Relu", "tiny_cnn/conv_1/BiasAdd") == "conv_1"
    assert named("functional_1/dense_2_1/MatMul") == "dense_2_1"
    assert named("m/quant_dense/BiasAdd/ReadVariableOp") == "dense"
    assert named("m/quant_pool/LastValueQuant/FakeQuantWithMinMaxVars") == "quant_pool"[6:]
    assert named("StatefulPartitionedCall:0") is None
    fusing = "m/relu_4/Relu;m/conv_4/Conv2D"
    (fused,) = layer_facts(found_in(convolved(named=fusing).bytes()).contents)
    assert fused.layer == "conv_4"
    assert named("") is None


def test_long_data_is_judged_by_samples() -> None:
    rng = np.random.default_rng(0)
    data = rng.integers(0, 16, GZIP_WHOLE + 4096, dtype=np.uint8)
    judged = gzip_size(data)
    assert judged.estimated
    assert judged.bytes == pytest.approx(len(gzip.compress(data.tobytes(), 1, mtime=0)), rel=0.1)
    assert not gzip_size(data[:1000]).estimated


def test_float_islands_are_told_apart() -> None:
    graph = Graph()
    whole = [int8(graph, 1, 4) for _ in range(2)]
    real = [graph.tensor([1, 4]) for _ in range(5)]
    graph.op("QUANTIZE", [real[0]], [whole[0]])
    graph.op("DEQUANTIZE", [whole[0]], [real[1]])
    graph.op("ABS", [real[1]], [real[2]])
    graph.op("EXP", [real[2]], [real[3]])
    graph.op("QUANTIZE", [real[3]], [whole[1]])
    graph.op("ABS", [whole[1]], [whole[0]])
    graph.op("DEQUANTIZE", [whole[0]], [real[4]])
    graph.ends([real[0]], [real[4]])
    contents = found_in(graph.bytes()).contents
    assert [[op.index for op in island] for island in contents.islands()] == [[2, 3]]
    assert contents.verdict() == "fully int8: no (1 float island: operations 2–3 ABS, EXP)"


def test_int8_between_float_ends() -> None:
    graph = Graph()
    whole, real = [int8(graph, 1, 4) for _ in range(2)], [graph.tensor([1, 4]) for _ in range(2)]
    graph.op("QUANTIZE", [real[0]], [whole[0]])
    graph.op("ABS", [whole[0]], [whole[1]])
    graph.op("DEQUANTIZE", [whole[1]], [real[1]])
    graph.ends([real[0]], [real[1]])
    contents = found_in(graph.bytes()).contents
    assert contents.verdict() == ("fully int8: no (int8 with float ends: 0 QUANTIZE, 2 DEQUANTIZE)")


# --- the Edge TPU's documented limits, one by one --------------------------------------------


def test_a_whole_int8_file_maps() -> None:
    mapping = map_edgetpu(found_in(convolved().bytes()).contents)
    assert [op.segment for op in mapping.ops] == [True]
    assert (mapping.first, mapping.end, mapping.parameter_bytes) == (0, 1, 162 + 24)
    assert mapping.cached
    assert mapping.warnings == ()


def test_dilation_must_be_the_same_both_ways() -> None:
    assert why(convolved(dilationWFactor=2)) == ["dilated by 2 and 1; both must be the same"]
    assert why(convolved(dilationWFactor=2, dilationHFactor=2)) == [""]


def test_pooling_has_no_activation_of_its_own() -> None:
    graph = Graph()
    a, b = int8(graph, 1, 4, 4, 2), int8(graph, 1, 2, 2, 2)
    relu = schema.ActivationFunctionType.RELU
    graph.op("MAX_POOL_2D", [a], [b], fusedActivationFunction=relu)
    graph.ends([a], [b])
    assert why(graph) == ["with the activation relu fused into it"]


def test_the_segment_ends_at_the_first_that_does_not_map() -> None:
    graph = Graph()
    real, steps = graph.tensor([1, 4]), [int8(graph, 1, 4) for _ in range(4)]
    graph.op("QUANTIZE", [real], [steps[0]])
    graph.op("RELU", [steps[0]], [steps[1]])
    graph.op("ABS", [steps[1]], [steps[2]])
    graph.op("RELU", [steps[2]], [steps[3]])
    graph.ends([real], [steps[3]])
    mapping = map_edgetpu(found_in(graph.bytes()).contents)
    assert [op.why for op in mapping.ops] == ["works on float32", "", "not supported", ""]
    assert [op.segment for op in mapping.ops] == [False, True, False, False]
    assert (mapping.first, mapping.end) == (1, 2)
    assert mapping.warnings == ("1 that would map run on the processor, behind one that does not",)


def test_dense_with_a_scale_a_channel_is_warned_about() -> None:
    graph = Graph()
    a, b = int8(graph, 1, 4), int8(graph, 1, 3)
    graph.op("FULLY_CONNECTED", [a, int8(graph, 3, 4, data=np.ones((3, 4)), scales=3), -1], [b])
    graph.ends([a], [b])
    mapping = map_edgetpu(found_in(graph.bytes()).contents)
    assert mapping.ops[0].segment
    (warning,) = mapping.warnings
    assert warning.startswith("FULLY_CONNECTED 0: weights with a scale a channel")


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ([1, 16_000], ""),
        ([1, 16_001], "of 16,001 elements, over 16,000"),
        ([2, 10], "of more than one row"),
    ],
)
def test_softmax_is_of_one_row_that_is_not_too_long(sides: list[int], expected: str) -> None:
    graph = Graph()
    a, b = int8(graph, *sides), int8(graph, *sides)
    graph.op("SOFTMAX", [a], [b], beta=1.0)
    graph.ends([a], [b])
    assert why(graph) == [expected]


def test_means_and_margins_leave_the_batch_alone() -> None:
    for axes, expected in ([1, 2], ""), ([0], "over the batch"), ([-4], "over the batch"):
        graph = Graph()
        a, b = int8(graph, 1, 4, 4, 2), int8(graph, 1, 2)
        numbers = graph.tensor([len(axes)], "INT32", np.array(axes, np.int32))
        graph.op("MEAN", [a, numbers], [b])
        graph.ends([a], [b])
        assert why(graph) == [expected]
    for margins, expected in ([0, 0, 1, 1], ""), ([0, 1, 1, 1], "of the batch"):
        graph = Graph()
        a, b = int8(graph, 1, 4), int8(graph, 1, 6)
        numbers = graph.tensor([2, 2], "INT32", np.array(margins, np.int32))
        graph.op("PAD", [a, numbers], [b])
        graph.ends([a], [b])
        assert why(graph) == [expected]


def test_four_long_sides_and_free_ones_do_not_map() -> None:
    for shape, expected in (
        ([2, 3, 4, 5], "tensor 0 has more than three sides longer than 1"),
        ([-1, 4], "tensor 0 has no fixed shape"),
    ):
        graph = Graph()
        a, b = int8(graph, *shape), int8(graph, *shape)
        graph.op("RELU", [a], [b])
        graph.ends([a], [b])
        assert why(graph) == [expected]


def test_parameters_beyond_the_chip_are_warned_about() -> None:
    graph = Graph()
    a, b = int8(graph, 1, 3_000), int8(graph, 1, 3_000)
    weights = int8(graph, 3_000, 3_000, data=np.ones((3_000, 3_000)))
    graph.op("FULLY_CONNECTED", [a, weights, -1], [b])
    graph.ends([a], [b])
    mapping = map_edgetpu(found_in(graph.bytes()).contents)
    assert not mapping.cached
    assert mapping.parameter_bytes == 9_000_000
    assert mapping.warnings[0].startswith("9,000,000 bytes of parameters do not fit the 8 MiB")


# --- what is printed ------------------------------------------------------------------------


def test_text_and_document_say_the_same() -> None:
    found = inspect_file(reader_file().parent / "mnist-8k.tflite")
    text = as_text(*inspection_view(found), width=220)
    assert "fully int8: yes" in text
    assert "4,778 parameters, 741,000 multiplications a run" in text
    assert "11 of 11 operations would map" in text
    assert "TensorFlow Lite Micro: runs all 11 operations" in text
    assert "arena: 13,152 bytes, 9,408 for tensors and 3,744 for Micro's tables" in text
    document = inspection_json(found)
    assert document["micro"]["arena"]["bytes"] == 13_152
    assert sum(layer["macs"] for layer in document["layers"]) == document["macs"]
    rows = re.findall(r"^\s*(\d+)\s+([A-Z_0-9]+)\s+\d", text, re.MULTILINE)
    assert [name for _, name in rows] == [layer["name"] for layer in document["layers"]]
