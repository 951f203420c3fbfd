"""Make a .keras file as your own project might: plain Keras 3, nothing of edgedigits in it.

python examples/own_keras3_model.py my_model.keras
edgedigits import my_model.keras --data digits --run runs/mine --input-range 0,1
edgedigits export runs/mine --all
edgedigits compare runs/mine
"""

import sys

import keras
import numpy as np

from edgedigits.data.registry import load_data


def main(path: str) -> None:
    """Train a small Keras 3 model on the embedded digits and save it."""
    train = load_data("digits").train
    pictures = train.images[..., None].astype(np.float32) / 255
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pictures, train.labels, epochs=8, verbose=2)
    model.save(path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "my_model.keras")
