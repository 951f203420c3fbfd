"""Fewer distinct weights: the file stays as long, but compression makes less of it.

After S. Han, H. Mao, W. J. Dally, "Deep Compression", ICLR 2016: values close to each other become
one. Here on the int8 weights themselves, so that nothing is trained and no kernel notices.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgedigits.convert.contents import parse
from edgedigits.convert.packing import pack

ROUNDS = 100  # of Lloyd's algorithm at most; it ends by itself much earlier


def cluster(data: bytes, clusters: int) -> bytes:
    """The file with at most so many distinct values in each int8 tensor of constants.

    Args:
        data: bytes of a ``.tflite`` file; metadata inside it is kept as it is.
        clusters: 2 or more.
    """
    model = parse(data)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            buffer = model.buffers[tensor.buffer]
            if tensor.type == schema.TensorType.INT8 and buffer.data is not None:
                values = np.asarray(buffer.data, np.uint8).view(np.int8)
                buffer.data = clustered(values, clusters).view(np.uint8)
    return pack(model)


def clustered(values: NDArray[np.int8], clusters: int) -> NDArray[np.int8]:
    """Each value replaced by the middle of its cluster (k-means on a line, deterministic).

    Args:
        values: int8 of any shape.
        clusters: 2 or more; fewer where there are fewer distinct values.
    """
    found, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(found) <= clusters:
        return values
    line = found.astype(np.float64)
    shares = np.cumsum(counts) / counts.sum()
    at = np.searchsorted(shares, (np.arange(clusters) + 0.5) / clusters)
    middles = np.unique(line[np.minimum(at, len(line) - 1)])
    for _ in range(ROUNDS):
        nearest = np.abs(line[:, None] - middles).argmin(axis=1)
        total = np.bincount(nearest, counts, len(middles))
        moved = np.bincount(nearest, counts * line, len(middles)) / np.maximum(total, 1)
        moved = np.where(total > 0, moved, middles)
        if np.array_equal(moved, middles):
            break
        middles = moved
    nearest = np.abs(line[:, None] - middles).argmin(axis=1)
    kept = np.rint(middles)[nearest].astype(np.int8)
    return np.asarray(kept[places].reshape(values.shape))
