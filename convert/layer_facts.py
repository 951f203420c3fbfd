"""What each operation of a file holds and costs: parameters, arithmetic, bytes, compression."""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedigits.convert.graph import Contents, OpContents, TensorContents
from edgedigits.convert.layer_names import layer_name

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D")
GZIP_WHOLE = 8 << 20  # bytes; of what is longer, samples are compressed
GZIP_SAMPLES, GZIP_SAMPLE = 16, 64 << 10  # how many, bytes each
COUNTED = 4 << 20  # numbers wider than a byte among which distinct ones are counted
CHUNK = 1 << 20

_WIDE = {
    "FLOAT32": np.float32, "FLOAT16": np.float16, "FLOAT64": np.float64, "INT16": np.int16,
    "INT32": np.int32, "INT64": np.int64, "UINT16": np.uint16, "UINT32": np.uint32,
}  # fmt: skip


@dataclass(frozen=True)
class GzipSize:
    """Bytes after gzip; estimated from samples where the data is long."""

    bytes: int
    estimated: bool


@dataclass(frozen=True)
class LayerFacts:
    """One operation.

    Attributes:
        op: the operation. layer: the Keras layer's name; None: the file does not hold it.
        reads, writes: data types of what it computes with and makes.
        shape: of its first result.
        weights: data type of its weights; None: it has none.
        scales: how many scales the weights have; 1: a scale for the whole tensor; 0: none.
        parameters, macs: numbers stored, multiplications a run.
        bytes, gzip: of its constants, each counted at the first operation that reads it.
        zeros: share of the weights that are 0; distinct: how many different ones there are;
            None: no weights, or too many to count.
    """

    op: OpContents
    layer: str | None
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    shape: tuple[int, ...]
    weights: str | None
    scales: int
    parameters: int
    macs: int
    bytes: int
    gzip: GzipSize
    zeros: float | None
    distinct: int | None


def layer_facts(contents: Contents) -> tuple[LayerFacts, ...]:
    """Facts about every operation, in the file's order."""
    through = _dequantised(contents)
    seen: set[int] = set()
    facts = []
    for op in contents.ops:
        skipped = op.outputs[:1] and op.outputs[0] in through
        read = [] if skipped else [through.get(n, n) for n in op.inputs]
        own = [n for n in dict.fromkeys(read) if n in contents.constants and n not in seen]
        seen.update(own)
        facts.append(_facts(contents, op, read, own))
    return tuple(facts)


def _dequantised(contents: Contents) -> dict[int, int]:
    """Which tensors are stored ones in a wider type: weights kept as float16."""
    return {
        op.outputs[0]: op.inputs[0]
        for op in contents.ops
        if op.name == "DEQUANTIZE"
        and op.inputs
        and op.outputs
        and op.inputs[0] in contents.constants
    }


def _facts(contents: Contents, op: OpContents, read: list[int], own: list[int]) -> LayerFacts:
    tensors = contents.tensors
    counted = [n for n in own if _is_parameter(op, tensors[n], read)]
    weights = max(
        (n for n in read if n in contents.constants and _is_parameter(op, tensors[n], read)),
        key=lambda n: tensors[n].elements,
        default=None,
    )
    zeros, distinct = (None, None) if weights is None else _spread(contents, weights)
    return LayerFacts(
        op=op,
        layer=layer_name(op, tensors),
        reads=tuple(dict.fromkeys(tensors[n].dtype for n in read if n not in contents.constants)),
        writes=tuple(dict.fromkeys(tensors[n].dtype for n in op.outputs)),
        shape=tensors[op.outputs[0]].shape if op.outputs else (),
        weights=None if weights is None else tensors[weights].dtype,
        scales=0 if weights is None else len(tensors[weights].scales),
        parameters=sum(tensors[n].elements for n in counted),
        macs=_macs(op, [tensors[n] for n in read], [tensors[n] for n in op.outputs]),
        bytes=sum(tensors[n].bytes for n in own),
        gzip=_sum([gzip_size(contents.constants[n]) for n in own]),
        zeros=zeros,
        distinct=distinct,
    )


def _is_parameter(op: OpContents, tensor: TensorContents, read: list[int]) -> bool:
    """Whether a stored tensor is learnt, and not a shape, an axis or a margin."""
    if tensor.scales or tensor.dtype.startswith("FLOAT"):
        return True
    place = read.index(tensor.index)
    return op.name in WEIGHTED and place in (1, 2)


def _macs(op: OpContents, read: list[TensorContents], made: list[TensorContents]) -> int:
    if len(read) < 2 or not made:
        return 0
    size, out = read[1].elements, made[0].shape
    if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_3D", "FULLY_CONNECTED"):
        return abs(math.prod(out[:-1])) * size
    if op.name == "TRANSPOSE_CONV" and len(read) > 2:
        return abs(math.prod(read[2].shape[:-1])) * size
    if op.name == "BATCH_MATMUL" and read[0].shape:
        return made[0].elements * abs(read[0].shape[-1])
    return 0


def gzip_size(data: NDArray[np.uint8]) -> GzipSize:
    """Bytes after gzip at its highest level, of samples spread over the data where it is long.

    Args:
        data: uint8 ``[n]``.
    """
    if len(data) <= GZIP_WHOLE:
        return GzipSize(len(gzip.compress(data.data, mtime=0)), estimated=False)
    starts = np.linspace(0, len(data) - GZIP_SAMPLE, GZIP_SAMPLES).astype(np.int64)
    packed = sum(
        len(gzip.compress(data[start : start + GZIP_SAMPLE].data, mtime=0)) for start in starts
    )
    share = packed / (GZIP_SAMPLES * GZIP_SAMPLE)
    return GzipSize(round(share * len(data)), estimated=True)


def _sum(sizes: list[GzipSize]) -> GzipSize:
    return GzipSize(sum(s.bytes for s in sizes), any(s.estimated for s in sizes))


def _spread(contents: Contents, number: int) -> tuple[float | None, int | None]:
    """(share of zeros, distinct values) of a stored tensor."""
    tensor, data = contents.tensors[number], contents.constants[number]
    if tensor.dtype in ("INT4", "INT8", "UINT8"):
        counts = np.zeros(256, np.int64)
        for start in range(0, len(data), CHUNK):
            counts += np.bincount(data[start : start + CHUNK], minlength=256)
        if tensor.dtype == "INT4":
            counts = _nibbles(counts, tensor.elements % 2 == 1, int(data[-1]))
        zero = tensor.zero_points[0] % 256 if tensor.zero_points else 0
        return float(counts[zero] / max(counts.sum(), 1)), int(np.count_nonzero(counts))
    if tensor.dtype not in _WIDE or len(data) % np.dtype(_WIDE[tensor.dtype]).itemsize:
        return None, None
    values = data.view(_WIDE[tensor.dtype]) if data.flags.c_contiguous else None
    if values is None or values.size == 0:
        return None, None
    distinct = len(np.unique(values)) if values.size <= COUNTED else None
    return float(1 - np.count_nonzero(values) / values.size), distinct


def _nibbles(counts: NDArray[np.int64], odd: bool, last: int) -> NDArray[np.int64]:
    halves = np.zeros(256, np.int64)
    for byte in range(256):
        halves[byte & 15] += counts[byte]
        halves[byte >> 4] += counts[byte]
    if odd:  # the upper half of the last byte is nothing
        halves[last >> 4] -= 1
    return halves
