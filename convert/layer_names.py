"""Names of Keras layers, from the names that TFLiteConverter leaves in a file."""

from __future__ import annotations

from collections.abc import Sequence

from edgedigits.convert.graph import OpContents, TensorContents

QUANTISED = "quant_"  # what quantisation-aware training puts before a layer's name
_VARIABLE = "ReadVariableOp"
_OWN = {
    "CONV_2D": ("Conv2D", "convolution"),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2D", "depthwise"),
    "FULLY_CONNECTED": ("MatMul",),
    "TRANSPOSE_CONV": ("conv2d_transpose",),
}  # what a layer calls its own operation; others may be fused into it
_INNER = ("LastValueQuant", "MovingAvgQuantize", "AllValuesQuantize")


def layer_name(op: OpContents, tensors: Sequence[TensorContents]) -> str | None:
    """The Keras layer that an operation is of, or None where the file does not say.

    A tensor is named ``model/layer/Operation``; what was fused has several such names between
    semicolons, of which the layer's own operation counts most. Slim files have no names at all.
    """
    stored = [n for n in op.inputs[1:2] if tensors[n].bytes and op.name != "RESHAPE"]
    named = [name for n in (*stored, *op.outputs) for name in tensors[n].name.split(";")]
    own = _OWN.get(op.name, ())
    for name in sorted(named, key=lambda name: not name.rpartition("/")[2].startswith(own)):
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
