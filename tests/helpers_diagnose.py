"""A small network of two Dense layers, quantised by hand, and what each layer's rounding does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from helpers_models import Graph, write
from numpy.typing import NDArray

from edgedigits.data.builtin import load_digits
from edgedigits.data.dataset import Pictures
from edgedigits.device.classifier import Classifier
from edgedigits.diagnose import Reference, VariantDiagnosis, diagnose_variant

F64 = NDArray[np.float64]
RELU = 1
HIDDEN = 24


def digits(n: int = 300) -> Pictures:
    """The first embedded digits."""
    return load_digits().train.take(np.arange(n))


@dataclass(frozen=True, eq=False)
class Net:
    """``relu(x·Aᵀ + a)·Bᵀ + b``: float64 weights, and the ranges that its values are stored in."""

    a: F64
    a_bias: F64
    b: F64
    b_bias: F64
    hidden_range: tuple[float, float]
    output_range: tuple[float, float]

    def run(self, x: F64) -> tuple[F64, F64]:
        """What both layers write."""
        hidden = np.maximum(x @ self.a.T + self.a_bias, 0)
        return hidden, hidden @ self.b.T + self.b_bias


def inputs_of(pictures: Pictures) -> F64:
    """``[n, 784]``, 0 to 1."""
    return np.asarray(pictures.images.reshape(len(pictures), -1) / 255, np.float64)


def fitted(pictures: Pictures) -> Net:
    """Random features and a least-squares head; ranges as seen over the pictures."""
    x = inputs_of(pictures)
    assert pictures.labels is not None
    draw = np.random.default_rng(5)
    a, a_bias = draw.normal(size=(HIDDEN, 784)) / 28, draw.normal(size=HIDDEN) / 4
    hidden = np.maximum(x @ a.T + a_bias, 0)
    wanted = np.eye(10)[pictures.labels]
    b = np.linalg.lstsq(np.c_[hidden, np.ones(len(x))], wanted, rcond=None)[0].T
    net = Net(a, a_bias, b[:, :-1], b[:, -1], (0, 1), (0, 1))
    return calibrated(net, pictures)


def calibrated(net: Net, pictures: Pictures) -> Net:
    """The same network with ranges as seen over pictures; 0 is always in."""
    ranges = [(min(0.0, v.min()), max(0.0, v.max())) for v in net.run(inputs_of(pictures))]
    return replace(net, hidden_range=ranges[0], output_range=ranges[1])


def steps(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of an int8 range."""
    scale = float(np.float32((high - low) / 255))
    return scale, round(-128 - low / scale)


def symmetric(weights: F64) -> tuple[NDArray[np.int8], float]:
    """Weights as int8 with one scale for all, and the scale."""
    scale = float(np.float32(np.abs(weights).max() / 127))
    return np.rint(weights / scale).astype(np.int8), scale


def rounded(values: F64, low: float, high: float) -> F64:
    """Values as they come back from an int8 range."""
    scale, zero = steps(low, high)
    stored = np.clip(np.rint(values / scale) + zero, -128, 127)
    return np.asarray((stored - zero) * scale, np.float64)


def float_file(net: Net) -> bytes:
    """The network in float32, its tensors named as the converter names those of Keras layers."""
    graph = Graph()
    x = graph.tensor([1, 784], name="serving_default_input:0")
    hidden = graph.tensor([1, HIDDEN], name="net/first/MatMul;net/first/Relu;net/first/BiasAdd")
    out = graph.tensor([1, 10], name="net/second/MatMul;net/second/BiasAdd")
    kernels = [graph.tensor(list(w.shape), data=w.astype(np.float32)) for w in (net.a, net.b)]
    biases = [graph.tensor([len(w)], data=w.astype(np.float32)) for w in (net.a_bias, net.b_bias)]
    _dense(graph, [x, hidden, out], kernels, biases)
    return graph.bytes()


def int8_file(net: Net) -> bytes:
    """The network in int8, one scale a tensor."""
    graph = Graph()
    x = graph.tensor([1, 784], "INT8", scale=1 / 255, zero_point=-128)
    ranges = (net.hidden_range, net.output_range)
    ends = []
    for width, (scale, zero) in zip((HIDDEN, 10), (steps(*one) for one in ranges), strict=True):
        ends.append(graph.tensor([1, width], "INT8", scale=scale, zero_point=zero))
    kernels, biases = [], []
    scale_in = 1 / 255
    layers = ((net.a, net.a_bias, ranges[0]), (net.b, net.b_bias, ranges[1]))
    for weights, bias, end in layers:
        stored, scale = symmetric(weights)
        kernels.append(graph.tensor(list(weights.shape), "INT8", stored, scale=scale))
        product = scale_in * scale
        whole = np.rint(bias / product).astype(np.int32)
        biases.append(graph.tensor([len(bias)], "INT32", whole, scale=product))
        scale_in = steps(*end)[0]
    _dense(graph, [x, *ends], kernels, biases)
    return graph.bytes()


def _dense(graph: Graph, values: list[int], kernels: list[int], biases: list[int]) -> None:
    for i, options in enumerate(({"fusedActivationFunction": RELU}, dict[str, Any]())):
        inputs = [values[i], kernels[i], biases[i]]
        graph.op("FULLY_CONNECTED", inputs, [values[i + 1]], **options)
    graph.ends([values[0]], [values[-1]])


def opened(path: Path, data: bytes) -> Classifier:
    """A file written and opened, without the trial in a child process."""
    return Classifier(write(path, data), trust=True)


def diagnosed(folder: Path, net: Net, pictures: Pictures) -> VariantDiagnosis:
    """What ``diagnose`` finds in the int8 file."""
    return diagnose_variant(
        opened(folder / "int8.tflite", int8_file(net)),
        Reference(opened(folder / "float.tflite", float_file(net)), "by hand"),
        pictures,
        np.arange(len(pictures), dtype=np.int64),
    )
