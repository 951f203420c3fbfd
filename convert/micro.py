"""Which operations of a file TensorFlow Lite Micro runs.

After the kernels that the package ``tflite-micro`` registers and the data types that their source
accepts (``tensorflow/lite/micro/kernels``, reference kernels).
"""

from __future__ import annotations

from dataclasses import dataclass

from edgedigits.convert.graph import Contents, OpContents

_ALL = ("FLOAT32", "INT8", "INT16")

OPS = frozenset((
    "ABS", "ADD", "ADD_N", "ARG_MAX", "ARG_MIN", "ASSIGN_VARIABLE", "AVERAGE_POOL_2D",
    "BATCH_MATMUL", "BATCH_TO_SPACE_ND", "BROADCAST_ARGS", "BROADCAST_TO", "CALL_ONCE", "CAST",
    "CEIL", "CONCATENATION", "CONV_2D", "COS", "CUMSUM", "DEPTH_TO_SPACE", "DEPTHWISE_CONV_2D",
    "DEQUANTIZE", "DIV", "DYNAMIC_UPDATE_SLICE", "ELU", "EMBEDDING_LOOKUP", "EQUAL", "EXP",
    "EXPAND_DIMS", "FILL", "FLOOR", "FLOOR_DIV", "FLOOR_MOD", "FULLY_CONNECTED", "GATHER",
    "GATHER_ND", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "IF", "L2_NORMALIZATION", "L2_POOL_2D",
    "LEAKY_RELU", "LESS", "LESS_EQUAL", "LOG", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR",
    "LOGISTIC", "LOG_SOFTMAX", "MAX_POOL_2D", "MAXIMUM", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL",
    "NEG", "NOT_EQUAL", "PACK", "PAD", "PADV2", "PRELU", "QUANTIZE", "READ_VARIABLE",
    "REDUCE_ALL", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "ROUND", "RSQRT", "SELECT_V2", "SHAPE", "SIN",
    "SLICE", "SOFTMAX", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQRT",
    "SQUARE", "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "SVDF", "TANH",
    "TRANSPOSE", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNPACK", "VAR_HANDLE",
    "WHILE", "ZEROS_LIKE",
))  # fmt: skip
# The types that the first tensor may have, where the kernel takes but these.
_TYPES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX"), _ALL),
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D", "LOGISTIC", "TANH", "MEAN", "ADD"), _ALL),
    **dict.fromkeys(("RELU", "RELU6", "HARD_SWISH", "ELU", "REDUCE_MAX"), ("FLOAT32", "INT8")),
}


@dataclass(frozen=True)
class MicroOp:
    """One operation, and what keeps Micro from running it; empty: nothing known."""

    index: int
    name: str
    why: str


def map_micro(contents: Contents) -> tuple[MicroOp, ...]:
    """Every operation of a file, and whether Micro runs it."""
    return tuple(MicroOp(op.index, op.name, why_not_op(contents, op)) for op in contents.ops)


def why_not_op(contents: Contents, op: OpContents) -> str:
    """What keeps Micro from running an operation, in words; empty: nothing known."""
    if op.custom is not None:
        return f"a custom operation, {op.custom or 'without a name'}"
    if op.name not in OPS:
        return f"no kernel for {op.name}"
    read = [contents.tensors[n] for n in op.inputs]
    kinds = {t.dtype for t in (*read, *(contents.tensors[n] for n in op.outputs))}
    if found := kinds & {"FLOAT16", "BFLOAT16"}:
        return f"its weights are {found.pop().lower()}"
    if "INT4" in kinds:
        return "some of its weights are int4"
    computed = {contents.tensors[n].dtype for n in op.outputs}
    stored = {t.dtype for t in read if t.bytes}
    if "FLOAT32" in computed and "INT8" in stored and op.name != "DEQUANTIZE":
        return "its weights are int8 and its arithmetic is float"
    allowed = _TYPES.get(op.name)
    if allowed and read and read[0].dtype not in allowed:
        return f"it works on {read[0].dtype.lower()}"
    return ""


def why_not_micro(contents: Contents) -> str | None:
    """What in a graph Micro has no kernels for, the first thing found; None: nothing known."""
    return next((op.why for op in map_micro(contents) if op.why), None)
