"""``diagnose`` on files that other tools make, and on a model whose scales are moved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import RunCli
from helpers_data import write_csv
from helpers_diagnose import digits
from numpy.typing import NDArray

from edgedigits.convert.as_float import needs_equalising, to_float_file
from edgedigits.device.classifier import Classifier
from edgedigits.diagnose import Reference, diagnose_file, diagnose_variant
from edgedigits.errors import EdgedigitsError
from edgedigits.report.diagnosis import diagnosis_json

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]

LAYERS = ["picture_conv", "inner", "answer"]
PICTURES = 40


def _images() -> NDArray[np.float32]:
    return (digits(PICTURES).images[..., None] / 255).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(4, 3, activation="relu", name=LAYERS[0]),
            keras.layers.MaxPooling2D(4, name="pool"),
            keras.layers.Flatten(name="row"),
            keras.layers.Dense(16, activation="relu", name=LAYERS[1]),
            keras.layers.Dense(10, name=LAYERS[2]),
        ]
    )


@pytest.fixture(scope="module")
def float_file(model: Any) -> bytes:
    import tensorflow as tf

    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def _ai_edge(float_file: bytes) -> bytes:
    from ai_edge_quantizer import quantizer, recipe

    job = quantizer.Quantizer(float_file, recipe.static_wi8_ai8())
    runtime = Interpreter(model_content=float_file)
    key, signature = next(iter(runtime.get_signature_list().items()))
    name = signature["inputs"][0]
    found = job.calibrate({key: [{name: image[None]} for image in _images()]})
    return bytes(job.quantize(found).quantized_model)


def _outputs(data: bytes) -> NDArray[np.float64]:
    """Real outputs of the plain runtime, one picture after the other."""
    runtime = Interpreter(model_content=data)
    runtime.allocate_tensors()
    (source,), (target,) = runtime.get_input_details(), runtime.get_output_details()
    found = []
    for image in _images():
        scale, zero = source["quantization"]
        stored = image if scale == 0 else np.clip(np.rint(image / scale) + zero, -128, 127)
        runtime.set_tensor(source["index"], stored[None].astype(source["dtype"]))
        runtime.invoke()
        scale, zero = target["quantization"]
        values = runtime.get_tensor(target["index"])[0].astype(np.float64)
        found.append(values if scale == 0 else (values - zero) * scale)
    return np.asarray(found)


def _check(found: dict[str, Any], float_file: bytes, quantised: bytes) -> None:
    """Hold a diagnosis against what the plain runtime answers."""
    kernels = [layer for layer in found["layers"] if layer["weights_db"] is not None]
    assert all(15 < layer["alone_db"] < 70 for layer in kernels)
    exact, actual = _outputs(float_file), _outputs(quantised)
    ratio = 10 * np.log10((exact**2).sum() / ((exact - actual) ** 2).sum())
    assert found["end_db"] == pytest.approx(ratio, abs=0.5)  # XNNPACK may round otherwise
    flipped = np.flatnonzero(exact.argmax(axis=1) != actual.argmax(axis=1))
    assert [flip["index"] for flip in found["flips"]] == flipped.tolist()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    pictures = digits(PICTURES)
    assert pictures.labels is not None
    return write_csv(tmp_path / "data.csv", pictures.images, pictures.labels)


def test_a_file_of_the_plain_converter_with_its_keras_model(
    model: Any, float_file: bytes, tmp_path: Path, data: Path
) -> None:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)  # a free batch, float in and out
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in _images())
    quantised = bytes(converter.convert())
    theirs, keras_file = tmp_path / "theirs.tflite", tmp_path / "float.keras"
    theirs.write_bytes(quantised)
    model.save(keras_file)
    diagnosis = diagnose_file(theirs, keras_file, str(data), split="all").diagnosis
    (found,) = diagnosis_json(diagnosis)["variants"]
    assert [layer["layer"] for layer in found["layers"]] == LAYERS
    _check(found, float_file, quantised)


def test_a_float_model_that_does_not_fit_is_called_by_its_own_name(
    float_file: bytes, tmp_path: Path, data: Path
) -> None:
    """It is converted into a temporary file first, which nobody knows."""
    import keras

    odd = keras.Sequential([keras.Input((17,)), keras.layers.Dense(10)])
    odd.save(tmp_path / "odd.keras")
    (tmp_path / "a.tflite").write_bytes(float_file)
    with pytest.raises(EdgedigitsError) as error:
        diagnose_file(tmp_path / "a.tflite", tmp_path / "odd.keras", str(data), split="all")
    assert str(error.value).startswith(f"{tmp_path}/odd.keras: ")


def test_a_file_of_ai_edge_quantizer_with_its_float_file(
    float_file: bytes, tmp_path: Path, data: Path, run_cli: RunCli
) -> None:
    """Its ranges are a moving average: values are clipped, and that is seen."""
    quantised = _ai_edge(float_file)
    (tmp_path / "theirs.tflite").write_bytes(quantised)
    (tmp_path / "float.tflite").write_bytes(float_file)
    options = ["--float", "float.tflite", "--data", data.name, "--split", "all", "--json"]
    command = ["diagnose", "theirs.tflite", *options, "--out", "found"]
    code, out, error = run_cli(*command, cwd=tmp_path)
    assert code == 0, error
    document = json.loads(out)
    assert (document["schema_version"], document["n"]) == (1, PICTURES)
    (found,) = document["variants"]
    # Keras 3 numbers the scopes of layers, and nothing says so in the file.
    assert [layer["layer"].rpartition("_")[0] for layer in found["layers"]] == LAYERS
    assert found["layers"][-1]["range"]["clipped"] > 0.02
    _check(found, float_file, quantised)
    for name in ("diagnosis.json", "theirs-layers.png"):
        assert (tmp_path / "found" / name).is_file()


def test_a_model_whose_scales_are_moved_is_held_against_the_moved_one(tmp_path: Path) -> None:
    """Against the model as it is, sound layers would look broken."""
    import keras
    from test_equalise import _model

    from edgedigits.convert.equalise import equalise

    model = _model(keras, separate=False)
    model.save(tmp_path / "model.keras")
    assert needs_equalising(tmp_path / "model.keras")
    pictures = digits(PICTURES)
    plain = to_float_file(tmp_path / "model.keras", tmp_path / "plain.tflite")
    moved = to_float_file(
        tmp_path / "model.keras", tmp_path / "moved.tflite", calibration=pictures.images
    )
    equalise(model, _images())
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in _images())
    file = tmp_path / "int8.tflite"
    file.write_bytes(converter.convert())
    first = {}
    for name, reference in (("plain", plain), ("moved", moved)):
        found = diagnose_variant(
            Classifier(file, trust=True),
            Reference(Classifier(reference, trust=True), name),
            pictures,
            np.arange(PICTURES, dtype=np.int64),
        )
        first[name] = found.layers[0]
    assert first["moved"].sqnr_db > 25
    assert first["plain"].sqnr_db < 15
