"""Models of our own: the small default, the one that reads frames, a wide one that teaches."""

from __future__ import annotations

from edgedigits.models.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
)
from edgedigits.models.spec import ModelSpec, TrainingDefaults

TINY_CNN = ModelSpec(
    name="tiny-cnn",
    layers=(
        Conv(16),
        MaxPool(),
        Conv(32),
        MaxPool(),
        Flatten(),
        Dense(64),
        Dense(10, activation="softmax"),
    ),
    origin="Our small default, used by the demo.",
    training=TrainingDefaults(epochs=12, batch_size=32, learning_rate=0.002, data="digits"),
)


def _normalised(filters: int) -> tuple[Layer, ...]:
    return (Conv(filters, activation=None), BatchNorm(), Activation())


TEACHER_CNN = ModelSpec(
    name="teacher-cnn",
    layers=(
        *_normalised(32),
        MaxPool(),
        *_normalised(64),
        *_normalised(64),
        MaxPool(),
        *_normalised(128),
        *_normalised(128),
        MaxPool(),
        Flatten(),
        Dropout(0.3),
        Dense(256, activation=None),
        BatchNorm(),
        Activation(),
        Dropout(0.5),
        Dense(10, activation="softmax"),
    ),
    origin="Ours: five convolutions, a teacher for small models.",
    training=TrainingDefaults(epochs=25, batch_size=128, learning_rate=0.002, data="fashion-mnist"),
)

DIGIT_READER = ModelSpec(
    name="digit-reader",
    layers=(
        *_normalised(16),
        MaxPool(),
        *_normalised(32),
        *_normalised(48),
        MaxPool(),
        *_normalised(64),
        *_normalised(80),
        MaxPool(),
        Flatten(),
        Dropout(0.1),
        Dense(64),
        Dropout(0.1),
        Dense(12, activation="softmax"),
    ),
    origin="Ours: digits, none and several, for 'edgedigits recognise' and 'camera'.",
    training=TrainingDefaults(epochs=20, batch_size=128, learning_rate=0.002),
)
