"""The small default: learns the embedded digits in seconds."""

from __future__ import annotations

from edgedigits.models.layers import Conv, Dense, Flatten, MaxPool
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
