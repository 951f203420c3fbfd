"""Which operations of a float file and of a quantised one are the same."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from edgedigits.convert.contents import Contents, OpContents

CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")  # of types only; no part of what a model computes


@dataclass(frozen=True)
class Pair:
    """The same operation in two files, by its number in each."""

    reference: int
    variant: int


def pair_operations(reference: Contents, variant: Contents) -> tuple[Pair, ...]:
    """Operations of the same kind, kernel and output shape, in the same order.

    Conversions of types are passed over: only one of the files has them. The batch does not matter.
    """
    first, second = _own(reference), _own(variant)
    matcher = SequenceMatcher(
        None,
        [_key(reference, op) for op in first],
        [_key(variant, op) for op in second],
        autojunk=False,
    )
    return tuple(
        Pair(first[block.a + i].index, second[block.b + i].index)
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    )


def _own(contents: Contents) -> list[OpContents]:
    return [op for op in contents.ops if op.name not in CONVERSIONS]


def _key(contents: Contents, op: OpContents) -> tuple[object, ...]:
    written = [contents.tensors[number].shape[1:] for number in op.outputs]
    kernels = [contents.tensors[number].shape for number in op.inputs[1:2]]
    return op.name, *written, *(shape for shape in kernels if len(shape) > 1)
