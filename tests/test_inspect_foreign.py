"""Files that other tools make, as their guides use them: TFLiteConverter, ai-edge-quantizer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgedigits.child import child_environment
from edgedigits.convert.inspection import inspect_file

pytestmark = pytest.mark.slow

MAKE = """
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf
import tf_keras as keras

folder = Path(sys.argv[1])
model = keras.Sequential([
    keras.layers.Input((28, 28, 1)),
    keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="ones", name="look"),
    keras.layers.MaxPooling2D(name="shrink"),
    keras.layers.Flatten(name="flat"),
    keras.layers.Dense(10, bias_initializer="ones", name="decide"),  # zeros are left out
])
converter = tf.lite.TFLiteConverter.from_keras_model(model)
(folder / "float.tflite").write_bytes(converter.convert())
converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
rng = np.random.default_rng(0)
pictures = [rng.random((1, 28, 28, 1), np.float32) for _ in range(8)]
converter.representative_dataset = lambda: ([picture] for picture in pictures)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
(folder / "int8.tflite").write_bytes(converter.convert())

from ai_edge_quantizer import quantizer, recipe
made = quantizer.Quantizer(str(folder / "float.tflite"), recipe.dynamic_wi8_afp32())
(folder / "aeq.tflite").write_bytes(made.quantize().quantized_model)
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    subprocess.run(
        [sys.executable, "-c", MAKE, str(folder)],
        check=True,
        env=child_environment(),
        capture_output=True,
    )
    return folder


PARAMETERS = 4 * 9 + 4 + 4 * 13 * 13 * 10 + 10
MACS = 26 * 26 * 4 * 9 + 4 * 13 * 13 * 10


@pytest.mark.parametrize("name", ["float", "int8", "aeq"])
def test_layers_and_costs(foreign: Path, name: str) -> None:
    found = inspect_file(foreign / f"{name}.tflite")
    assert found.parameters == PARAMETERS
    assert found.macs == MACS
    assert [layer.layer for layer in found.layers if layer.macs] == ["look", "decide"]
    assert found.metadata is None
    assert found.objections() == ""


def test_int8_with_float_ends_and_a_free_batch(foreign: Path) -> None:
    found = inspect_file(foreign / "int8.tflite")
    assert found.contents.verdict().startswith("fully int8: no (int8 with float ends: 0 QUANTIZE")
    assert any(tensor.free for tensor in found.contents.tensors)
    assert not any(op.segment for op in found.edgetpu.ops)
    assert "has no fixed shape" in " ".join(op.why for op in found.edgetpu.ops)


def test_int8_weights_in_float_arithmetic(foreign: Path) -> None:
    found = inspect_file(foreign / "aeq.tflite")
    assert found.contents.verdict() == "fully int8: no (float throughout, weights int8)"
    assert any("its arithmetic is float" in op.why for op in found.micro)
