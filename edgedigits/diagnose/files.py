"""A float file and a variant of it, side by side: which weights differ, how values are stored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgedigits.convert.contents import parse
from edgedigits.diagnose.pairs import Pair
from edgedigits.diagnose.stored import FLOATS, Steps, constant, steps_of

# They hand values on: where they keep the steps of what they read, they add no error.
MOVING = ("RESHAPE", "MAX_POOL_2D", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SLICE", "STRIDED_SLICE")


@dataclass(frozen=True, eq=False)
class Weights:
    """A constant of an operation in either file.

    Attributes:
        place: among the operation's inputs. exact, stored: float32, the float file's values and
            those that the variant stores, of one shape.
        channel: the axis of the outputs.
        tensor: its number in the variant.
    """

    place: int
    exact: NDArray[np.float32]
    stored: NDArray[np.float32]
    channel: int
    tensor: int


class Files:
    """A float file and a variant of it, parsed.

    Args:
        reference, variant: the bytes of either file.

    Attributes:
        variant, variant_graph: the schema's object tree of the variant, and its main graph.
    """

    def __init__(self, reference: bytes, variant: bytes) -> None:
        self._float = parse(reference)
        self._float_graph = self._float.subgraphs[0]
        self.variant = parse(variant)
        self.variant_graph = self.variant.subgraphs[0]
        self.weights = cache(self._weights)

    def steps(self, tensor: int) -> Steps | None:
        """How a tensor of the variant is stored."""
        return steps_of(self.variant_graph.tensors[tensor])

    def input_steps(self) -> Steps | None:
        """How the variant stores its input, also behind a float one."""
        number = int(self.variant_graph.inputs[0])
        for op in self.variant_graph.operators:
            if number in op.inputs and name_of(self.variant, op) == "QUANTIZE":
                number = int(op.outputs[0])
                break
        return self.steps(number)

    def written(self, pair: Pair) -> Steps | None:
        """How the variant stores what an operation writes."""
        return self.steps(int(self.variant_op(pair).outputs[0]))

    def variant_op(self, pair: Pair) -> Any:
        """The operation in the variant."""
        return self.variant_graph.operators[pair.variant]

    def _weights(self, pair: Pair) -> tuple[Weights, ...]:
        """The constants of an operation whose values differ between the files, kernel first."""
        mine, other = self._float_graph.operators[pair.reference], self.variant_op(pair)
        found = []
        for place, (first, second) in enumerate(zip(mine.inputs, other.inputs, strict=False)):
            if min(first, second) < 0 or self._float_graph.tensors[first].type not in FLOATS:
                continue
            exact = constant(self._float, self._float_graph, int(first))
            stored = constant(self.variant, self.variant_graph, int(second))
            if exact is None or stored is None or exact.shape != stored.shape:
                continue
            if not np.array_equal(exact, stored):
                depthwise = name_of(self._float, mine) == "DEPTHWISE_CONV_2D"
                channel = exact.ndim - 1 if depthwise else 0
                found.append(Weights(place, exact, stored, channel, int(second)))
        return tuple(found)

    def adds_error(self, pair: Pair) -> bool:
        """Whether the variant computes this operation otherwise than the float file."""
        other = self.variant_op(pair)
        written = self.written(pair)
        if name_of(self.variant, other) in MOVING and written == self.steps(int(other.inputs[0])):
            return False
        return written is not None or bool(self.weights(pair))

    def is_dynamic(self, pair: Pair) -> bool:
        """Float values meet integer weights, so that the kernel finds the values' steps itself."""
        op, tensors = self.variant_op(pair), self.variant_graph.tensors
        if tensors[op.inputs[0]].type not in FLOATS:
            return False
        integers = (schema.TensorType.INT8, schema.TensorType.INT4)
        return any(tensors[number].type in integers for number in op.inputs[1:] if number >= 0)


def name_of(model: Any, op: Any) -> str:
    """What an operation is called in the schema."""
    code = model.operatorCodes[op.opcodeIndex]
    return _operations()[max(code.builtinCode, code.deprecatedBuiltinCode)]


@cache
def _operations() -> dict[int, str]:
    return {n: name for name, n in vars(schema.BuiltinOperator).items() if isinstance(n, int)}
