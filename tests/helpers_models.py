"""Model files made by hand from the file format alone, and TFLite's integer arithmetic in NumPy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

IDENTIFIER = b"TFL3"
NEVER = -1e4  # bias of a class that is never answered


class Graph:
    """A ``.tflite`` graph, put together tensor by tensor."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.model.subgraphs = []
        self.begin()

    def begin(self) -> None:
        """Start another subgraph; what follows goes there."""
        self.part = schema.SubGraphT()
        self.part.tensors, self.part.operators = [], []
        self.model.subgraphs.append(self.part)

    def tensor(
        self,
        shape: list[int],
        dtype: str = "FLOAT32",
        data: NDArray[Any] | None = None,
        *,
        scale: float | None = None,
        zero_point: int = 0,
        name: str = "",
    ) -> int:
        """Add a tensor; returns its number."""
        tensor = schema.TensorT()
        tensor.name = (name or f"t{len(self.part.tensors)}").encode()
        tensor.shape = shape
        tensor.type = getattr(schema.TensorType, dtype)
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [scale]
            tensor.quantization.zeroPoint = [zero_point]
        self.part.tensors.append(tensor)
        return len(self.part.tensors) - 1

    def op(self, name: str, inputs: list[int], outputs: list[int], **options: Any) -> None:
        """Add an operation; ``options`` are fields of its options table."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        self.model.operatorCodes.append(code)
        op = schema.OperatorT()
        op.opcodeIndex = len(self.model.operatorCodes) - 1
        op.inputs, op.outputs = inputs, outputs
        words = {
            "MAX_POOL_2D": "Pool2D", "AVERAGE_POOL_2D": "Pool2D", "REDUCE_ANY": "Reducer",
            "MEAN": "Reducer", "CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
        }  # fmt: skip
        table = words.get(name, name.title().replace("_", "")) + "Options"
        if hasattr(schema.BuiltinOptions, table):  # some operations have no settings
            op.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            op.builtinOptions = getattr(schema, f"{table}T")()
        for key, value in options.items():
            setattr(op.builtinOptions, key, value)
        self.part.operators.append(op)

    def ends(self, inputs: list[int], outputs: list[int]) -> None:
        """Say what the subgraph takes and gives."""
        self.part.inputs, self.part.outputs = inputs, outputs

    def bytes(self) -> bytes:
        """The file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())


def nearest_mean(
    images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights ``[classes, 784]`` and bias of the nearest-mean classifier of pictures as 0 to 1.

    The class whose mean is nearest is the one where ``x·m − |m|²/2`` is largest.
    """
    x = images.reshape(len(images), -1) / 255
    weights = np.zeros((classes, x.shape[1]))
    bias = np.full(classes, NEVER)
    for label in np.unique(labels):
        mean = x[labels == label].mean(axis=0)
        weights[label] = mean
        bias[label] = -(mean @ mean) / 2
    return weights.astype(np.float32), bias.astype(np.float32)


def dense_file(
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    *,
    softmax: bool = True,
    batch: int = 1,
    shape: tuple[int, ...] = (28, 28, 1),
) -> bytes:
    """A foreign float file: a Reshape that fixes the batch, one Dense layer, softmax or not."""
    graph = Graph()
    inputs, classes = math.prod(shape), len(bias)
    picture = graph.tensor([batch, *shape], name="picture")
    size = graph.tensor([2], "INT32", np.array([batch, inputs], np.int32))
    row = graph.tensor([batch, inputs])
    graph.op("RESHAPE", [picture, size], [row], newShape=[batch, inputs])
    w = graph.tensor([classes, inputs], data=weights)
    b = graph.tensor([classes], data=bias)
    out = graph.tensor([batch, classes])
    graph.op("FULLY_CONNECTED", [row, w, b], [out])
    if softmax:
        scores = graph.tensor([batch, classes])
        graph.op("SOFTMAX", [out], [scores], beta=1.0)
        out = scores
    graph.ends([picture], [out])
    return graph.bytes()


def endless_file() -> bytes:
    """A sound file that never answers: a loop whose condition is always true."""
    graph = Graph()
    shape = [1, 28, 28, 1]
    picture, out = graph.tensor(shape), graph.tensor(shape)
    graph.op("WHILE", [picture], [out], condSubgraphIndex=1, bodySubgraphIndex=2)
    graph.ends([picture], [out])
    graph.begin()
    value, limit = graph.tensor(shape), graph.tensor(shape, data=np.ones(784, np.float32))
    every, true = graph.tensor(shape, "BOOL"), graph.tensor([1], "BOOL")
    axes = graph.tensor([4], "INT32", np.arange(4, dtype=np.int32))
    graph.op("LESS", [value, limit], [every])
    graph.op("REDUCE_ANY", [every, axes], [true], keepDims=False)
    graph.ends([value], [true])
    graph.begin()
    value, same = graph.tensor(shape), graph.tensor(shape)
    graph.op("ABS", [value], [same])
    graph.ends([value], [same])
    return graph.bytes()


def two_input_file() -> bytes:
    """A sound file that adds two pictures."""
    graph = Graph()
    first, second, out = (graph.tensor([1, 28, 28, 1]) for _ in range(3))
    graph.op("ADD", [first, second], [out])
    graph.ends([first, second], [out])
    return graph.bytes()


def write(path: Path, data: bytes) -> Path:
    """Put bytes into a file, and give its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


# --- TFLite's integer arithmetic, after its quantisation specification ---------------------------

Ints = NDArray[np.int64]


def rescale(values: Ints, multiplier: float) -> Ints:
    """Multiply by a real number below 1 in fixed point: 31 bits of mantissa, then a shift."""
    mantissa, exponent = math.frexp(multiplier)
    fixed = round(mantissa * (1 << 31))
    if fixed == 1 << 31:
        fixed, exponent = fixed // 2, exponent + 1
    product = (values << max(exponent, 0)) * fixed
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.where(nudged >= 0, nudged >> 31, -((-nudged) >> 31))  # division towards zero
    shift = max(-exponent, 0)
    mask = (1 << shift) - 1
    rest = high & mask
    return (high >> shift) + (rest > (mask >> 1) + (high < 0))


class Int8Model:
    """An int8 file of convolutions, poolings and Dense layers, computed in NumPy.

    Args:
        data: the file.
    """

    def __init__(self, data: bytes) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(data, 0)
        self.graph = self.model.subgraphs[0]

    def _stored(self, number: int, dtype: Any) -> NDArray[Any]:
        tensor = self.graph.tensors[number]
        raw = np.asarray(self.model.buffers[tensor.buffer].data, np.uint8).tobytes()
        stored = np.frombuffer(raw, dtype).reshape(tensor.shape)
        return np.asarray(stored, dtype=np.int64)

    def _scales(self, number: int) -> tuple[list[float], int]:
        quantisation = self.graph.tensors[number].quantization
        return [float(s) for s in quantisation.scale], int(quantisation.zeroPoint[0])

    def logits(self, inputs: NDArray[np.int8]) -> tuple[Ints, float, int]:
        """What goes into the softmax, ``[n, classes]`` as stored, with scale and zero point."""
        values = {int(self.graph.inputs[0]): inputs.astype(np.int64)}
        for op in self.graph.operators:
            code = self.model.operatorCodes[op.opcodeIndex]
            kind = max(code.builtinCode, code.deprecatedBuiltinCode)
            source, target = int(op.inputs[0]), int(op.outputs[0])
            x = values[source]
            if kind == schema.BuiltinOperator.SOFTMAX:
                (scale,), zero = self._scales(source)
                return x, scale, zero
            if kind == schema.BuiltinOperator.RESHAPE:
                values[target] = x.reshape(len(x), -1)
            elif kind == schema.BuiltinOperator.MAX_POOL_2D:
                n, h, w, c = x.shape
                h, w = h // 2, w // 2
                blocks = x[:, : 2 * h, : 2 * w].reshape(n, h, 2, w, 2, c)
                values[target] = blocks.max(axis=(2, 4))
            elif kind == schema.BuiltinOperator.CONV_2D:
                columns = self._columns(x, op, self._scales(source)[1])
                values[target] = self._sum(columns, op, source, target)
            elif kind == schema.BuiltinOperator.FULLY_CONNECTED:
                values[target] = self._sum(x - self._scales(source)[1], op, source, target)
            else:
                raise AssertionError(f"operation {kind} is not known here")
        raise AssertionError("no softmax")

    def _columns(self, x: Ints, op: Any, zero: int) -> Ints:
        """Every field of the filter, ``[n, h, w, kh·kw·c]``; padding counts as real 0."""
        _, kh, kw, _ = self.graph.tensors[op.inputs[1]].shape
        assert op.builtinOptions.strideW == op.builtinOptions.strideH == 1
        x = x - zero
        if op.builtinOptions.padding == schema.Padding.SAME:
            pads = [((k - 1) // 2, k - 1 - (k - 1) // 2) for k in (kh, kw)]
            x = np.pad(x, [(0, 0), *pads, (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))
        n, h, w, c = windows.shape[:4]
        fields = windows.transpose(0, 1, 2, 4, 5, 3).reshape(n, h, w, kh * kw * c)
        return np.asarray(fields, dtype=np.int64)

    def _sum(self, x: Ints, op: Any, source: int, target: int) -> Ints:
        weights = self._stored(op.inputs[1], np.int8)
        weights = weights.reshape(len(weights), -1)
        bias = self._stored(op.inputs[2], np.int32)
        (scale_in,), _ = self._scales(source)
        scales, _ = self._scales(op.inputs[1])
        (scale_out,), zero_out = self._scales(target)
        sums = x @ weights.T + bias
        per_channel = scales if len(scales) == len(weights) else scales * len(weights)
        result = np.empty_like(sums)
        for channel, scale in enumerate(per_channel):
            result[..., channel] = rescale(sums[..., channel], scale_in * scale / scale_out)
        relu = op.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.RELU
        clipped = np.clip(result + zero_out, zero_out if relu else -128, 127)
        return np.asarray(clipped, dtype=np.int64)


def plain_loop(path: Path, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Answers by the bare runtime, one picture after the other, quantised by hand."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    target = interpreter.get_output_details()[0]
    scale, zero = source["quantization"]
    answers = []
    for image in images:
        x = image.astype(np.float64)[None, :, :, None] / 255
        if scale:
            limits = np.iinfo(source["dtype"])
            x = np.clip(np.round(x / scale) + zero, limits.min, limits.max)
        interpreter.set_tensor(source["index"], x.astype(source["dtype"]))
        interpreter.invoke()
        answers.append(int(interpreter.get_tensor(target["index"])[0].argmax()))
    return np.asarray(answers)
