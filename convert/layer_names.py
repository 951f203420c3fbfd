"""Names of Keras layers, from the names that TFLiteConverter leaves in a file."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from edgedigits.convert.graph import Contents, OpContents, TensorContents

QUANTISED = "quant_"  # what quantisation-aware training puts before a layer's name
_VARIABLE = "ReadVariableOp"
_OWN = {
    "CONV_2D": ("Conv2D", "convolution"),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2D", "depthwise"),
    "FULLY_CONNECTED": ("MatMul",),
    "TRANSPOSE_CONV": ("conv2d_transpose",),
}  # what a layer calls its own operation; others may be fused into it
_COUNTED = re.compile(r"_\d+$")  # Keras 3 numbers the scope of a layer: dense_1 in dense_1_1
_INNER = ("LastValueQuant", "MovingAvgQuantize", "AllValuesQuantize")


def layer_names(contents: Contents, known: Container[str] = ()) -> tuple[str, ...]:
    """A name for each operation of a file.

    An operation whose tensors say nothing belongs to the layer that feeds it, as the softmax that a
    Dense layer ends with; where that says nothing either, it is called by what it does and its
    number.

    Args:
        contents: of the file. known: see :func:`layer_name`.
    """
    by_tensor: dict[int, str] = {}
    names = []
    for op in contents.ops:
        name = layer_name(op, contents.tensors, known) or next(
            (by_tensor[number] for number in op.inputs if number in by_tensor), None
        )
        if name:
            by_tensor.update(dict.fromkeys(op.outputs, name))
        names.append(name or f"{op.name.lower()} {op.index}")
    return tuple(names)


def layer_name(
    op: OpContents, tensors: Sequence[TensorContents], known: Container[str] = ()
) -> str | None:
    """The Keras layer that an operation is of, or None where the file does not say.

    A tensor is named ``model/layer/Operation``; what was fused has several such names between
    semicolons, of which the layer's own operation counts most. Slim files have no names at all.

    Args:
        op: the operation. tensors: all of its file.
        known: names of the Keras layers, where they are known; without, the part before the last
            is taken.
    """
    stored = [n for n in op.inputs[1:2] if tensors[n].bytes and op.name != "RESHAPE"]
    named = [name for n in (*stored, *op.outputs) for name in tensors[n].name.split(";")]
    own = _OWN.get(op.name, ())
    for name in sorted(named, key=lambda name: not name.rpartition("/")[2].startswith(own)):
        if found := _known(name, known) if known else _layer(name):
            return found
    return None


def _known(name: str, known: Container[str]) -> str | None:
    found = None
    for part in name.split("/"):
        for layer in (_COUNTED.sub("", part), part):
            found = layer if layer in known else found
    return found


def _layer(name: str) -> str | None:
    parts = [part for part in name.split("/") if part]
    while len(parts) > 1 and (parts[-1].startswith(_VARIABLE) or parts[-2].startswith(_INNER)):
        parts.pop()
    if len(parts) < 2 or parts[-2].startswith(("StatefulPartitionedCall", "PartitionedCall")):
        return None
    return parts[-2].removeprefix(QUANTISED)
