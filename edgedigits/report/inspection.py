"""Tables and document of what is inside a ``.tflite`` file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from edgedigits.convert.arena import Arena
from edgedigits.convert.edgetpu import USABLE_BYTES, EdgeTpu
from edgedigits.convert.graph import TensorContents
from edgedigits.convert.inspection import Inspection
from edgedigits.convert.layer_facts import GzipSize, LayerFacts
from edgedigits.convert.micro import MicroOp
from edgedigits.report.rows import NOTHING, Column, Table, count, number, percent

SHOWN_REASONS = 6  # of what does not map, before the rest is counted


def inspection_view(found: Inspection) -> Iterator[Table | str]:
    """Lines and tables, in the order in which they are printed."""
    contents = found.contents
    yield f"{found.file}: {count(found.bytes)} bytes, {_size(found.gzip)} after gzip"
    yield contents.verdict()
    yield (
        f"{count(found.parameters)} parameters, {count(found.macs)} multiplications a run; "
        f"{_ends(found)}"
    )
    if contents.description:
        yield f"description: {contents.description}"
    yield layer_rows(found.layers)
    yield tensor_rows(contents.tensors)
    yield from edgetpu_lines(found.edgetpu)
    yield from micro_lines(found.micro)
    yield from arena_lines(found.arena, found.arena_why)
    entries = ", ".join(contents.metadata) or "none"
    yield f"metadata entries: {entries}"
    if found.metadata is None:
        yield "metadata: none of edgedigits"


def _ends(found: Inspection) -> str:
    tensors = found.contents.tensors
    ends = [
        ", ".join(_typed(tensors[n]) for n in numbers) or NOTHING
        for numbers in (found.contents.inputs, found.contents.outputs)
    ]
    return f"takes {ends[0]}, gives {ends[1]}"


def _typed(tensor: TensorContents) -> str:
    return f"{tensor.dtype.lower()} {_shape(tensor.shape)}"


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _size(size: GzipSize) -> str:
    return f"about {count(size.bytes)}" if size.estimated else count(size.bytes)


def layer_rows(layers: tuple[LayerFacts, ...]) -> Table:
    """The operations, with what they hold and cost."""
    return Table(
        title=f"{len(layers)} operations",
        columns=(
            Column("#"),
            Column("operation", right=False),
            Column("version"),
            Column("layer", "the Keras layer, where the file names it", right=False),
            Column("result", right=False),
            Column("types", "what it reads and makes", right=False),
            Column("weights", right=False),
            Column("scales", "of the weights: one, or one a channel", right=False),
            Column("parameters"),
            Column("multiplications"),
            Column("bytes"),
            Column("gzip"),
            Column("zeros %", "of the weights"),
            Column("distinct", "different values among the weights"),
        ),
        rows=tuple(map(_layer_cells, layers)),
        keys=2,
    )


def _layer_cells(layer: LayerFacts) -> tuple[str, ...]:
    read, made = (", ".join(kinds).lower() for kinds in (layer.reads, layer.writes))
    return (
        str(layer.op.index),
        layer.op.name,
        str(layer.op.version),
        layer.layer or NOTHING,
        _shape(layer.shape),
        made if read in (made, "") else f"{read} → {made}",
        NOTHING if layer.weights is None else layer.weights.lower(),
        {0: NOTHING, 1: "1"}.get(layer.scales, f"{layer.scales} channels"),
        _some(layer.parameters),
        _some(layer.macs),
        _some(layer.bytes),
        _size(layer.gzip) if layer.bytes else NOTHING,
        NOTHING if layer.zeros is None else percent(layer.zeros, 1),
        NOTHING if layer.distinct is None else count(layer.distinct),
    )


def _some(value: int) -> str:
    return count(value) if value else NOTHING


def tensor_rows(tensors: tuple[TensorContents, ...]) -> Table:
    """The tensors."""
    return Table(
        title=f"{len(tensors)} tensors",
        columns=(
            Column("#"),
            Column("type", right=False),
            Column("shape", right=False),
            Column("bytes"),
            Column("scale", right=False),
            Column("zero point"),
            Column("name", right=False),
        ),
        rows=tuple(map(_tensor_cells, tensors)),
    )


def _tensor_cells(tensor: TensorContents) -> tuple[str, ...]:
    several = len(tensor.scales) > 1
    scale = NOTHING if not tensor.scales else f"{tensor.scales[0]:.6g}"
    if several:
        scale = f"{len(tensor.scales)} along side {tensor.axis}"
    return (
        str(tensor.index),
        tensor.dtype.lower(),
        _shape(tensor.shape),
        count(tensor.bytes) if tensor.bytes else NOTHING,
        scale,
        NOTHING if not tensor.zero_points or several else str(tensor.zero_points[0]),
        tensor.name.split(";")[0],
    )


def edgetpu_lines(mapping: EdgeTpu) -> Iterator[str]:
    """How it would map to a Coral Edge TPU, unverified on hardware."""
    if mapping.compiled:
        yield "Edge TPU: compiled for it already"
        return
    inside = sum(op.segment for op in mapping.ops)
    yield (
        f"Edge TPU (by the documented rules, unverified on hardware): {inside} of "
        f"{len(mapping.ops)} operations would map{_segment(mapping)}; "
        f"{count(mapping.parameter_bytes)} bytes of parameters, "
        f"{number(100 * mapping.parameter_bytes / USABLE_BYTES, 1)} % of what fits on the chip"
    )
    yield from (f"  {line}" for line in _reasons((op.index, op.name, op.why) for op in mapping.ops))
    yield from (f"  warning: {line}" for line in mapping.warnings)


def _segment(mapping: EdgeTpu) -> str:
    if mapping.first == mapping.end:
        return ""
    if mapping.end == len(mapping.ops):
        return f", from {mapping.first} to the last"
    ends = mapping.ops[mapping.end]
    return f", {mapping.first} to {mapping.end - 1}; the segment ends at {ends.index} {ends.name}"


def _reasons(ops: Iterator[tuple[int, str, str]]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for index, name, why in ops:
        if why:
            by_reason.setdefault(why, []).append(f"{index} {name}")
    for i, (why, names) in enumerate(by_reason.items()):
        if i == SHOWN_REASONS:
            yield f"and {len(by_reason) - i} more reasons"
            return
        more = f" and {len(names) - SHOWN_REASONS} more" if len(names) > SHOWN_REASONS else ""
        yield f"{', '.join(names[:SHOWN_REASONS])}{more}: {why}"


def micro_lines(ops: tuple[MicroOp, ...]) -> Iterator[str]:
    """Whether TensorFlow Lite Micro runs it."""
    refused = sum(bool(op.why) for op in ops)
    if not refused:
        yield f"TensorFlow Lite Micro: runs all {len(ops)} operations"
        return
    yield f"TensorFlow Lite Micro: does not run {refused} of {len(ops)} operations"
    yield from (f"  {line}" for line in _reasons((op.index, op.name, op.why) for op in ops))


def arena_lines(arena: Arena | None, why: str) -> Iterator[str]:
    """Working memory in TensorFlow Lite Micro."""
    if arena is None:
        yield f"arena: not known ({why})"
        return
    yield (
        f"arena: {count(arena.bytes)} bytes, {count(arena.head)} for tensors and "
        f"{count(arena.tail)} for Micro's tables (64-bit, as its Python package counts); the "
        f"least that opens {count(arena.smallest)}; computed for 32-bit {count(arena.target)}"
    )
    if arena.guessed:
        yield f"  a round sum for kernels that are not known: {', '.join(arena.guessed)}"


def inspection_json(found: Inspection) -> dict[str, Any]:
    """Everything as plain values."""
    contents, arena = found.contents, found.arena
    return {
        "file": str(found.file),
        "bytes": found.bytes,
        "gzip_bytes": found.gzip.bytes,
        "gzip_estimated": found.gzip.estimated,
        "verdict": contents.verdict(),
        "fully_int8": contents.fully_int8(),
        "fully_integer": not contents.floats(),
        "float_islands": [[op.index for op in island] for island in contents.islands()],
        "custom_operations": contents.customs(),
        "description": contents.description,
        "subgraphs": contents.subgraphs,
        "parameters": found.parameters,
        "macs": found.macs,
        "inputs": list(contents.inputs),
        "outputs": list(contents.outputs),
        "ops": [asdict(op) for op in contents.ops],
        "layers": [_layer_json(layer) for layer in found.layers],
        "tensors": [asdict(tensor) for tensor in contents.tensors],
        "edgetpu": asdict(found.edgetpu) | {"unverified": True},
        "micro": {
            "runs": not any(op.why for op in found.micro),
            "ops": [asdict(op) for op in found.micro],
            "arena_why": found.arena_why,
            "arena": None if arena is None else _arena_json(arena),
        },
        "metadata_entries": list(contents.metadata),
        "metadata": None if found.metadata is None else found.metadata.to_json(),
    }


def _layer_json(layer: LayerFacts) -> dict[str, Any]:
    return {
        "index": layer.op.index,
        "name": layer.op.name,
        "layer": layer.layer,
        "reads": list(layer.reads),
        "writes": list(layer.writes),
        "shape": list(layer.shape),
        "weights": layer.weights,
        "scales": layer.scales,
        "parameters": layer.parameters,
        "macs": layer.macs,
        "bytes": layer.bytes,
        "gzip_bytes": layer.gzip.bytes,
        "gzip_estimated": layer.gzip.estimated,
        "zeros": layer.zeros,
        "distinct": layer.distinct,
    }


def _arena_json(arena: Arena) -> dict[str, Any]:
    return {
        "bytes": arena.bytes,
        "head": arena.head,
        "tail": arena.tail,
        "parts": dict(arena.parts),
        "smallest": arena.smallest,
        "target_32_bit": arena.target,
        "guessed": list(arena.guessed),
        "tensors": [asdict(placed) for placed in arena.tensors],
    }
