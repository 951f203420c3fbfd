"""Which Keras layer an operation of a ``.tflite`` file came from, by the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Container

from edgedigits.convert.contents import Contents, OpContents

INPUT = "input"
COUNTED = re.compile(r"_\d+$")  # Keras 3 numbers the scope of a layer: dense_1 in dense_1_1


def layer_names(contents: Contents, known: Container[str] = ()) -> tuple[str, ...]:
    """A name for each operation.

    The converter names tensors ``model/layer/Operation``, several joined by ``;`` where operations
    were fused. An operation whose tensors say nothing belongs to the layer that feeds it, as the
    softmax that a Dense layer ends with; where that says nothing either, it is called by what it
    does and its number.

    Args:
        contents: of the file. known: names of the Keras layers, where they are known; without, the
            part before the last is taken.
    """
    by_tensor: dict[int, str] = {}
    names = []
    for op in contents.ops:
        name = _named(contents, op, known) or next(
            (by_tensor[number] for number in op.inputs if number in by_tensor), ""
        )
        for number in op.outputs:
            if name:
                by_tensor[number] = name
        names.append(name or f"{op.name.lower()} {op.index}")
    return tuple(names)


def _named(contents: Contents, op: OpContents, known: Container[str]) -> str:
    stored = [number for number in op.inputs if contents.tensors[number].bytes]
    for number in (*op.outputs, *stored):
        for path in contents.tensors[number].name.split(";"):
            parts = path.split("/")
            if known:
                both = (name for part in parts for name in (COUNTED.sub("", part), part))
                if found := [name for name in both if name in known]:
                    return found[-1]
            elif len(parts) > 1:
                return parts[-2]
    return ""
