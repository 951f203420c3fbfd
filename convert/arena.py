"""How much working memory a ``.tflite`` file needs in TensorFlow Lite Micro: an estimate.

The plan of the computed tensors follows Micro's greedy memory planner (tensorflow/tflite-micro,
``memory_planner/greedy_memory_planner.cc``): the largest first, each in the first gap among those
that live at the same time, in steps of 16 bytes. What kernels ask for beside their tensors is not
in it; the reference kernels for int8 ask for nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgedigits.convert.contents import Contents
from edgedigits.errors import ModelFileError

ALIGNMENT = 16  # bytes

_WIDTHS = {
    **dict.fromkeys(("INT8", "UINT8", "BOOL"), 1),
    **dict.fromkeys(("INT16", "UINT16", "FLOAT16", "BFLOAT16"), 2),
    **dict.fromkeys(("INT32", "UINT32", "FLOAT32"), 4),
    **dict.fromkeys(("INT64", "UINT64", "FLOAT64"), 8),
}  # bytes an element

# What Micro keeps beside the tensors: a table entry a tensor, a node and its data an operation, a
# multiplier and a shift a channel. Above what its allocator records for published int8 networks.
TENSOR_BYTES, OP_BYTES, CHANNEL_BYTES, FIXED_BYTES = 32, 128, 12, 1024
ROUNDED_TO = 1024


@dataclass(frozen=True)
class Placed:
    """A computed tensor in the arena.

    Attributes:
        tensor: its number. bytes: its size, rounded up to the alignment. offset: where it begins.
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
        margin: bytes set aside for everything else.
    """

    tensors: tuple[Placed, ...]
    head: int
    margin: int

    @property
    def bytes(self) -> int:
        """What to reserve: head and margin."""
        return self.head + self.margin


def plan_arena(contents: Contents, name: str) -> Arena:
    """Place the computed tensors of a file's graph.

    Args:
        contents: of the file. name: what to call it in messages.

    Raises:
        ModelFileError: several graphs, or a computed tensor of unknown size.
    """
    if contents.subgraphs != 1:
        raise ModelFileError(f"{name}: holds {contents.subgraphs} graphs; its memory is not known")
    placed: list[Placed] = []
    # Of equal ones Micro takes the later first.
    for number, size, first, last in sorted(
        _wanted(contents, name), key=lambda item: (-item[1], -item[0])
    ):
        offset = 0
        for other in sorted(placed, key=lambda item: item.offset):
            if other.first > last or first > other.last:
                continue
            if other.offset - offset >= size:
                break
            offset = max(offset, other.offset + other.bytes)
        placed.append(Placed(number, size, offset, first, last))
    head = max((item.offset + item.bytes for item in placed), default=0)
    kept = _kept(contents)
    whole = math.ceil((head + kept) / ROUNDED_TO) * ROUNDED_TO
    ordered = tuple(sorted(placed, key=lambda item: item.tensor))
    return Arena(tensors=ordered, head=head, margin=whole - head)


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
    return [
        (number, _size(contents, number, name), start, last[number])
        for number, start in sorted(first.items())
        if contents.tensors[number].bytes == 0
    ]


def _size(contents: Contents, number: int, name: str) -> int:
    tensor = contents.tensors[number]
    if tensor.dtype not in _WIDTHS or any(side < 0 for side in tensor.shape):
        shown = f"{tensor.dtype.lower()} {list(tensor.shape)}"
        raise ModelFileError(f"{name}: the size of tensor {number} ({shown}) is not known")
    size = math.prod(tensor.shape) * _WIDTHS[tensor.dtype]
    return math.ceil(size / ALIGNMENT) * ALIGNMENT


def _kept(contents: Contents) -> int:
    """Bytes of Micro's own tables, a generous guess."""
    weights = {op.inputs[1] for op in contents.ops if len(op.inputs) > 1}
    channels = sum(len(contents.tensors[number].scales) for number in weights)
    return (
        FIXED_BYTES
        + TENSOR_BYTES * len(contents.tensors)
        + OP_BYTES * len(contents.ops)
        + CHANNEL_BYTES * channels
    )
