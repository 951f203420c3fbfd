"""How much working memory a ``.tflite`` file needs in TensorFlow Lite Micro.

The plan of the computed tensors, the head, follows Micro's greedy memory planner
(tensorflow/tflite-micro, ``memory_planner/greedy_memory_planner.cc``): the largest first, each in
the first gap among those that live at the same time, in steps of 16 bytes. What Micro keeps beside
them, the tail, is in ``arena_tail.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edgedigits.convert.arena_kernels import Needs, needs_of
from edgedigits.convert.arena_tail import HOST, TARGET, Tail, lay_out
from edgedigits.convert.graph import BITS, Contents
from edgedigits.errors import ModelFileError

ALIGNMENT = 16  # bytes
UNKNOWN_OP_BYTES = 512  # set aside for an operation whose kernel's needs are not known
BEFORE = -1  # the life of a tensor that nothing uses; Micro plans it all the same


@dataclass(frozen=True)
class Placed:
    """A computed tensor, or what a kernel works with, in the arena.

    Attributes:
        tensor: its number; from the number of tensors on, what kernels asked for, in turn.
        bytes: its size, rounded up to the alignment. offset: where it begins.
        first, last: steps in which it is alive; 0 is before the first operation, n its n-th.
    """

    tensor: int
    bytes: int
    offset: int
    first: int
    last: int


@dataclass(frozen=True)
class Arena:
    """Working memory of a graph.

    Attributes:
        tensors: where each computed tensor lies. head: bytes they take together.
        tail: bytes of everything else, as Micro's Python package reports on a 64-bit machine.
        parts: the tail by Micro's own headings, bytes.
        smallest: the least arena that opens there: making the plan may take more than the plan.
        target: the least arena on a 32-bit processor, by the sizes of the same tables there; it
            is computed, not measured.
        guessed: operations whose kernels' needs are not known; a round sum is set aside for each.
    """

    tensors: tuple[Placed, ...]
    head: int
    tail: int
    parts: Mapping[str, int]
    smallest: int
    target: int
    guessed: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """What Micro reports as allocated: head and tail."""
        return self.head + self.tail


def plan_arena(contents: Contents, name: str) -> Arena:
    """Place the computed tensors of a file's graph, and count what Micro keeps beside them.

    Args:
        contents: of the file. name: what to call it in messages.

    Raises:
        ModelFileError: several graphs, or a computed tensor of unknown size.
    """
    if contents.subgraphs != 1:
        raise ModelFileError(f"{name}: holds {contents.subgraphs} graphs; its memory is not known")
    needs = [needs_of(contents, op) for op in contents.ops]
    wanted = [*_wanted(contents, name), *_scratch(contents, needs)]
    placed = _place(wanted)
    head = max((item.offset + item.bytes for item in placed), default=0)
    guessed = [op.name for op, need in zip(contents.ops, needs, strict=True) if not need.known]
    spare = UNKNOWN_OP_BYTES * len(guessed)
    host = lay_out(contents, needs, HOST, buffers=len(wanted))
    target = lay_out(contents, needs, TARGET, buffers=len(wanted))
    return Arena(
        tensors=tuple(sorted(placed, key=lambda item: item.tensor)),
        head=head,
        tail=host.bytes + spare,
        parts=host.parts | ({"Unknown kernels": spare} if spare else {}),
        smallest=_smallest(head, host) + spare,
        target=_smallest(head, target) + spare,
        guessed=tuple(sorted(set(guessed))),
    )


def _smallest(head: int, tail: Tail) -> int:
    return _rounded(max(head + tail.bytes, tail.while_planning))


def _place(wanted: list[tuple[int, int, int, int]]) -> list[Placed]:
    placed: list[Placed] = []
    # Of equal ones Micro takes the later first.
    for number, size, first, last in sorted(wanted, key=lambda item: (-item[1], -item[0])):
        offset = 0
        for other in sorted(placed, key=lambda item: item.offset):
            if other.first > last or first > other.last:
                continue
            if other.offset - offset >= size:
                break
            offset = max(offset, other.offset + other.bytes)
        placed.append(Placed(number, size, offset, first, last))
    return placed


def _wanted(contents: Contents, name: str) -> list[tuple[int, int, int, int]]:
    """(tensor, bytes, first, last) of every tensor that is computed."""
    first: dict[int, int] = dict.fromkeys(contents.inputs, 0)
    last: dict[int, int] = dict(first)
    for step, op in enumerate(contents.ops, start=1):
        for number in op.outputs:
            first.setdefault(number, step)
        for number in (*op.inputs, *op.outputs):
            last[number] = step
    last |= dict.fromkeys(contents.outputs, len(contents.ops))
    found = []
    for tensor in contents.tensors:
        number = tensor.index
        if tensor.bytes or tensor.variable or (size := _size(contents, number, name)) == 0:
            continue
        end = last.get(number, BEFORE)
        found.append((number, size, first.get(number, 0 if number in last else BEFORE), end))
    return found


def _scratch(contents: Contents, needs: list[Needs]) -> list[tuple[int, int, int, int]]:
    asked = [
        (step, _rounded(size)) for step, need in enumerate(needs, start=1) for size in need.scratch
    ]
    behind = len(contents.tensors)
    return [(behind + i, size, step, step) for i, (step, size) in enumerate(asked)]


def _size(contents: Contents, number: int, name: str) -> int:
    tensor = contents.tensors[number]
    if tensor.dtype not in BITS or any(side < 0 for side in tensor.shape):
        shown = f"{tensor.dtype.lower()} {list(tensor.shape)}"
        raise ModelFileError(f"{name}: the size of tensor {number} ({shown}) is not known")
    return _rounded(math.ceil(math.prod(tensor.shape) * BITS[tensor.dtype] / 8))


def _rounded(size: int) -> int:
    return math.ceil(size / ALIGNMENT) * ALIGNMENT
