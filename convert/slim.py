"""Make a ``.tflite`` file smaller without changing what it computes.

Taken out: names of tensors, signatures, recorded minima and maxima, the converter's own metadata
and what no operation uses. The bias of a convolution with a scale a channel points at the scales of
its weights: kernels compute its true ones, input times weights, themselves. What is alike is
written once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgedigits.convert.contents import parse
from edgedigits.convert.packing import pack
from edgedigits.errors import ModelFileError

BIAS_TYPES = (schema.TensorType.INT32, schema.TensorType.INT64)


def slim(data: bytes, name: str = "the file") -> bytes:
    """The same graph in the smallest file known to compute the same, without any metadata.

    Args:
        data: bytes of a ``.tflite`` file. name: what to call it in messages.

    Raises:
        ModelFileError: the bytes do not hold a graph.
    """
    try:
        return _slim(parse(data))
    except Exception as error:  # a damaged file leads the parser anywhere
        raise ModelFileError(f"{name}: its graph cannot be read; the file is damaged") from error


def _slim(model: Any) -> bytes:
    model.metadata = model.metadataBuffer = None
    model.signatureDefs = model.description = None
    for graph in model.subgraphs:
        graph.name = None
        _drop_unused_tensors(graph)
        _share_scales(graph)
        for tensor in graph.tensors:
            tensor.name = tensor.shapeSignature = None
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
    _renumber_buffers(model)
    return pack(model, share=True)


def _drop_unused_tensors(graph: Any) -> None:
    """Only tensors that an operation reads or writes, in the same order."""
    named = [(graph, "inputs"), (graph, "outputs")]
    fields = ("inputs", "outputs", "intermediates")
    named += [(op, field) for op in graph.operators for field in fields]
    vectors = [(owner, name) for owner, name in named if getattr(owner, name) is not None]
    used = sorted({int(n) for owner, name in vectors for n in getattr(owner, name) if n >= 0})
    place = {old: new for new, old in enumerate(used)}
    for owner, name in vectors:
        numbers = [place.get(int(n), -1) for n in getattr(owner, name)]
        setattr(owner, name, np.array(numbers, np.int32))
    graph.tensors = [graph.tensors[n] for n in used]


def _share_scales(graph: Any) -> None:
    for op in graph.operators:
        if len(op.inputs) < 3 or op.inputs[2] < 0:
            continue
        if graph.tensors[op.inputs[2]].type not in BIAS_TYPES:
            continue
        weights, bias = (graph.tensors[op.inputs[i]].quantization for i in (1, 2))
        if weights is None or bias is None or weights.scale is None or bias.scale is None:
            continue
        if len(weights.scale) == len(bias.scale) > 1:
            bias.scale = weights.scale


def _renumber_buffers(model: Any) -> None:
    """Each content once; tensors that are computed have buffer 0, which is empty."""
    contents: list[Any] = [schema.BufferT()]
    places: dict[bytes, int] = {b"": 0}

    def place(number: int) -> int:
        stored = model.buffers[number].data
        content = b"" if stored is None else np.asarray(stored, np.uint8).tobytes()
        if content not in places:
            places[content] = len(contents)
            contents.append(model.buffers[number])
        return places[content]

    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = place(tensor.buffer)
    model.buffers = contents
