"""Quantisation-aware training: fine-tune a Keras 2 model with int8 rounding in the forward pass.

B. Jacob et al., 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"; the work is done by tensorflow-model-optimization.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgedigits.errors import ConversionError, MissingPackageError
from edgedigits.progress import Progress
from edgedigits.run import RunFolder, atomic_path, file_digest
from edgedigits.run_data import RunData
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train.fitting import EpochResult, best_epoch, fit

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
    progress: Progress,
) -> Any:
    """The model fine-tuned with quantisation in place; kept as ``qat.keras`` for the next export.

    Args:
        model: a ``tf_keras`` Sequential or functional model.
        run: where ``qat.keras`` is kept. It is used again while model and settings are the same.
        input_range: the model's input values for pixel 0 and pixel 255.

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
    made_of = {**vars(settings), "source_sha256": file_digest(run.model_file())}
    kept = run.path / "qat.keras"
    if kept.exists() and run.manifest().get("qat", {}).get("made_of") == made_of:
        with quantization.quantize_scope():
            return tf_keras.models.load_model(kept, compile=False)

    aware = _annotate(tf_keras, quantization, model)
    _pin_input_range(aware, input_range)
    tf_keras.utils.set_random_seed(settings.seed)
    best: dict[str, Any] = {}

    def keep_best(results: tuple[EpochResult, ...]) -> bool:
        if best_epoch(results) is results[-1]:
            best["weights"] = aware.get_weights()
        return False

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
        after_epoch=keep_best,
        what="quantisation-aware training",
    )
    aware.set_weights(best["weights"])
    _pin_input_range(aware, input_range)
    with atomic_path(kept) as temporary:
        aware.save(temporary, include_optimizer=False)
    chosen = best_epoch(results)
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


def _pin_input_range(aware: Any, input_range: tuple[float, float]) -> None:
    """Give the input the range of pixels 0 to 255 exactly, whatever the pictures seen held."""
    for layer in aware.layers:
        if type(layer).__name__ == "QuantizeLayer":
            for variable in layer.variables:
                if variable.name.split("/")[-1].startswith("quantize_layer_min"):
                    variable.assign(input_range[0])
                elif variable.name.split("/")[-1].startswith("quantize_layer_max"):
                    variable.assign(input_range[1])
