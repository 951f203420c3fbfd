"""Quantisation-aware training: fine-tune a Keras 2 model with int8 rounding in the forward pass.

B. Jacob et al., 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"; the work is done by tensorflow-model-optimization.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.errors import ConversionError, MissingPackageError
from edgedigits.files import DAMAGED_NPZ, atomic_path, file_digest
from edgedigits.progress import Progress
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train.epochs import BestWeights
from edgedigits.train.fitting import fit

LEARNING_RATE = 1e-4  # a tenth of Adam's default: the weights are already where they should be


@dataclass(frozen=True)
class QatSettings:
    """How a model is fine-tuned with quantisation in place."""

    epochs: int = 2
    batch_size: int = 64
    learning_rate: float = LEARNING_RATE
    seed: int = 0


def quantisation_aware(
    model: Any,
    run: RunFolder,
    data: RunData,
    settings: QatSettings,
    input_range: tuple[float, float],
    calibration: NDArray[np.float32],
    progress: Progress,
) -> Any:
    """The model fine-tuned with quantisation in place; kept as ``qat.npz`` for the next export.

    Args:
        model: a ``tf_keras`` Sequential or functional model.
        run: where the weights are kept. They are used again while model and settings are the same.
        input_range: the model's input values for pixel 0 and pixel 255.
        calibration: float32 ``[n, ...]``, model inputs that the activation ranges start from.

    Raises:
        ConversionError: the model cannot be trained so, and why.
    """
    tf_keras = import_tf_keras("quantisation-aware training")
    try:
        import tensorflow_model_optimization as tfmot
    except ImportError:
        raise MissingPackageError(
            "quantisation-aware training", "train", "tensorflow-model-optimization"
        ) from None
    quantization = tfmot.quantization.keras
    aware = _annotate(tf_keras, quantization, model)
    made_of = {**vars(settings), "source_sha256": file_digest(run.model_file())}
    kept = run.path / "qat.npz"
    if run.manifest().get("qat", {}).get("made_of") == made_of and _restore(aware, kept):
        return aware
    _start_ranges(tf_keras, aware, model, calibration)
    _pin_input_range(aware, input_range)
    tf_keras.utils.set_random_seed(settings.seed)
    best = BestWeights(aware)
    results = fit(
        aware,
        data.train,
        data.validation,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        input_range=input_range,
        progress=progress,
        after_epoch=best,
        what="quantisation-aware training",
    )
    chosen = best.restore()
    _pin_input_range(aware, input_range)
    with atomic_path(kept) as temporary:
        np.savez_compressed(temporary, *aware.get_weights())
    run.update_manifest(
        qat={
            "made_of": made_of,
            "best_epoch": chosen.epoch,
            "val_accuracy": chosen.val_accuracy,
            "epochs": [result.to_json() for result in results],
        }
    )
    return aware


def _annotate(tf_keras: Any, quantization: Any, model: Any) -> Any:
    if not isinstance(model, tf_keras.Model):
        raise ConversionError(
            "qat-int8: quantisation-aware training takes Keras 2 models only; "
            "use --int8 for this one"
        )
    copy = tf_keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    try:
        return quantization.quantize_model(copy)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConversionError(
            f"qat-int8: tensorflow-model-optimization cannot train this model so: {reason}"
        ) from error


def _restore(aware: Any, kept: Path) -> bool:
    """Take over kept weights; False where they are missing, damaged or of another shape."""
    try:
        with np.load(kept, allow_pickle=False) as stored:
            aware.set_weights([stored[name] for name in stored.files])
    except DAMAGED_NPZ:
        return False
    return True


def _start_ranges(tf_keras: Any, aware: Any, model: Any, calibration: NDArray[np.float32]) -> None:
    """Let the activation ranges start where the float model's are, not at −6 to 6.

    They are moving averages with a memory of a thousand steps; a short fine-tuning would end with
    the arbitrary ones it began with.
    """

    def without_softmax(layer: Any) -> Any:
        settings = layer.get_config()
        if settings.get("activation") == "softmax":
            settings["activation"] = "linear"
        return type(layer).from_config(settings)

    twin = tf_keras.models.clone_model(model, clone_function=without_softmax)
    twin.set_weights(model.get_weights())
    outputs = tf_keras.Model(twin.inputs, [layer.output for layer in twin.layers])(calibration)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    ranges = {
        f"quant_{layer.name}": (float(np.min(output)), float(np.max(output)))
        for layer, output in zip(twin.layers, outputs, strict=True)
    }
    for layer in aware.layers:
        for variable in layer.variables:
            kind = variable.name.split("/")[-1].split(":")[0]
            if layer.name in ranges and kind.startswith(("post_activation", "pre_activation")):
                variable.assign(ranges[layer.name][0 if kind.endswith("_min") else 1])


def _pin_input_range(aware: Any, input_range: tuple[float, float]) -> None:
    """Give the input the range of pixels 0 to 255 exactly, whatever the pictures seen held."""
    for layer in aware.layers:
        if type(layer).__name__ == "QuantizeLayer":
            for variable in layer.variables:
                if variable.name.split("/")[-1].startswith("quantize_layer_min"):
                    variable.assign(input_range[0])
                elif variable.name.split("/")[-1].startswith("quantize_layer_max"):
                    variable.assign(input_range[1])
