"""The tail of the arena: what TensorFlow Lite Micro keeps beside the tensors.

It is allocated downwards from the arena's end, in this order: the allocators, a table of tensors, a
table of nodes, each operation's settings, each kernel's data, what kernels ask for in their second
pass, and the tensors that the program sees. The sizes of the structures are those of
``micro_allocator.cc`` and ``recording_micro_allocator.cc`` in tensorflow/tflite-micro.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgedigits.convert.arena_kernels import Kept, Needs
from edgedigits.convert.graph import BITS, Contents

ALIGNMENT = 16  # bytes, of what kernels ask for
REQUESTS_AN_OP = 12  # requests for scratch memory that Micro has room for at each operation
INT_BYTES = 4


@dataclass(frozen=True)
class Layout:
    """Sizes of Micro's structures, bytes.

    Attributes:
        pointer: of an address. fixed: the allocators and the planner, one after the other.
        subgraph, eval_tensor, node, tensor, affine: a table entry of each kind.
        handle: a kernel's scratch memory, later. request: the same while preparing.
        planned: an entry while planning. buffer: an entry of the planner.
    """

    pointer: int
    fixed: tuple[int, ...]
    subgraph: int
    eval_tensor: int
    node: int
    tensor: int
    affine: int
    handle: int
    request: int
    planned: int
    buffer: int

    def of(self, kept: Kept) -> tuple[int, int]:
        """(bytes, alignment) of what a kernel keeps."""
        if self.pointer == 8:
            return kept.host, kept.host_align
        return kept.target, kept.target_align


# The Python package: 64 bits, an allocator that records, compression.
HOST = Layout(8, (104, 72, 272, 16), 24, 24, 64, 64, 24, 8, 16, 32, 40)
# A 32-bit microcontroller: no recording, no compression.
TARGET = Layout(4, (36, 44, 36, 8), 8, 12, 32, 40, 12, 4, 12, 24, 40)

FIXED, EVAL, TENSORS, SCALES, KERNELS, NODES, SETTINGS, SCRATCH, VARIABLES = (
    "Allocators", "TfLiteEvalTensor data", "Persistent TfLiteTensor data",
    "Persistent TfLiteTensor quantization data", "Persistent buffer data",
    "NodeAndRegistration struct", "Operator settings", "Scratch buffer handles",
    "TfLiteTensor variable buffer data",
)  # fmt: skip


@dataclass(frozen=True)
class Tail:
    """The tail of an arena.

    Attributes:
        bytes: all of it. parts: by heading.
        while_planning: the least arena with which the plan can be made.
    """

    bytes: int
    parts: dict[str, int]
    while_planning: int


class _Stack:
    """Allocates downwards from an end at a multiple of 16 bytes, and counts by heading."""

    def __init__(self) -> None:
        self.used = 0
        self.parts: dict[str, int] = {}

    def take(self, part: str, size: int, alignment: int) -> None:
        before = self.used
        self.used = math.ceil((self.used + size) / alignment) * alignment
        self.parts[part] = self.parts.get(part, 0) + self.used - before


def lay_out(contents: Contents, needs: list[Needs], layout: Layout, *, buffers: int) -> Tail:
    """What Micro allocates at the arena's end for a file.

    Args:
        contents: of the file. needs: of each operation. layout: sizes on the processor.
        buffers: how many tensors and scratch buffers the planner places.
    """
    stack, word = _Stack(), layout.pointer
    for size in (*layout.fixed, layout.subgraph):
        stack.take(FIXED, size, word)
    stack.take(EVAL, layout.eval_tensor * len(contents.tensors), word)
    stack.take(NODES, layout.node * len(contents.ops), word)
    for need in needs:
        if need.settings.host:
            stack.take(SETTINGS, *layout.of(need.settings))
    for need in needs:
        if need.data.host:
            stack.take(KERNELS, layout.of(need.data)[0], ALIGNMENT)
    peak = _prepare(contents, needs, layout, stack)
    requests = sum(len(need.scratch) for need in needs)
    if requests:
        stack.take(SCRATCH, layout.handle * requests, word)
    for tensor in contents.tensors:
        if tensor.variable:
            stack.take(VARIABLES, math.ceil(tensor.elements * BITS[tensor.dtype] / 8), ALIGNMENT)
    peak = max(peak, stack.used + _planning(contents, layout, requests, buffers))
    for numbers in (contents.inputs, contents.outputs):
        stack.take(KERNELS, word * len(numbers), ALIGNMENT)
        for number in numbers:
            stack.take(TENSORS, layout.tensor, word)
            if contents.tensors[number].scales:
                stack.take(SCALES, layout.affine, word)
                stack.take(SCALES, _zero_points(contents, number), INT_BYTES)
    return Tail(stack.used, stack.parts, peak)


def _prepare(contents: Contents, needs: list[Needs], layout: Layout, stack: _Stack) -> int:
    """The second pass over the kernels; returns the most bytes in use at once."""
    peak = requests = 0
    for need in needs:
        for size in need.persistent:
            stack.take(KERNELS, size, ALIGNMENT)
        head = layout.request * (requests + REQUESTS_AN_OP)
        opened = 0
        for number in need.opened:
            opened = _aligned(opened, layout.pointer) + layout.tensor
            if contents.tensors[number].scales:
                opened += layout.affine + _zero_points(contents, number)
        peak = max(peak, stack.used + head + opened)
        requests += len(need.scratch)
    return peak


def _planning(contents: Contents, layout: Layout, requests: int, buffers: int) -> int:
    """Bytes at the head while the plan is made."""
    head = layout.request * (requests + REQUESTS_AN_OP) + layout.pointer
    head += layout.planned * (len(contents.tensors) + requests)
    return _aligned(head, ALIGNMENT) + layout.buffer * buffers


def _zero_points(contents: Contents, number: int) -> int:
    return INT_BYTES * (1 + len(contents.tensors[number].scales))


def _aligned(size: int, alignment: int) -> int:
    return math.ceil(size / alignment) * alignment
