"""The settings of an operation in a ``.tflite`` file: strides, padding, fused activation."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

_WINDOW = ("Padding", "StrideW", "StrideH", "FusedActivationFunction")
_FUSED = ("FusedActivationFunction",)

# Which of an options table's fields are read, by the table's name in the schema; numbers only.
FIELDS: dict[str, tuple[str, ...]] = {
    "Conv2DOptions": (*_WINDOW, "DilationWFactor", "DilationHFactor"),
    "DepthwiseConv2DOptions": (
        *(*_WINDOW, "DilationWFactor", "DilationHFactor"),
        "DepthMultiplier",
    ),
    "Pool2DOptions": (*_WINDOW, "FilterWidth", "FilterHeight"),
    "TransposeConvOptions": ("Padding", "StrideW", "StrideH", "FusedActivationFunction"),
    "FullyConnectedOptions": (*_FUSED, "WeightsFormat", "KeepNumDims", "AsymmetricQuantizeInputs"),
    "SoftmaxOptions": ("Beta",),
    "ConcatenationOptions": ("Axis", *_FUSED),
    "AddOptions": _FUSED,
    "SubOptions": _FUSED,
    "MulOptions": _FUSED,
    "DivOptions": _FUSED,
    "L2NormOptions": _FUSED,
    "ReducerOptions": ("KeepDims",),
    "PackOptions": ("ValuesCount", "Axis"),
    "SplitOptions": ("NumSplits",),
    "SpaceToDepthOptions": ("BlockSize",),
    "LeakyReluOptions": ("Alpha",),
    "StridedSliceOptions": (
        *("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask"),
        "ShrinkAxisMask",
    ),
    "ResizeBilinearOptions": ("AlignCorners", "HalfPixelCenters"),
    "ResizeNearestNeighborOptions": ("AlignCorners", "HalfPixelCenters"),
    "BatchMatMulOptions": ("AdjX", "AdjY"),
}
ACTIVATIONS = ("none", "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit")


def read_options(schema: Any, op: Any) -> dict[str, int | float | bool]:
    """The known settings of an ``Operator`` table; empty where there are none.

    Raises:
        ValueError and the like: the file is damaged.
    """
    table = op.BuiltinOptions()
    if table is None:
        return {}
    name = _table_names(schema).get(op.BuiltinOptionsType(), "")
    if name not in FIELDS:
        return {}
    options = getattr(schema, name)()
    options.Init(table.Bytes, table.Pos)
    found = {field: getattr(options, field)() for field in FIELDS[name]}
    if not all(math.isfinite(value) for value in found.values()):
        raise ValueError("a setting of an operation is no number")
    return found


def fused_activation(options: Any) -> str:
    """The name of the activation that an operation applies to its own result."""
    number = int(options.get("FusedActivationFunction", 0))
    return ACTIVATIONS[number] if number in range(len(ACTIVATIONS)) else f"number {number}"


@lru_cache(maxsize=1)
def _table_names(schema: Any) -> dict[int, str]:
    return {
        value: key for key, value in vars(schema.BuiltinOptions).items() if isinstance(value, int)
    }
