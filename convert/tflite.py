"""The one file that touches TFLiteConverter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.convert.recipes import Recipe
from edgedigits.errors import ConversionError


def to_tflite(
    model: Any,
    recipe: Recipe,
    *,
    input_shape: tuple[int, ...],
    representative: NDArray[np.float32] | None = None,
) -> bytes:
    """Convert a Keras model (2 or 3) to the bytes of a ``.tflite`` file.

    The batch is fixed to 1, because a free one leaves SHAPE, STRIDED_SLICE and PACK on int32 in the
    graph, which accelerators do not map.

    Args:
        model: a built Keras model with one input and one output.
        recipe: a recipe of the tool ``tflite-converter``.
        input_shape: of one picture, without the batch.
        representative: float32 ``[n, *input_shape]``, the calibration set as model inputs; needed
            by calibrated recipes.

    Raises:
        ConversionError: the converter refuses the model.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        *_concrete_function(tf, model, input_shape)
    )
    _configure(tf, converter, recipe, representative)
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter raises whatever MLIR and its own checks raise
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise ConversionError(f"{recipe.name}: the converter failed: {reason[:300]}") from error


def _concrete_function(tf: Any, model: Any, input_shape: tuple[int, ...]) -> tuple[Any, Any]:
    module = tf.Module()
    # Keras 3 variables wrap TensorFlow's; the module must own the latter for them to be frozen.
    module.weights = [getattr(variable, "value", variable) for variable in model.variables]
    if module.weights and callable(module.weights[0]):
        module.weights = list(model.variables)
    module.serve = tf.function(lambda x: model(x, training=False))
    signature = tf.TensorSpec((1, *input_shape), tf.float32, name="input")
    return [module.serve.get_concrete_function(signature)], module


def _configure(
    tf: Any, converter: Any, recipe: Recipe, representative: NDArray[np.float32] | None
) -> None:
    if recipe.weights == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if recipe.calibrated:
        if representative is None:
            raise ConversionError(f"{recipe.name}: needs a calibration set")
        converter.representative_dataset = lambda: _one_by_one(representative)
    if recipe.dense_per_tensor:
        # Converters without this switch give Dense layers one scale anyway.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if recipe.activations == "int8":
        if (
            recipe.calibrated
        ):  # a model trained so carries its ranges, and must not be asked for them
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    elif recipe.activations == "int16":
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        converter.inference_input_type = converter.inference_output_type = tf.int16


def _one_by_one(representative: NDArray[np.float32]) -> Iterator[list[NDArray[np.float32]]]:
    for picture in representative:
        yield [picture[None]]
