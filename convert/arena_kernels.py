"""What the kernels of TensorFlow Lite Micro ask for beside their tensors.

By kernel: the settings that the interpreter unpacks, the data that the kernel keeps, multipliers
by channel, and scratch memory. The sizes on a 64-bit machine are those that the package
``tflite-micro`` asks its allocator for (reference kernels, built with compression); those on 32
bits follow from the same structures with pointers of four bytes and without compression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgedigits.convert.graph import Contents, OpContents

CHANNEL_BYTES = 4  # a multiplier, or a shift
SOFTMAX_TABLE = 2 * 513  # bytes, int16; two of them where activations are int16


@dataclass(frozen=True)
class Kept:
    """Bytes on a 64-bit and on a 32-bit processor, and the alignment there; (0, …): none."""

    host: int
    target: int
    host_align: int = 4
    target_align: int = 4


@dataclass(frozen=True)
class Needs:
    """What one operation's kernel asks for.

    Attributes:
        settings: unpacked from the file. data: kept by the kernel.
        persistent: more of that, asked for in the second pass, bytes each.
        scratch: working memory of this step alone, bytes each.
        opened: tensors that are open at once in the second pass, by number; −1 for one that is
            opened without its scales.
        known: whether these are the kernel's true needs.
    """

    settings: Kept
    data: Kept
    persistent: tuple[int, ...] = ()
    scratch: tuple[int, ...] = ()
    opened: tuple[int, ...] = ()
    known: bool = True


_NOTHING = Kept(0, 0)
_POOL = (Kept(40, 40), Kept(32, 32))
_REDUCER = (Kept(1, 1, 1, 1), Kept(44, 44))
_SETTINGS: dict[str, tuple[Kept, Kept]] = {
    "CONV_2D": (Kept(28, 28), Kept(80, 56)),
    "DEPTHWISE_CONV_2D": (Kept(28, 28), Kept(80, 56)),
    "FULLY_CONNECTED": (Kept(32, 24, 8, 4), Kept(72, 48)),
    "MAX_POOL_2D": _POOL,
    "AVERAGE_POOL_2D": _POOL,
    "SOFTMAX": (Kept(4, 4), Kept(80, 56)),
    "RESHAPE": (Kept(36, 36), _NOTHING),
    "SQUEEZE": (Kept(36, 36), _NOTHING),
    "MEAN": _REDUCER,
    "SUM": _REDUCER,
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "ADD": (Kept(8, 8), Kept(60, 60)),
    "SUB": (Kept(8, 8), Kept(52, 52)),
    "MUL": (Kept(4, 4), Kept(36, 36)),
    "PAD": (_NOTHING, Kept(56, 56)),
    "CONCATENATION": (Kept(8, 8), Kept(80, 80)),
    "QUANTIZE": (_NOTHING, Kept(32, 32)),
    "DEQUANTIZE": (_NOTHING, Kept(32, 32)),
    "LOGISTIC": (_NOTHING, Kept(16, 16)),
    "TANH": (_NOTHING, Kept(16, 16)),
    "RELU": (_NOTHING, Kept(28, 28)),
    "RELU6": (_NOTHING, Kept(8, 8)),
    "ABS": (_NOTHING, Kept(28, 28)),
    "HARD_SWISH": (_NOTHING, Kept(20, 20)),
    "LEAKY_RELU": (Kept(4, 4), Kept(24, 24)),
    "L2_NORMALIZATION": (Kept(4, 4), Kept(4, 4)),
    "ELU": (_NOTHING, Kept(256, 256)),
    "EXP": (_NOTHING, _NOTHING),
    "MAXIMUM": (_NOTHING, _NOTHING),
    "MINIMUM": (_NOTHING, _NOTHING),
    "TRANSPOSE": (_NOTHING, _NOTHING),
    "RESIZE_NEAREST_NEIGHBOR": (Kept(2, 2, 1, 1), _NOTHING),
}


def needs_of(contents: Contents, op: OpContents) -> Needs:
    """What Micro's kernel of an operation asks for."""
    every = (*op.inputs, *op.outputs)
    if op.name not in _SETTINGS:
        return Needs(_NOTHING, _NOTHING, opened=every, known=False)
    settings, data = _SETTINGS[op.name]
    more = _MORE.get(op.name)
    if more is None:
        return Needs(settings, data, opened=every)
    persistent, scratch, opened = more(contents, op)
    return Needs(settings, data, persistent, scratch, opened)


_Found = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _convolution(contents: Contents, op: OpContents) -> _Found:
    weights = contents.tensors[op.inputs[1]]
    axis = 0 if op.name == "CONV_2D" else 3
    channels = weights.shape[axis] if axis < len(weights.shape) else 0
    every = (*op.inputs, *op.outputs)
    unpacked = (weights.elements,) if weights.dtype == "INT4" else ()
    opened = (*op.outputs, *op.inputs[:2], *every)  # the first three twice
    return (CHANNEL_BYTES * channels,) * 2, unpacked, opened


def _dense(contents: Contents, op: OpContents) -> _Found:
    weights, every = contents.tensors[op.inputs[1]], (*op.inputs, *op.outputs)
    channels, whole = len(weights.scales), contents.tensors[op.inputs[0]].dtype == "FLOAT32"
    unpacked = (weights.elements,) if weights.dtype == "INT4" else ()
    tables = () if whole or channels < 2 else (CHANNEL_BYTES * channels,) * 2
    return tables, unpacked, every


def _softmax(contents: Contents, op: OpContents) -> _Found:
    wide = contents.tensors[op.inputs[0]].dtype == "INT16"
    return (SOFTMAX_TABLE,) * 2 if wide else (), (), (*op.inputs, *op.outputs)


def _reduction(contents: Contents, op: OpContents) -> _Found:
    source, axes = contents.tensors[op.inputs[0]], contents.tensors[op.inputs[1]]
    result = contents.tensors[op.outputs[0]]
    scratch: tuple[int, ...] = (4 * len(source.shape), 4 * axes.elements)
    averaged = op.name in ("MEAN", "SUM") and source.dtype in ("INT8", "UINT8", "INT16")
    if averaged:
        scratch = (4 * result.elements, *scratch)
    return (), scratch, (op.inputs[0], op.outputs[0], op.inputs[1]) * 2


_MORE: dict[str, Callable[[Contents, OpContents], _Found]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _dense,
    "SOFTMAX": _softmax,
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"), _reduction),
}
