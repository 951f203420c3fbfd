"""A user's own Keras 3 model goes through import, export, evaluation, comparison as ours does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_models import nearest_mean
from sklearn.neighbors import NearestCentroid

from edgedigits.compare import compare
from edgedigits.data.builtin import load_digits
from edgedigits.device.classifier import Classifier
from edgedigits.run import open_run

CLASSES = 35  # as reference system R1: wider than the ten classes of the data

MAKE = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
stored = np.load(sys.argv[1])
assert keras.__version__.startswith("3.")
picture = keras.Input((28, 28))
row = keras.layers.Reshape((784,))(picture)
row = keras.layers.Rescaling(1 / 255)(row)
dense = keras.layers.Dense(len(stored["bias"]))
model = keras.Model(picture, dense(row))
dense.set_weights([stored["weights"].T, stored["bias"]])
model.save(sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")
def test_a_functional_keras_3_model_with_logits_and_a_wide_head(
    tmp_path: Path, run_cli: RunCli
) -> None:
    digits = load_digits()
    assert digits.test is not None
    assert digits.train.labels is not None
    weights, bias = nearest_mean(digits.train.images, digits.train.labels, CLASSES)
    bias = np.maximum(bias, bias[:10].min() - 20)  # never answered, but no range of its own
    np.savez(tmp_path / "weights.npz", weights=weights, bias=bias)
    own = tmp_path / "mine.keras"
    command = [sys.executable, "-c", MAKE, str(tmp_path / "weights.npz"), str(own)]
    subprocess.run(command, check=True, capture_output=True)

    run = tmp_path / "run"
    options = ["--data", "digits", "--run", run, "--input-range", "0,255"]
    code, _, error = run_cli("import", own, *options)
    assert code == 0, error
    code, _, error = run_cli("export", run, "--float32", "--int8", "--dynamic", "--max-drop", 5)
    assert code == 0, error

    test = digits.test.images
    flat = [images.reshape(len(images), -1) / 255 for images in (digits.train.images, test)]
    oracle = NearestCentroid().fit(flat[0], digits.train.labels).predict(flat[1])
    logits = flat[1] @ weights.T + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    float32 = Classifier(run / "exports" / "float32.tflite")
    assert float32.metadata is not None
    assert (float32.metadata.output, float32.metadata.preprocessing.high) == ("logits", 255.0)
    assert float32.classes == CLASSES
    np.testing.assert_allclose(float32.scores(test), expected, atol=1e-4)
    np.testing.assert_array_equal(float32.scores(test).argmax(axis=1), oracle)

    int8 = Classifier(run / "exports" / "int8.tflite")
    assert int8.interpreter.input.scale == pytest.approx(1)  # of a range of 0 to 255
    pixels = np.resize(np.arange(256, dtype=np.uint8), (1, 28, 28))
    np.testing.assert_array_equal(int8.inputs(pixels), pixels.astype(np.int16) - 128)
    assert (int8.scores(test).argmax(axis=1) == oracle).mean() > 0.97

    file = run / "exports" / "int8.tflite"
    code, out, error = run_cli("evaluate", file, "--json")
    assert code == 0, error
    answers = int8.scores(test).argmax(axis=1)
    assert json.loads(out)["accuracy"] == (answers == digits.test.labels).mean()
    comparison = compare([open_run(run)], latency=False)
    assert [row.variant for row in comparison.rows] == ["float32", "dynamic", "int8"]
    assert comparison.rows[0].accuracy == (oracle == digits.test.labels).mean()
