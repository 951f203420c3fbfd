"""The layer to blame, held against networks whose rounding is worked out in NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_diagnose import (
    HIDDEN,
    calibrated,
    diagnosed,
    digits,
    fitted,
    float_file,
    inputs_of,
    int8_file,
    opened,
    rounded,
    steps,
    symmetric,
)
from helpers_models import Graph, dense_file
from numpy.typing import NDArray

from edgedigits.convert.contents import read_contents
from edgedigits.convert.layer_names import layer_names
from edgedigits.data.dataset import Pictures
from edgedigits.device.classifier import Classifier
from edgedigits.diagnose import Reference, diagnose_file, diagnose_variant
from edgedigits.diagnose.measure import NoiseSum, RangeSum, channel_decibels
from edgedigits.errors import ModelFileError, UsageError


def _db(exact: NDArray[Any], actual: NDArray[Any]) -> float:
    return float(10 * np.log10((exact**2).sum() / ((exact - actual) ** 2).sum()))


def test_a_float_file_of_another_input_is_refused(tmp_path: Path) -> None:
    net = fitted(digits(40))
    file = opened(tmp_path / "int8.tflite", int8_file(net)).path
    weights, bias = np.ones((10, 32 * 32), np.float32), np.zeros(10, np.float32)
    large = tmp_path / "large.tflite"
    large.write_bytes(dense_file(weights, bias, shape=(32, 32, 1)))
    with pytest.raises(UsageError, match=r"--float .*32×32×1, but .*int8.tflite takes 28×28×1"):
        diagnose_file(file, large, "digits", limit=20)
    own = opened(tmp_path / "float.tflite", float_file(net)).path
    assert diagnose_file(file, own, "digits", limit=20).diagnosis.n == 20


def test_ratio_of_a_known_error() -> None:
    noise = NoiseSum()
    noise.add(np.array([3.0, 4.0]), np.array([3.0, 4.5]))  # 25 against 0.25
    assert noise.decibels == pytest.approx(20)
    noise.add(np.array([0.0, 5.0]), np.array([0.0, 5.0]))  # 50 against 0.25
    assert noise.decibels == pytest.approx(10 * np.log10(200))
    assert NoiseSum().decibels == np.inf


def test_ratio_by_channel_leaves_empty_ones_out() -> None:
    exact = np.array([[1.0, 0.0, 10.0], [1.0, 0.0, 10.0]])
    actual = np.array([[1.1, 0.0, 10.0], [1.1, 0.0, 11.0]])
    assert channel_decibels(exact, actual, 1) == pytest.approx([20, 10 * np.log10(200)])


def test_range_against_what_was_seen() -> None:
    held = RangeSum((-1.0, 3.0), 0.5)
    held.add(np.array([-1.2, 0.0, 1.0]))  # within half a step of the end
    held.add(np.array([2.0, -1.3]))  # beyond it
    use = held.use
    assert (use.calibrated, use.seen) == ((-1, 3), (-1.3, 2))
    assert use.clipped == pytest.approx(1 / 5)
    assert use.wasted == pytest.approx(1 / 4)


def test_each_layer_as_worked_out_by_hand(tmp_path: Path) -> None:
    pictures = digits()
    net = fitted(pictures)
    found = diagnosed(tmp_path, net, pictures)
    x = inputs_of(pictures)
    hidden, out = net.run(x)
    stored, scale = symmetric(net.a)
    first = rounded(np.maximum(x @ (stored * scale).T + net.a_bias, 0), *net.hidden_range)
    end = first @ net.b.T + net.b_bias
    head, head_scale = symmetric(net.b)
    second = rounded(hidden @ (head * head_scale).T + net.b_bias, *net.output_range)

    assert [layer.layer for layer in found.layers] == ["first", "second"]  # the input is exact
    one, two = found.layers
    assert one.alone_db == pytest.approx(_db(hidden, first), abs=0.05)
    assert one.end_db == pytest.approx(_db(out, end), abs=0.05)
    assert two.alone_db == two.end_db == pytest.approx(_db(out, second), abs=0.05)
    assert one.weights_db == pytest.approx(_db(net.a, stored * scale), abs=1e-3)
    worst = min(_db(net.a[i], stored[i] * scale) for i in range(HIDDEN))
    assert one.worst_channel_db == pytest.approx(worst, abs=1e-3)

    assert pictures.labels is not None
    before = out.argmax(axis=1)
    for layer, alone in ((one, end), (two, second)):
        answers = alone.argmax(axis=1)
        assert abs(layer.flips_alone - (answers != before).sum()) <= 1  # float32 may break a tie
        assert layer.accuracy_alone == pytest.approx((answers == pictures.labels).mean(), abs=0.01)
    both = rounded(first @ (head * head_scale).T + net.b_bias, *net.output_range)
    assert found.end_db == two.sqnr_db == pytest.approx(_db(out, both), abs=0.3)
    for layer, (low, high) in ((one, net.hidden_range), (two, net.output_range)):
        assert layer.range is not None
        # A zero point is whole, so that the range is shifted by up to half a step.
        assert layer.range.calibrated == pytest.approx((low, high), abs=steps(low, high)[0])
        assert layer.range.clipped == 0


def test_flips_are_those_of_the_files_themselves(tmp_path: Path) -> None:
    pictures = digits()
    net = fitted(pictures)
    net = replace(net, output_range=(-0.3, 0.3))  # many answers end at the upper end: ties
    found = diagnosed(tmp_path, net, pictures)
    before = (
        Classifier(tmp_path / "float.tflite", trust=True).scores(pictures.images).argmax(axis=1)
    )
    after = Classifier(tmp_path / "int8.tflite", trust=True).scores(pictures.images).argmax(axis=1)
    assert pictures.labels is not None
    expected = [
        (i, int(pictures.labels[i]), int(before[i]), int(after[i]))
        for i in range(len(pictures))
        if before[i] != after[i]
    ]
    assert len(expected) > 5
    assert [(f.index, f.truth, f.before, f.after) for f in found.flips] == expected
    lost = (before == pictures.labels).mean() - (after == pictures.labels).mean()
    assert found.drop == pytest.approx(100 * lost)


@pytest.mark.parametrize(("broken", "layer"), [("a", "first"), ("b", "second")])
def test_a_layer_with_one_huge_channel_is_the_worst(
    tmp_path: Path, broken: str, layer: str
) -> None:
    """The channel's own weights are kept, so that the whole layer's ratio looks harmless."""
    pictures = digits()
    net = fitted(pictures)
    sound = diagnosed(tmp_path / "sound", net, pictures)
    # A unit that is never on, or an answer that is never given, changes nothing in float.
    weights, bias = getattr(net, broken).copy(), getattr(net, f"{broken}_bias").copy()
    weights[3] *= 300
    bias[3] = -1e5
    net = calibrated(replace(net, **{broken: weights, f"{broken}_bias": bias}), pictures)
    if broken == "b":  # the answer's range is kept, only the weights are broken
        net = replace(net, output_range=fitted(pictures).output_range)
    found = diagnosed(tmp_path / "broken", net, pictures)
    worst = found.worst()[0]
    assert worst.layer == layer
    assert worst.worst_channel_db is not None
    assert worst.weights_db is not None
    assert worst.worst_channel_db < 1
    assert worst.weights_db > 30
    assert worst.flips_alone > 10 * max(1, *(one.flips_alone for one in sound.layers))


def test_a_range_from_dark_pictures_clips(tmp_path: Path) -> None:
    pictures = digits()
    dark = Pictures((pictures.images // 4).astype(np.uint8), pictures.labels)
    net = calibrated(fitted(pictures), dark)
    found = diagnosed(tmp_path, net, pictures)
    hidden, _ = net.run(inputs_of(pictures))
    scale, _ = steps(*net.hidden_range)
    used = found.layers[0].range
    assert used is not None
    beyond = (hidden > net.hidden_range[1] + scale / 2).mean()
    assert used.clipped == pytest.approx(beyond, abs=1e-3)
    assert used.clipped > 0.05
    bright = diagnosed(tmp_path / "bright", fitted(pictures), pictures).layers[0]
    assert bright.range is not None
    assert bright.range.clipped == 0
    assert bright.alone_db > found.layers[0].alone_db + 15


def test_a_range_that_is_too_wide_is_wasted(tmp_path: Path) -> None:
    pictures = digits()
    net = fitted(pictures)
    net = replace(net, hidden_range=(0, 4 * net.hidden_range[1]))
    used = diagnosed(tmp_path, net, pictures).layers[0].range
    assert used is not None
    assert used.wasted == pytest.approx(0.75, abs=0.005)
    assert used.clipped == 0


def test_a_coarse_input_is_a_layer_of_its_own(tmp_path: Path) -> None:
    """Pictures of 0 to 1 in steps of 1/4, behind a float input and a QUANTIZE."""
    pictures = digits(60)
    weights = fitted(pictures).a[:10].astype(np.float32)

    def file(*, coarse: bool) -> bytes:
        graph = Graph()
        x = graph.tensor([1, 784])
        source = x
        if coarse:
            stored = graph.tensor([1, 784], "INT8", scale=0.25)
            source = graph.tensor([1, 784])
            graph.op("QUANTIZE", [x], [stored])
            graph.op("DEQUANTIZE", [stored], [source])
        w, b = graph.tensor([10, 784], data=weights), graph.tensor([10], data=np.zeros(10, "f4"))
        out = graph.tensor([1, 10])
        graph.op("FULLY_CONNECTED", [source, w, b], [out])
        graph.ends([x], [out])
        return graph.bytes()

    found = diagnose_variant(
        opened(tmp_path / "coarse.tflite", file(coarse=True)),
        Reference(opened(tmp_path / "float.tflite", file(coarse=False)), "by hand"),
        pictures,
        np.arange(60, dtype=np.int64),
    )
    assert [layer.layer for layer in found.layers] == ["input"]
    x = inputs_of(pictures)
    coarse = np.rint(x * 4) / 4
    assert found.layers[0].alone_db == pytest.approx(_db(x, coarse), abs=0.05)
    exact, after = x @ weights.T, coarse @ weights.T
    assert found.layers[0].end_db == pytest.approx(_db(exact, after), abs=0.05)
    assert found.end_db == pytest.approx(_db(exact, after), abs=0.05)


def test_names_from_tensors() -> None:
    contents = read_contents(float_file(fitted(digits(40))), "x")
    assert layer_names(contents) == ("first", "second")
    assert layer_names(contents, {"second": ""}) == ("fully_connected 0", "second")
    renamed = [
        replace(tensor, name=tensor.name.replace("first", "dense_1_2"))
        for tensor in contents.tensors
    ]
    counted = replace(contents, tensors=tuple(renamed))
    assert layer_names(counted, {"dense_1", "second"}) == ("dense_1", "second")
    assert layer_names(counted, {"dense_1_2", "dense_1", "second"}) == ("dense_1_2", "second")
    nameless = read_contents(int8_file(fitted(digits(40))), "x")
    assert layer_names(nameless) == ("fully_connected 0", "fully_connected 1")


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    pictures = digits(40)
    net = fitted(pictures)
    whole = opened(tmp_path / "float.tflite", float_file(net))
    small = opened(tmp_path / "int8.tflite", int8_file(net))
    indices = np.arange(40, dtype=np.int64)
    with pytest.raises(ModelFileError, match=r"int8\.tflite: is quantised itself"):
        diagnose_variant(whole, Reference(small, "x"), pictures, indices)
    other = dense_file(np.ones((10, 784), np.float32), np.zeros(10, np.float32), softmax=False)
    foreign = opened(tmp_path / "other.tflite", other)
    with pytest.raises(ModelFileError, match=r"was not made of .*other\.tflite"):
        diagnose_variant(small, Reference(foreign, "x"), pictures, indices)
