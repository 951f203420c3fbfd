"""Fewer distinct weights: never more than asked for, each as close as can be, and gzip sees it."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from sklearn.cluster import KMeans

import edgedigits.zoo
from edgedigits.convert.clustering import cluster, clustered
from edgedigits.convert.contents import parse
from edgedigits.convert.slim import slim
from edgedigits.device.interpreter import Interpreter


def test_clusters_are_about_as_good_as_those_of_scikit_learn() -> None:
    values = np.random.default_rng(0).normal(0, 30, 5000).clip(-127, 127).astype(np.int8)
    fewer = clustered(values, 8)
    assert len(np.unique(fewer)) == 8
    wide = values.astype(np.float64)
    error = ((fewer - wide) ** 2).sum()
    reference = KMeans(8, n_init=3, random_state=0).fit(wide[:, None]).inertia_
    assert error < 1.1 * reference


def test_equal_values_stay_equal_and_order_is_kept() -> None:
    values = np.arange(-128, 128, dtype=np.int16).astype(np.int8).reshape(16, 16)
    fewer = clustered(values, 5)
    assert fewer.shape == (16, 16)
    assert (np.diff(fewer.ravel().astype(int)) >= 0).all()
    np.testing.assert_array_equal(clustered(np.tile(values, 3), 5), np.tile(fewer, 3))


@pytest.mark.parametrize("count", [1, 4])
def test_what_has_few_values_is_left_alone(count: int) -> None:
    values = np.repeat(np.arange(count, dtype=np.int8), 7)
    np.testing.assert_array_equal(clustered(values, 4), values)


def test_a_file_keeps_its_length_and_compresses_better() -> None:
    data = edgedigits.zoo.reader_file().read_bytes()
    fewer = cluster(data, 16)
    constants = [
        np.asarray(model.buffers[tensor.buffer].data, np.uint8)
        for model in [parse(fewer)]
        for tensor in model.subgraphs[0].tensors
        if tensor.type == schema.TensorType.INT8 and model.buffers[tensor.buffer].data is not None
    ]
    assert constants
    assert max(len(np.unique(values)) for values in constants) <= 16
    whole, small = slim(data), slim(fewer)
    assert len(small) == pytest.approx(len(whole), rel=0.01)
    assert len(gzip.compress(small)) < 0.8 * len(gzip.compress(whole))
    values = np.random.default_rng(0).integers(-128, 128, (1, 28, 28, 1)).astype(np.int8)
    before, after = (Interpreter(file, "a file").run(values) for file in (whole, small))
    assert after.shape == before.shape
