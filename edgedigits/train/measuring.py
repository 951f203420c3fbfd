"""Loss and accuracy of a Keras model in training; reports are made from exported files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.model_input import Range, Shape, model_input

EVALUATION_BATCH = 256


def scores(
    model: Any, pictures: Pictures, input_shape: Shape, input_range: Range = (0.0, 1.0)
) -> NDArray[np.float32]:
    """The model's outputs, float32 ``[n, classes]``: probabilities or logits, as it gives them."""
    parts = [
        np.asarray(
            model.predict_on_batch(
                model_input(
                    pictures.images[start : start + EVALUATION_BATCH], input_shape, input_range
                )
            ),
            dtype=np.float32,
        )
        for start in range(0, len(pictures), EVALUATION_BATCH)
    ]
    return np.concatenate(parts)


def are_probabilities(outputs: NDArray[np.float32]) -> bool:
    """Whether every row is a distribution: nothing below 0, summing to 1."""
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def probabilities(outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Outputs as float64 probabilities: as they are, or the softmax of logits."""
    wide = outputs.astype(np.float64)
    if are_probabilities(outputs):
        return wide
    wide = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(wide / wide.sum(axis=1, keepdims=True))


def loss_and_accuracy(
    outputs: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean cross-entropy in nats, and share of right answers, of probabilities or logits.

    Args:
        outputs: float32 ``[n, classes]``. labels: int64 ``[n]``.
    """
    true = probabilities(outputs)[np.arange(len(labels)), labels]
    loss = -np.log(np.maximum(true, 1e-7)).mean()
    return float(loss), float((outputs.argmax(axis=1) == labels).mean())


def measure(
    model: Any, pictures: Pictures, input_shape: Shape, input_range: Range = (0.0, 1.0)
) -> tuple[float, float]:
    """Loss and accuracy of a model on labelled pictures, as :func:`loss_and_accuracy`."""
    assert pictures.labels is not None
    return loss_and_accuracy(scores(model, pictures, input_shape, input_range), pictures.labels)
