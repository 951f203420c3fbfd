"""Files of Keras 2 and Keras 3, good, foreign, dangerous and broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_training import small_cnn

from edgedigits.errors import ModelFileError
from edgedigits.keras_files import keras_facts, load_keras

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]


def _keras(framework: int) -> Any:
    from edgedigits.tf_loader import import_tf_keras

    tf_keras = import_tf_keras()
    if framework == 2:
        return tf_keras
    import keras

    return keras


@pytest.fixture(params=[(2, "keras"), (3, "keras"), (2, "h5"), (3, "h5")], ids=str)
def kind(request: pytest.FixtureRequest) -> tuple[int, str]:
    made: tuple[int, str] = request.param
    return made


def test_a_file_gives_its_model_back(tmp_path: Path, kind: tuple[int, str]) -> None:
    framework, suffix = kind
    model = small_cnn(_keras(framework))
    model.compile("adam", "sparse_categorical_crossentropy")
    path = tmp_path / f"model.{suffix}"
    model.save(path)
    facts = keras_facts(path)
    assert (facts.framework, facts.input_shape, facts.classes) == (framework, (28, 28, 1), 10)
    pictures = np.random.default_rng(0).random((4, 28, 28, 1), dtype=np.float32)
    loaded = load_keras(path)
    np.testing.assert_array_equal(np.asarray(loaded(pictures)), np.asarray(model(pictures)))
    assert getattr(loaded, "optimizer", None) is None
    assert type(loaded).__module__.startswith("tf_keras" if framework == 2 else "keras")


def test_a_lambda_layer_is_refused_and_never_run(tmp_path: Path, kind: tuple[int, str]) -> None:
    framework, suffix = kind
    keras = _keras(framework)
    touched = tmp_path / "touched"
    # The path stands in the code itself: what a function closes over is not saved.
    code = eval(f"lambda x: (open({str(touched)!r}, 'w').close(), x)[1]")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(code)])
    path = tmp_path / f"model.{suffix}"
    model.save(path)
    touched.unlink()  # building the model ran it
    with pytest.raises(ModelFileError, match=r"model\.\w+: holds a Lambda layer, that is code"):
        load_keras(path)
    assert not touched.exists()


def test_a_custom_layer_is_named(tmp_path: Path, kind: tuple[int, str]) -> None:
    framework, suffix = kind
    keras = _keras(framework)

    class Doubled(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    path = tmp_path / f"model.{suffix}"
    keras.Sequential([keras.Input((4,)), Doubled(), keras.layers.Dense(2)]).save(path)
    with pytest.raises(ModelFileError, match=r"custom objects \(\S*Doubled\)"):
        load_keras(path)


def test_a_custom_activation_is_named(tmp_path: Path, kind: tuple[int, str]) -> None:
    framework, suffix = kind
    keras = _keras(framework)

    def doubled(inputs: Any) -> Any:
        return inputs * 2

    path = tmp_path / f"model.{suffix}"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation=doubled)]).save(path)
    with pytest.raises(ModelFileError, match=r"custom objects \(doubled\)"):
        load_keras(path)


def test_a_custom_loss_does_not_matter(tmp_path: Path) -> None:
    model = small_cnn(_keras(3))

    def own_loss(truth: Any, outputs: Any) -> Any:
        return outputs.sum()

    model.compile("adam", own_loss)
    model.save(tmp_path / "model.keras")
    assert keras_facts(tmp_path / "model.keras").classes == 10


@pytest.mark.parametrize("framework", [2, 3])
@pytest.mark.parametrize("damage", ["truncated", "random", "flipped", "empty", "zip", "text"])
def test_a_damaged_file_gives_one_clear_line(tmp_path: Path, framework: int, damage: str) -> None:
    path = tmp_path / "model.keras"
    small_cnn(_keras(framework)).save(path)
    good = path.read_bytes()
    flipped = bytearray(good)
    middle = slice(len(good) // 2, len(good) // 2 + 64)
    flipped[middle] = bytes(byte ^ 255 for byte in flipped[middle])
    damaged = {
        "truncated": good[: len(good) // 2],
        "random": np.random.default_rng(0).bytes(5000),
        "flipped": bytes(flipped),
        "empty": b"",
        "zip": b"PK\x05\x06" + bytes(18),
        "text": b"not a model",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(ModelFileError) as caught:
        load_keras(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        load_keras(tmp_path / "none.keras")


def test_two_inputs_a_free_size_and_a_wrong_output_are_refused(tmp_path: Path) -> None:
    keras = _keras(2)
    layers = keras.layers
    one, two = keras.Input((4,)), keras.Input((4,))
    keras.Model([one, two], layers.Add()([one, two])).save(tmp_path / "two.keras")
    with pytest.raises(ModelFileError, match="2 inputs and 1 outputs"):
        keras_facts(tmp_path / "two.keras")
    keras.Sequential(
        [keras.Input((None, None, 1)), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    ).save(tmp_path / "free.keras")
    with pytest.raises(ModelFileError, match="leaves a size open"):
        keras_facts(tmp_path / "free.keras")
    keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3)]).save(tmp_path / "map.keras")
    with pytest.raises(ModelFileError, match=r"output shape is \(6, 6, 2\)"):
        keras_facts(tmp_path / "map.keras")


def test_import_order_makes_no_difference(tmp_path: Path) -> None:
    for framework in (2, 3):
        small_cnn(_keras(framework)).save(tmp_path / f"{framework}.keras")
    code = (
        "import sys; from pathlib import Path; import tensorflow as tf; tf.keras.layers.Dense;"
        "import tensorflow_model_optimization;"
        "from edgedigits.keras_files import keras_facts;"
        "print([keras_facts(Path(p)).framework for p in sys.argv[1:]])"
    )
    files = [str(tmp_path / f"{framework}.keras") for framework in (2, 3)]
    done = subprocess.run(
        [sys.executable, "-c", code, *files, *reversed(files)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[2, 3, 3, 2]"


def test_a_large_file_is_opened_through_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways give the same model."""
    from edgedigits import keras_files
    from edgedigits.tf_loader import import_tf_keras

    tf_keras = import_tf_keras()
    model = tf_keras.Sequential(
        [
            tf_keras.Input((28, 28, 1)),
            tf_keras.layers.Conv2D(3, 3),
            tf_keras.layers.BatchNormalization(),
            tf_keras.layers.Flatten(),
            tf_keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "mse")
    path = tmp_path / "model.keras"
    model.save(path)
    usual = load_keras(path)
    monkeypatch.setattr(keras_files, "LARGE", 0)
    unpacked = load_keras(path)
    assert unpacked.get_config() == usual.get_config()
    assert getattr(unpacked, "optimizer", None) is None
    for ours, theirs in zip(unpacked.get_weights(), usual.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
