"""The graph of a ``.tflite`` file as plain values, and what can be said of its data types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FLOATS = ("FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16")
EDGETPU_OP = "edgetpu-custom-op"  # what Google's compiler puts in the place of what it compiled
BOUNDARIES = ("QUANTIZE", "DEQUANTIZE")  # between float and integers

BITS = {
    **dict.fromkeys(("INT2", "UINT2"), 2),
    **dict.fromkeys(("INT4", "UINT4"), 4),
    **dict.fromkeys(("INT8", "UINT8", "BOOL"), 8),
    **dict.fromkeys(("INT16", "UINT16", "FLOAT16", "BFLOAT16"), 16),
    **dict.fromkeys(("INT32", "UINT32", "FLOAT32"), 32),
    **dict.fromkeys(("INT64", "UINT64", "FLOAT64", "COMPLEX64"), 64),
}  # an element


@dataclass(frozen=True)
class TensorContents:
    """One tensor.

    Attributes:
        index, name: as in the file; dtype: the schema's name, for example ``INT8``.
        shape: as stored. bytes: of constant data, 0 for activations.
        scales, zero_points: one, or one a channel; empty where not quantised.
        axis: the dimension that the scales belong to, where there are several.
        variable: whether it keeps its value from one run to the next.
        free: whether a side may have another size than stored, for example the batch.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0
    variable: bool = False
    free: bool = False

    @property
    def elements(self) -> int:
        """How many numbers it holds; 0 where a side of its shape is not fixed."""
        return math.prod(self.shape) if all(side >= 0 for side in self.shape) else 0


@dataclass(frozen=True)
class OpContents:
    """One operation: its name and version, and the numbers of its tensors (−1 left out).

    Attributes:
        options: its settings, by the schema's names.
    """

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int | float | bool] = field(default_factory=dict)

    @property
    def custom(self) -> str | None:
        """The custom code of an operation that is not part of the format; None: a usual one."""
        kind, _, code = self.name.partition(" ")
        return code if kind == "CUSTOM" else None


@dataclass(frozen=True)
class Contents:
    """The main graph of a file.

    Attributes:
        tensors, ops: in the file's order. inputs, outputs: tensor numbers.
        subgraphs: how many graphs there are. metadata: names of the metadata entries.
        constants: stored data, uint8, by the tensor's number; views of the file's bytes.
        description, version: what the file says of itself.
    """

    tensors: tuple[TensorContents, ...]
    ops: tuple[OpContents, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int
    metadata: tuple[str, ...]
    constants: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict, compare=False)
    description: str = ""
    version: int = 3

    def used_tensors(self) -> set[int]:
        """Numbers of the tensors that an operation reads or writes."""
        return {number for op in self.ops for number in (*op.inputs, *op.outputs)}

    def floats(self) -> list[tuple[OpContents, TensorContents]]:
        """Every float tensor that an operation touches, with the first operation that does."""
        found: dict[int, OpContents] = {}
        for op in self.ops:
            for number in (*op.inputs, *op.outputs):
                if self.tensors[number].dtype in FLOATS:
                    found.setdefault(number, op)
        return [(op, self.tensors[number]) for number, op in found.items()]

    def islands(self) -> list[tuple[OpContents, ...]]:
        """Operations that compute in float, those that follow each other together.

        What only turns float into integers or back belongs to none.
        """
        found: list[list[OpContents]] = []
        for op in self.ops:
            if op.name in BOUNDARIES or not self._is_float(op):
                continue
            if found and found[-1][-1].index == op.index - 1:
                found[-1].append(op)
            else:
                found.append([op])
        return [tuple(island) for island in found]

    def _is_float(self, op: OpContents) -> bool:
        kinds = {self.tensors[n].dtype for n in (*op.inputs, *op.outputs)}
        return bool(kinds & set(FLOATS))

    def fully_int8(self) -> bool:
        """Whether everything is int8 but the biases and what describes shapes."""
        used = {self.tensors[number].dtype for number in self.used_tensors()}
        return not self.customs() and "INT8" in used and used <= {"INT8", "INT32"}

    def customs(self) -> list[str]:
        """Names of the operations that are not part of the format, each once."""
        return sorted({op.custom or "without a name" for op in self.ops if op.custom is not None})

    def verdict(self) -> str:
        """One line: whether the file computes in int8 only, and what is in the way."""
        if EDGETPU_OP in self.customs():
            return "fully int8: not visible (compiled for the Edge TPU)"
        if self.customs():
            return f"fully int8: not known (custom operations {', '.join(self.customs())})"
        if self.fully_int8():
            return "fully int8: yes"
        return f"fully int8: no ({self._why_not_int8()})"

    def _why_not_int8(self) -> str:
        kinds = {self.tensors[n].dtype for n in self.used_tensors()} - {"INT32"}
        islands = self.islands()
        shown = ", ".join(sorted(kind.lower() for kind in kinds)) or "nothing to compute"
        if not islands:
            if kinds & set(FLOATS):
                return f"int8 with float ends: {self._boundaries()}"
            return f"integers throughout: {shown}"
        inside = [op for op in self.ops if op.name not in BOUNDARIES]
        if sum(map(len, islands)) == len(inside):
            weights = kinds - set(FLOATS)
            stored = f", weights {', '.join(sorted(k.lower() for k in weights))}" if weights else ""
            return f"float throughout{stored}"
        words = "1 float island" if len(islands) == 1 else f"{len(islands)} float islands"
        return f"{words}: {'; '.join(_island(island) for island in islands)}"

    def _boundaries(self) -> str:
        return ", ".join(f"{op.index} {op.name}" for op in self.ops if self._is_float(op))

    def activation_scales(self) -> dict[str, tuple[float, int]]:
        """(scale, zero point) by name of every quantised tensor that is computed, not stored."""
        return {
            tensor.name: (tensor.scales[0], tensor.zero_points[0])
            for tensor in self.tensors
            if tensor.bytes == 0 and len(tensor.scales) == len(tensor.zero_points) == 1
        }


def _island(ops: tuple[OpContents, ...]) -> str:
    names = list(dict.fromkeys(op.name for op in ops))
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    first, last = ops[0].index, ops[-1].index
    return f"operation {first} {shown}" if first == last else f"operations {first}–{last} {shown}"
