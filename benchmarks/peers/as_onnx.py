"""A trained model of the registry as ONNX, from its layers and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgedigits.models.layers import Conv, Dense, Dropout, Flatten, MaxPool, Shape
from edgedigits.models.registry import get_model

OPSET = 17


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "input"

    def add(self, op: str, *weights: NDArray[np.float32], **attributes: Any) -> None:
        """One operation on what the last one wrote."""
        name = f"{op.lower()}_{len(self.nodes)}"
        names = [f"{name}_{number}" for number in range(len(weights))]
        pairs = zip(weights, names, strict=True)
        self.constants += [numpy_helper.from_array(value, own) for value, own in pairs]
        self.nodes.append(helper.make_node(op, [self.last, *names], [name], name, **attributes))
        self.last = name

    def activation(self, kind: str | None) -> None:
        """What a layer ends with."""
        if kind == "relu":
            self.add("Relu")
        elif kind == "softmax":
            self.add("Softmax", axis=1)
        elif kind is not None:
            raise SystemExit(f"{kind}: no ONNX form of this activation here")


def save_onnx(model: str, weights: dict[str, NDArray[np.float32]], path: Path) -> Path:
    """Write a model with any batch, pictures ``[n, 1, 28, 28]`` from 0 to 1 in, scores out.

    Args:
        model: its name in the registry. weights: ``0.kernel``, ``0.bias``… as Keras orders them.
        path: the file.
    """
    spec, graph, number = get_model(model), _Graph(), 0
    shape: Shape = (28, 28, 1)
    before_flatten: Shape | None = None
    for layer in spec.layers:
        if isinstance(layer, Conv | Dense):
            kernel, bias = weights[f"{number}.kernel"], weights[f"{number}.bias"]
            number += 1
            if isinstance(layer, Conv):
                pads = [layer.kernel // 2 * (layer.padding == "same")] * 4
                filters = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
                graph.add("Conv", filters, bias, pads=pads, strides=[layer.stride] * 2)
            else:
                graph.add("Gemm", _channels_first(kernel, before_flatten), bias)
                before_flatten = None
            graph.activation(layer.activation)
        elif isinstance(layer, MaxPool):
            graph.add("MaxPool", kernel_shape=[layer.size] * 2, strides=[layer.stride] * 2)
        elif isinstance(layer, Flatten):
            before_flatten = shape
            graph.add("Flatten", axis=1)
        elif not isinstance(layer, Dropout):
            raise SystemExit(f"{layer}: no ONNX form of this layer here")
        shape = layer.output_shape(shape)
    onnx.save(_model(graph, shape[0]), path)
    return path


def _channels_first(kernel: NDArray[np.float32], shape: Shape | None) -> NDArray[np.float32]:
    """Rows of a dense kernel as a flattened ``[channels, height, width]`` has them."""
    if shape is None:
        return kernel
    rows = kernel.reshape(*shape, -1).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(rows.reshape(kernel.shape))


def _model(graph: _Graph, classes: int) -> Any:
    kind = TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("input", kind, ["n", 1, 28, 28])]
    outputs = [helper.make_tensor_value_info(graph.last, kind, ["n", classes])]
    made = helper.make_graph(graph.nodes, "classifier", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    return model
