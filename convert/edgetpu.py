"""Which operations of a file Google's compiler would put on a Coral Edge TPU.

After the documented list of operations and their limits (coral.ai, "TensorFlow models on the Edge
TPU", compiler 16). Nothing here was run on a TPU or held against the compiler: the compiler may
leave out more, and its log has the last word.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from edgedigits.convert.graph import EDGETPU_OP, FLOATS, Contents, OpContents, TensorContents
from edgedigits.convert.options import fused_activation

CACHE_BYTES = 8 << 20  # on the chip, for parameters and the program; about 7.9 MiB for parameters
USABLE_BYTES = int(7.9 * (1 << 20))
SOFTMAX_LIMIT = 16_000  # elements
EIGHT_BITS = ("INT8", "UINT8")
INNER_SIDES = 3  # only so many innermost sides of a tensor may be longer than 1


@dataclass(frozen=True)
class MappedOp:
    """One operation: whether it would map, and why not.

    Attributes:
        index, name: of the operation. why: what is in the way; empty where it maps.
        segment: whether it runs on the Edge TPU: it maps, and nothing before it ended the segment.
    """

    index: int
    name: str
    why: str
    segment: bool


@dataclass(frozen=True)
class EdgeTpu:
    """How a file would map.

    Attributes:
        compiled: whether it is a compiled file already; its operations are not visible then.
        ops: one an operation. first, end: the segment's first operation, and the first behind it;
            equal where there is none.
        parameter_bytes: stored data of the segment. cached: whether the chip holds it all.
        warnings: lines for people.
    """

    compiled: bool
    ops: tuple[MappedOp, ...]
    first: int
    end: int
    parameter_bytes: int
    cached: bool
    warnings: tuple[str, ...]


def map_edgetpu(contents: Contents) -> EdgeTpu:
    """How the operations of a file would be divided between Edge TPU and processor."""
    if EDGETPU_OP in contents.customs():
        return EdgeTpu(True, (), 0, 0, 0, True, ("compiled for the Edge TPU already",))
    reasons = [why_not_edgetpu(contents, op) for op in contents.ops]
    first = next((i for i, why in enumerate(reasons) if not why), len(reasons))
    # What turns a float input into integers stays in front of the segment.
    if any(contents.ops[i].name != "QUANTIZE" for i in range(first)):
        first = end = 0
    else:
        end = next((i for i in range(first, len(reasons)) if reasons[i]), len(reasons))
    ops = tuple(
        MappedOp(op.index, op.name, why, first <= op.index < end)
        for op, why in zip(contents.ops, reasons, strict=True)
    )
    inside = contents.ops[first:end]
    stored = {n for op in inside for n in op.inputs if n in contents.constants}
    size = sum(len(contents.constants[n]) for n in stored)
    return EdgeTpu(
        compiled=False,
        ops=ops,
        first=first,
        end=end,
        parameter_bytes=size,
        cached=size <= USABLE_BYTES,
        warnings=tuple(_warnings(contents, ops, size)),
    )


def _warnings(contents: Contents, ops: tuple[MappedOp, ...], size: int) -> list[str]:
    found = []
    dense = [op.index for op in contents.ops if _per_channel_dense(contents, op)]
    if dense:
        numbers = ", ".join(map(str, dense))
        found.append(
            f"FULLY_CONNECTED {numbers}: weights with a scale a channel, which the compiler of "
            "2021 may not map; 'edgedigits export --edgetpu' makes them with one"
        )
    if size > USABLE_BYTES:
        found.append(
            f"{size:,} bytes of parameters do not fit the {CACHE_BYTES >> 20} MiB on the chip; "
            "the rest is sent again at every run"
        )
    if contents.subgraphs > 1:
        found.append(f"{contents.subgraphs} graphs; only the first is looked at")
    late = [op for op in ops if not op.why and not op.segment]
    if late and any(op.segment for op in ops):
        found.append(f"{len(late)} that would map run on the processor, behind one that does not")
    return found


def why_not_edgetpu(contents: Contents, op: OpContents) -> str:
    """What keeps an operation from the Edge TPU, in words; empty: nothing known."""
    if op.custom is not None:
        return "a custom operation"
    if op.name not in _RULES:
        return "not supported"
    tensors = [contents.tensors[n] for n in (*op.inputs, *op.outputs)]
    computed = [t for t in tensors if t.index not in contents.constants]
    return _types(op, tensors, computed) or _shapes(computed) or _RULES[op.name](contents, op)


def _types(op: OpContents, tensors: list[TensorContents], computed: list[TensorContents]) -> str:
    for tensor in computed:
        if tensor.dtype in FLOATS:
            return f"works on {tensor.dtype.lower()}"
        if tensor.dtype not in EIGHT_BITS:
            return f"works on {tensor.dtype.lower()}, not on 8 bits"
        if not tensor.scales:
            return f"tensor {tensor.index} is not quantised"
    weights = [t for t in tensors if t not in computed and t.scales and t.dtype != "INT32"]
    for tensor in weights:
        if tensor.dtype not in EIGHT_BITS:
            return f"its weights are {tensor.dtype.lower()}"
    return ""


def _shapes(computed: list[TensorContents]) -> str:
    for tensor in computed:
        if tensor.free or any(side < 1 for side in tensor.shape):
            return f"tensor {tensor.index} has no fixed shape"
        if any(side > 1 for side in tensor.shape[:-INNER_SIDES]):
            return f"tensor {tensor.index} has more than three sides longer than 1"
    return ""


Rule = Callable[[Contents, OpContents], str]


def _free(contents: Contents, op: OpContents) -> str:
    return ""


def _not_fused(contents: Contents, op: OpContents) -> str:
    fused = fused_activation(op.options)
    return "" if fused == "none" else f"with the activation {fused} fused into it"


def _constant_weights(contents: Contents, op: OpContents) -> str:
    variable = [n for n in op.inputs[1:] if n not in contents.constants]
    return "its weights are computed, not stored" if variable else ""


def _convolution(contents: Contents, op: OpContents) -> str:
    width, height = op.options.get("DilationWFactor", 1), op.options.get("DilationHFactor", 1)
    if width != height:
        return f"dilated by {width} and {height}; both must be the same"
    return _constant_weights(contents, op)


def _dense(contents: Contents, op: OpContents) -> str:
    if op.options.get("WeightsFormat", 0):
        return "its weights are shuffled"
    result = contents.tensors[op.outputs[0]].shape if op.outputs else ()
    if math.prod(result[:-1]) > 1:
        return "its result has more than one row"
    return _constant_weights(contents, op)


def _per_channel_dense(contents: Contents, op: OpContents) -> bool:
    return (
        op.name == "FULLY_CONNECTED"
        and len(op.inputs) > 1
        and len(contents.tensors[op.inputs[1]].scales) > 1
    )


def _softmax(contents: Contents, op: OpContents) -> str:
    source = contents.tensors[op.inputs[0]] if op.inputs else None
    if source is None or math.prod(source.shape[:-1]) > 1:
        return "of more than one row"
    over = source.elements > SOFTMAX_LIMIT
    return f"of {source.elements:,} elements, over {SOFTMAX_LIMIT:,}" if over else ""


def _stored(contents: Contents, op: OpContents, place: int) -> list[int] | None:
    """Numbers that an operation reads as int32; None: they are computed."""
    if len(op.inputs) <= place or op.inputs[place] not in contents.constants:
        return None
    return [int(n) for n in contents.constants[op.inputs[place]].copy().view("<i4")]


def _no_batch(contents: Contents, op: OpContents) -> str:
    axes = _stored(contents, op, 1)
    if axes is None:
        return "over computed axes"
    sides = len(contents.tensors[op.inputs[0]].shape)
    return "over the batch" if any(axis % max(sides, 1) == 0 for axis in axes) else ""


def _pad(contents: Contents, op: OpContents) -> str:
    margins = _stored(contents, op, 1)
    if margins is None:
        return "by computed margins"
    return "of the batch" if any(margins[:2]) else ""


def _squeeze(contents: Contents, op: OpContents) -> str:
    source = contents.tensors[op.inputs[0]].shape if op.inputs else ()
    kept = [i for i, side in enumerate(source) if side > 1]
    inner = kept and any(source[i] == 1 for i in range(kept[0], len(source)))
    return "with a side of 1 behind a longer one" if inner else ""


def _strided(contents: Contents, op: OpContents) -> str:
    strides = _stored(contents, op, 3)
    if strides is None or any(stride != 1 for stride in strides):
        return "with strides other than 1"
    if op.options.get("EllipsisMask") or op.options.get("NewAxisMask"):
        return "with a new axis or an ellipsis"
    return ""


def _concatenation(contents: Contents, op: OpContents) -> str:
    if why := _not_fused(contents, op):
        return why
    stored = [n for n in op.inputs if n in contents.constants]
    if stored and (len(op.inputs) != 2 or contents.constants[stored[0]].any()):
        return "with a stored part that is not all zeros"
    return ""


def _no_batch_axis(contents: Contents, op: OpContents) -> str:
    return "along the batch" if op.options.get("Axis", 1) == 0 else ""


_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "ADD", "EXPAND_DIMS", "L2_NORMALIZATION", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL",
            "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR",
            "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "SUB", "TANH",
        ),
        _free,
    ),
    "AVERAGE_POOL_2D": _not_fused,
    "MAX_POOL_2D": _not_fused,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _dense,
    **dict.fromkeys(("MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"), _no_batch),
    "PACK": _no_batch_axis,
    "PAD": _pad,
    "SOFTMAX": _softmax,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided,
}  # fmt: skip
