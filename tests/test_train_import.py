"""A user's own model becomes a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_training import small_npz

from edgedigits.errors import DataError, ModelFileError, UsageError
from edgedigits.keras_files import load_keras
from edgedigits.model_input import model_input, picture_shape
from edgedigits.run import open_run
from edgedigits.run_data import load_run_data
from edgedigits.train.importing import import_model, parse_range

pytestmark = pytest.mark.xdist_group("tensorflow")


def test_ranges() -> None:
    assert parse_range("0,1") == (0, 1)
    assert parse_range("-1,1") == (-1, 1)
    assert parse_range("-0.4242, 2.8215") == (-0.4242, 2.8215)
    for text in ("1,0", "0", "0,1,2", "a,b", "0,nan", ""):
        with pytest.raises(UsageError, match="must be two numbers, low before high"):
            parse_range(text)


def test_pictures_in_every_shape() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    images[0, 0, :2] = 0, 255
    plain = images.astype(np.float64) / 255
    np.testing.assert_allclose(model_input(images, (28, 28, 1))[..., 0], plain, atol=1e-7)
    np.testing.assert_allclose(
        model_input(images, (784,), (-1, 1)), plain.reshape(3, 784) * 2 - 1, atol=1e-6
    )
    np.testing.assert_array_equal(model_input(images, (28, 28), (0, 255)), images)
    colour = model_input(images, (28, 28, 3))
    assert colour.shape == (3, 28, 28, 3)
    np.testing.assert_array_equal(colour[..., 0], colour[..., 2])
    assert model_input(images, (32, 40, 1)).shape == (3, 32, 40, 1)
    assert model_input(images, (28, 28, 1)).dtype == np.float32
    # Halved exactly: each pixel is the mean of four.
    half = model_input(images, (14, 14), (0, 255))
    mean = images.reshape(3, 14, 2, 14, 2).mean(axis=(2, 4))
    assert np.abs(half - mean).max() <= 0.5
    for shape in ((783,), (28, 28, 4), (1, 28, 28), (4, 4, 4, 4)):
        with pytest.raises(ValueError, match="is not that of a picture"):
            picture_shape(shape)


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_npz(tmp_path_factory.mktemp("data") / "small.npz")


@pytest.fixture(scope="module")
def keras_3() -> Any:
    from edgedigits.tf_loader import import_tf_keras

    import_tf_keras()
    import keras

    return keras


def _nearest_mean(keras: Any, npz: Path, shape: tuple[int, ...], low: float, high: float) -> Any:
    """A model with weights set by hand: which class's mean picture is nearest."""
    with np.load(npz) as arrays:
        pixels = model_input(arrays["x_train"], (784,), (low, high)).astype(np.float64)
        means = np.stack([pixels[arrays["y_train"] == label].mean(axis=0) for label in range(10)])
    model = keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(10, name="nearest")]
    )
    model.layers[-1].set_weights([means.T, -(means**2).sum(axis=1) / 2])
    return model


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(28, 28, 1), (28, 28), (784,)])
def test_a_keras_3_model_becomes_a_run(
    keras_3: Any, npz: Path, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    file = tmp_path / "mine.keras"
    _nearest_mean(keras_3, npz, shape, -1, 1).save(file)
    result = import_model(file, str(npz), tmp_path / "run", input_range=(-1, 1))
    assert result.validation_accuracy > 0.7
    assert result.warning is None
    run = open_run(tmp_path / "run")
    assert run.model_file().read_bytes() == file.read_bytes()
    model = run.manifest()["model"]
    assert model["origin"] == "imported"
    assert tuple(model["input_shape"]) == shape
    assert model["input_range"] == [-1, 1]
    assert model["classes"] == 10
    data = load_run_data(run)
    assert len(data.validation) == 30
    answers = np.asarray(
        load_keras(run.model_file())(model_input(data.validation.images, shape, (-1, 1)))
    ).argmax(axis=1)
    assert (answers == data.validation.labels).mean() == result.validation_accuracy


@pytest.mark.slow
def test_a_wrong_range_is_noticed(keras_3: Any, npz: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.keras"
    model = _nearest_mean(keras_3, npz, (28, 28, 1), 0, 255)
    model.save(file)
    result = import_model(file, str(npz), tmp_path / "run", input_range=(0, 1))
    assert result.warning is not None
    assert "near chance: with --input-range 0,255 it would be 0." in result.warning


@pytest.mark.slow
def test_a_range_that_the_accuracy_does_not_tell(keras_3: Any, npz: Path, tmp_path: Path) -> None:
    """Without biases, inputs 255 times as large make the same choice; half a range does worse."""
    file = tmp_path / "mine.keras"
    model = _nearest_mean(keras_3, npz, (28, 28, 1), 0, 1)
    (weights, biases) = model.layers[-1].get_weights()
    model.layers[-1].set_weights([weights / np.linalg.norm(weights, axis=0), 0 * biases])
    model.save(file)
    for used, other in (((0, 1), "0,255"), ((0, 255), "0,1")):
        result = import_model(file, str(npz), tmp_path / "run", input_range=used, overwrite=True)
        assert result.warning is None
        assert result.validation_accuracy > 0.5
        assert result.notes[-1] == (
            f"with --input-range {other} the accuracy would be {result.validation_accuracy:.4f}, "
            "so it does not tell which range is right; name the one that the model was trained with"
        )


@pytest.mark.slow
def test_a_better_range_is_named_far_from_chance(keras_3: Any, npz: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.keras"
    _nearest_mean(keras_3, npz, (28, 28, 1), 0, 1).save(file)
    result = import_model(file, str(npz), tmp_path / "run", input_range=(0, 0.4))
    assert result.validation_accuracy > 0.2
    assert (result.warning or "").startswith(f"the accuracy is {result.validation_accuracy:.4f}; ")
    assert "with --input-range 0,1 it would be 0." in (result.warning or "")


@pytest.mark.slow
def test_an_h5_file_is_stored_as_keras(keras_3: Any, npz: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.h5"
    model = _nearest_mean(keras_3, npz, (28, 28, 1), 0, 1)
    model.save(file)
    run = import_model(file, str(npz), tmp_path / "run").run
    for before, after in zip(
        model.get_weights(), load_keras(run.model_file()).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(before, after)


@pytest.mark.slow
def test_what_does_not_fit_is_refused_and_leaves_no_run(
    keras_3: Any, npz: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    layers = keras_3.layers
    narrow = tmp_path / "narrow.keras"
    keras_3.Sequential([keras_3.Input((28, 28)), layers.Flatten(), layers.Dense(9)]).save(narrow)
    with pytest.raises(DataError, match=r"has 10 classes, but .*narrow\.keras only 9 outputs"):
        import_model(narrow, str(npz), run)
    odd = tmp_path / "odd.keras"
    keras_3.Sequential([keras_3.Input((17,)), layers.Dense(10)]).save(odd)
    with pytest.raises(ModelFileError, match=r"input shape \(17,\) is not that of a picture"):
        import_model(odd, str(npz), run)
    with pytest.raises(UsageError, match=r"none\.keras: no such file"):
        import_model(tmp_path / "none.keras", str(npz), run)
    assert not run.exists()


@pytest.mark.slow
def test_the_command(keras_3: Any, npz: Path, tmp_path: Path, run_cli: Any) -> None:
    file = tmp_path / "mine.keras"
    _nearest_mean(keras_3, npz, (28, 28), 0, 255).save(file)
    arguments = ["import", file, "--data", npz, "--run", tmp_path / "run"]
    code, stdout, stderr = run_cli(*arguments, "--input-range", "0,255", "--json")
    assert code == 0, stderr
    document = json.loads(stdout)
    assert document["input_shape"] == [28, 28]
    assert document["validation_accuracy"] > 0.7
    code, _, stderr = run_cli(*arguments)
    assert code == 2
    assert "already holds a run" in stderr
    code, _, stderr = run_cli("train", "tiny-cnn", "--run", tmp_path / "run", "--resume")
    assert code == 1
    assert "was not made by 'edgedigits train'" in stderr
