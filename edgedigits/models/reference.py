"""Five published classifiers of 28×28 grey pictures, layer by layer as published.

Where a published table lists activations as rows of their own, so do we; where it lists none, they
are inside the layers: ReLU everywhere but at the head, softmax there.
"""

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


def _conv(filters: int, kernel: int, *, pool: bool) -> tuple[Layer, ...]:
    layers: tuple[Layer, ...] = (
        Conv(filters, kernel, padding="valid", activation=None),
        Activation("relu"),
    )
    if pool:
        layers += (MaxPool(2, stride=1),)
    return (*layers, BatchNorm())


def _dense(units: int) -> tuple[Layer, ...]:
    # The rate is not published; 0.4 was usual in re-tellings of AlexNet with batch normalisation.
    return (Dense(units, activation=None), Activation("relu"), Dropout(0.4), BatchNorm())


def _alexnet(classes: int) -> tuple[Layer, ...]:
    return (
        *_conv(64, 3, pool=True),
        *_conv(128, 3, pool=True),
        *_conv(192, 1, pool=False),
        *_conv(192, 3, pool=False),
        *_conv(128, 3, pool=True),
        Flatten(),
        *_dense(2048),
        *_dense(2048),
        *_dense(800),
        Dense(classes, activation=None),
        Activation("softmax"),
    )


ALEXNET_NUMBER = ModelSpec(
    name="alexnet-number",
    layers=_alexnet(35),
    origin="Published AlexNet pattern for 28×28 digits; its 35 outputs also serve letters.",
    training=TrainingDefaults(epochs=10, batch_size=128),
)

FASHION_CNN = ModelSpec(
    name="fashion-cnn",
    layers=(
        Conv(32),
        MaxPool(),
        Conv(64),
        MaxPool(),
        Flatten(),
        Dense(10, activation="softmax"),
    ),
    origin="Published two-convolution classifier of Fashion-MNIST, 89.11 % on validation.",
    training=TrainingDefaults(epochs=30, batch_size=32, learning_rate=0.005, data="fashion-mnist"),
)

MNIST_CNN = ModelSpec(
    name="mnist-cnn",
    layers=(
        Conv(32),
        MaxPool(),
        Flatten(),
        Dense(256),
        Dense(256),
        Dropout(0.5),  # the rate is not published
        Dense(10, activation="softmax"),
    ),
    origin="Published one-convolution classifier of MNIST, about 97 % on its test set.",
    training=TrainingDefaults(epochs=10, batch_size=32),
)

MNIST_DENSE = ModelSpec(
    name="mnist-dense",
    layers=(
        Flatten(),
        Dense(128),
        Dense(64),
        Dense(10, activation="softmax"),
    ),
    origin="Dense classifier of MNIST, 98 % published; its layers are not, these are ours.",
    training=TrainingDefaults(epochs=10, batch_size=32),
)

ALEXNET_DIGITS = ModelSpec(
    name="alexnet-digits",
    layers=_alexnet(10),
    origin="The pattern of alexnet-number with ten outputs; its exact layers are not published.",
    training=TrainingDefaults(epochs=30, batch_size=128, early_stopping=3),
)

MODELS = (ALEXNET_NUMBER, FASHION_CNN, MNIST_CNN, MNIST_DENSE, ALEXNET_DIGITS)
