"""The float file with a branch for each layer, in which only that layer is quantised.

A layer in its branch gets the variant's weights, as real numbers, and what it writes goes through
the variant's steps and back; what follows is float again. So each rounding belongs to one layer:
that of a tensor to the one that writes it. Where the variant finds the steps while it runs (dynamic
range), the layer gets the integer weights themselves and the kernel does the rest.

All branches are in one graph beside the float model, so that nothing before a layer is computed
again for it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgedigits.convert.contents import parse
from edgedigits.convert.packing import pack
from edgedigits.diagnose.files import Files, Weights
from edgedigits.diagnose.pairs import Pair
from edgedigits.diagnose.stored import FLOATS, Steps


@dataclass(frozen=True)
class Branch:
    """One layer quantised.

    Attributes:
        exact: the tensor that the layer writes in float, its number.
        copies: which tensor stands for which float one in this branch; others are shared.
    """

    exact: int
    copies: dict[int, int]

    def of(self, tensor: int) -> int:
        """What stands for a tensor of the float model in this branch."""
        return self.copies.get(tensor, tensor)


@dataclass(frozen=True)
class Branched:
    """A float file with branches: its bytes, and for each pair its branch, the input's first.

    Numbers of the float file's own tensors stay as they were.
    """

    data: bytes
    input: Branch | None
    layers: tuple[Branch, ...]


def with_branches(
    reference: bytes, files: Files, pairs: tuple[Pair, ...], input_steps: Steps | None
) -> Branched:
    """The float file with a branch for each operation named, and one for a rounded input."""
    return _Builder(reference, files).build(pairs, input_steps)


class _Builder:
    def __init__(self, reference: bytes, files: Files) -> None:
        self._model = parse(reference)
        self._graph = self._model.subgraphs[0]
        self._files = files
        self._own = list(self._graph.operators)
        self._added: list[Any] = []

    def build(self, pairs: tuple[Pair, ...], input_steps: Steps | None) -> Branched:
        first = None
        if input_steps is not None:
            number = int(self._graph.inputs[0])
            first = self._follow(number, self._rounded(number, input_steps), 0)
        layers = tuple(self._layer(pair) for pair in pairs)
        self._graph.operators = [*self._own, *self._added]
        model = self._model
        model.signatureDefs = model.metadata = model.metadataBuffer = None
        return Branched(pack(model), first, layers)

    def _layer(self, pair: Pair) -> Branch:
        op = self._own[pair.reference]
        exact = actual = int(op.outputs[0])
        changed = self._files.weights(pair)
        if changed:
            second = copy.copy(op)
            actual = self._tensor_like(exact)
            second.outputs = [actual, *op.outputs[1:]]
            second.inputs = [int(number) for number in op.inputs]
            for weights in changed:
                second.inputs[weights.place] = self._weights(pair, weights)
            if self._files.is_dynamic(pair):
                second.builtinOptions = self._files.variant_op(pair).builtinOptions
            self._added.append(second)
        written = self._files.written(pair)
        if written is not None:
            actual = self._rounded(actual, written)
        return self._follow(exact, actual, pair.reference + 1)

    def _follow(self, exact: int, actual: int, start: int) -> Branch:
        """Copy every operation that depends on a tensor, reading another in its place."""
        copies = {exact: actual}
        for op in self._own[start:]:
            if not any(int(number) in copies for number in op.inputs):
                continue
            again = copy.copy(op)
            again.inputs = [copies.get(int(number), int(number)) for number in op.inputs]
            again.outputs = [self._tensor_like(int(number)) for number in op.outputs]
            copies |= {int(a): b for a, b in zip(op.outputs, again.outputs, strict=True)}
            self._added.append(again)
        return Branch(exact, copies)

    def _weights(self, pair: Pair, weights: Weights) -> int:
        source = self._files.variant_graph.tensors[weights.tensor]
        tensor = copy.copy(source)
        if self._files.is_dynamic(pair) and source.type not in FLOATS:
            return self._add(tensor, self._files.variant.buffers[source.buffer].data)
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
        return self._add(tensor, weights.stored.reshape(-1).view(np.uint8))

    def _rounded(self, number: int, steps: Steps) -> int:
        """Round a tensor to steps and make it float again."""
        stored = copy.copy(self._graph.tensors[number])
        stored.type = steps.type
        stored.quantization = schema.QuantizationParametersT()
        stored.quantization.scale = [steps.scale]
        stored.quantization.zeroPoint = [steps.zero_point]
        between, result = self._add(stored), self._tensor_like(number)
        self._added.append(self._conversion("QUANTIZE", number, between))
        self._added.append(self._conversion("DEQUANTIZE", between, result))
        return result

    def _tensor_like(self, number: int) -> int:
        return self._add(copy.copy(self._graph.tensors[number]))

    def _add(self, tensor: Any, data: Any = None) -> int:
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = data
            self._model.buffers.append(buffer)
            tensor.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _conversion(self, name: str, source: int, target: int) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 3 if name == "DEQUANTIZE" else 1
        self._model.operatorCodes.append(code)
        op = schema.OperatorT()
        op.opcodeIndex = len(self._model.operatorCodes) - 1
        op.inputs, op.outputs = [source], [target]
        return op
