"""Names of Keras layers, from the names that TFLiteConverter leaves in a file."""

from __future__ import annotations

from collections.abc import Sequence

from edgedigits.convert.graph import OpContents, TensorContents

QUANTISED = "quant_"  # what quantisation-aware training puts before a layer's name
_VARIABLE = "ReadVariableOp"
_INNER = ("LastValueQuant", "MovingAvgQuantize", "AllValuesQuantize")


def layer_name(op: OpContents, tensors: Sequence[TensorContents]) -> str | None:
    """The Keras layer that an operation is of, or None where the file does not say.

    A tensor is named ``model/layer/Operation``; what was fused has several such names between
    semicolons. Slim files have no names at all.
    """
    stored = [n for n in op.inputs[1:2] if tensors[n].bytes and op.name != "RESHAPE"]
    for number in (*stored, *op.outputs):
        for name in tensors[number].name.split(";"):
            if found := _layer(name):
                return found
    return None


def _layer(name: str) -> str | None:
    parts = [part for part in name.split("/") if part]
    while len(parts) > 1 and (parts[-1].startswith(_VARIABLE) or parts[-2].startswith(_INNER)):
        parts.pop()
    if len(parts) < 2 or parts[-2].startswith(("StatefulPartitionedCall", "PartitionedCall")):
        return None
    return parts[-2].removeprefix(QUANTISED)
