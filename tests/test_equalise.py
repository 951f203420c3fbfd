"""Equalisation: the same function, weights that eight bits hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgedigits.convert.equalise import equalise, pairs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]


def _model(keras: Any, *, separate: bool, seed: int = 0) -> Any:
    """Dense, ReLU, dropout, normalisation, twice; three units of each are never on."""
    layers = keras.layers
    activation = None if separate else "relu"
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()])
    for units in (24, 16):
        model.add(layers.Dense(units, activation=activation))
        if separate:
            model.add(layers.Activation("relu"))
        model.add(layers.Dropout(0.4))
        model.add(layers.BatchNormalization())
    model.add(layers.Dense(10, activation="softmax"))
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if type(layer).__name__ == "Dense":
            kernel, bias = layer.get_weights()
            bias = rng.normal(size=bias.shape)
            if len(bias) > 10:
                bias[:3] = -50  # never on
            layer.set_weights([rng.normal(size=kernel.shape) / 8, bias])
        if type(layer).__name__ == "BatchNormalization":
            gamma = rng.uniform(0.5, 1.5, layer.get_weights()[0].shape)
            spread = rng.uniform(0.5, 2, gamma.shape)
            spread[:3] = 0  # so that their scale is 1 / sqrt(epsilon), near 32
            layer.set_weights([gamma, rng.normal(size=gamma.shape), spread, spread])
    return model


def _keras(framework: int) -> Any:
    if framework == 3:
        import keras

        return keras
    from edgedigits.tf_loader import import_tf_keras

    return import_tf_keras()


@pytest.fixture(scope="module")
def inputs() -> Any:
    return np.random.default_rng(1).random((120, 28, 28, 1), dtype=np.float32)


def _outlier(model: Any) -> float:
    """Of the weights with the normalisation inside: the largest against a typical one."""
    (norm, dense) = (pairs(model)[0].norm, pairs(model)[0].second)
    gamma, _, _, variance = norm.get_weights()
    kernel = dense.get_weights()[0] * (gamma / np.sqrt(variance + norm.epsilon))[:, None]
    return float((np.abs(kernel).max(axis=0) / np.median(np.abs(kernel), axis=0)).mean())


@pytest.mark.parametrize("framework", [2, 3])
@pytest.mark.parametrize("separate", [True, False])
def test_the_function_stays_and_outliers_go(framework: int, separate: bool, inputs: Any) -> None:
    model = _model(_keras(framework), separate=separate)
    before, outlier = np.asarray(model(inputs)), _outlier(model)
    assert len(pairs(model)) == 2
    assert equalise(model, inputs[:60]) == 2
    np.testing.assert_allclose(np.asarray(model(inputs)), before, atol=2e-5)
    assert _outlier(model) < outlier / 2
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            assert (layer.get_weights()[-1] >= 0).all()


@pytest.mark.parametrize("kind", ["no normalisation", "sigmoid", "capped", "before the ReLU"])
def test_what_does_not_allow_it_is_left_alone(kind: str, inputs: Any) -> None:
    keras = _keras(2)
    layers = keras.layers
    between = {
        "no normalisation": [layers.ReLU()],
        "sigmoid": [layers.Activation("sigmoid"), layers.BatchNormalization()],
        "capped": [layers.ReLU(max_value=6), layers.BatchNormalization()],
        "before the ReLU": [layers.BatchNormalization(), layers.ReLU()],
    }[kind]
    chain = [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(8), *between, layers.Dense(4)]
    model = keras.Sequential(chain)
    before = model.get_weights()
    assert equalise(model, inputs) == 0
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def _noise(data: bytes, inputs: Any, expected: Any) -> float:
    """Mean absolute error of an int8 file's scores against the float model's."""
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    errors = []
    for picture, scores in zip(inputs, expected, strict=True):
        scale, zero = source["quantization"]
        quantised = np.clip(np.rint(picture / scale + zero), -128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], quantised[None])
        interpreter.invoke()
        scale, zero = target["quantization"]
        answer = (interpreter.get_tensor(target["index"])[0].astype(np.float64) - zero) * scale
        errors.append(np.abs(answer - scores).mean())
    return float(np.mean(errors))


def test_the_int8_file_is_nearer_to_the_float_model(inputs: Any) -> None:
    from edgedigits.convert.recipes import RECIPES
    from edgedigits.convert.tflite import to_tflite

    model = _model(_keras(2), separate=True)
    expected = np.asarray(model(inputs))

    def int8() -> bytes:
        return to_tflite(
            model, RECIPES["int8"], input_shape=(28, 28, 1), representative=inputs[:60]
        )

    before = _noise(int8(), inputs, expected)
    equalise(model, inputs[:60])
    assert _noise(int8(), inputs, expected) < before / 2
