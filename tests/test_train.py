"""Training: the data it sees, the settings it takes, and the files it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_training import small_cnn, small_npz, some_digits
from sklearn.metrics import log_loss

from edgedigits.augment import DIGITS
from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data
from edgedigits.errors import DataError, RunError, TrainingError, UsageError
from edgedigits.files import file_digest
from edgedigits.keras_files import load_keras
from edgedigits.run_data import load_run_data, load_split
from edgedigits.train import (
    EpochResult,
    TrainResult,
    TrainSettings,
    best_epoch,
    fit,
    load_history,
    measure,
    train,
)
from edgedigits.train.batches import training_batches
from edgedigits.train.epochs import kept_epoch
from edgedigits.train.fitting import check_labels
from edgedigits.train.measuring import loss_and_accuracy
from edgedigits.train.settings import plan

pytestmark = pytest.mark.xdist_group("tensorflow")


def _result(epoch: int, val_accuracy: float, val_loss: float = 1.0) -> EpochResult:
    return EpochResult(epoch, 1, 0.5, val_loss, val_accuracy, 0.001, 1)


# --- what needs no TensorFlow ---------------------------------------------------------------


def test_best_epoch_is_by_accuracy_then_loss_then_the_first() -> None:
    results = [_result(1, 0.8, 0.1), _result(2, 0.9, 0.5), _result(3, 0.9, 0.4)]
    assert best_epoch(results).epoch == 3
    assert best_epoch([*results, _result(4, 0.9, 0.4)]).epoch == 3


def test_the_kept_epoch_is_the_best_or_the_last() -> None:
    results = [_result(1, 0.8), _result(2, 0.9), _result(3, 0.7)]
    assert kept_epoch(results, "best").epoch == 2
    assert kept_epoch(results, "last").epoch == 3


def test_loss_and_accuracy_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 10)) * 3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = rng.integers(0, 10, 200)
    expected = log_loss(labels, probabilities, labels=range(10))
    for outputs in (logits, probabilities):
        loss, accuracy = loss_and_accuracy(outputs.astype(np.float32), labels)
        assert loss == pytest.approx(expected, abs=1e-5)
        assert accuracy == (logits.argmax(axis=1) == labels).mean()


def _batches(pictures: Pictures, epochs: range, seed: int = 3, **changes: Any) -> list[Any]:
    settings = {"augmentation": None, "input_shape": (28, 28, 1), "input_range": (0.0, 1.0)}
    return list(
        training_batches(
            pictures, batch_size=32, epochs=epochs, seed=seed, **{**settings, **changes}
        )
    )


def test_every_epoch_shows_each_picture_once_with_its_label() -> None:
    pictures = some_digits(300)
    assert pictures.labels is not None
    label_of = {
        image.tobytes(): label
        for image, label in zip(pictures.images, pictures.labels, strict=True)
    }
    steps = _batches(pictures, range(1, 3))
    assert [len(y) for _, y in steps] == [*[32] * 9, 12] * 2
    for epoch in (steps[:10], steps[10:]):
        values = np.concatenate([x for x, _ in epoch])
        assert values.dtype == np.float32
        assert values.shape == (300, 28, 28, 1)
        assert values.max() == 1
        images = np.rint(values[..., 0] * 255).astype(np.uint8)
        labels = np.concatenate([y for _, y in epoch])
        assert {image.tobytes() for image in images} == set(label_of)
        assert [label_of[image.tobytes()] for image in images] == labels.tolist()


def test_order_follows_from_seed_and_epoch_alone() -> None:
    pictures = some_digits(100)
    both = _batches(pictures, range(1, 3))
    second = _batches(pictures, range(2, 3))
    other = _batches(pictures, range(1, 2), seed=4)
    np.testing.assert_array_equal(both[4][0], second[0][0])
    assert (both[0][1] != both[4][1]).any()
    assert (both[0][1] != other[0][1]).any()


def test_augmented_steps_are_repeatable_and_differ_from_epoch_to_epoch() -> None:
    pictures = some_digits(600)
    first = _batches(pictures, range(1, 2), augmentation=DIGITS)
    again = _batches(pictures, range(1, 2), augmentation=DIGITS)
    plain = _batches(pictures, range(1, 2))
    for (x, y), (x_again, _), (x_plain, y_plain) in zip(first, again, plain, strict=True):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_plain)
        assert (x != x_plain).any(axis=(1, 2, 3)).all()


def test_another_shape_and_range_reach_the_model() -> None:
    ((values, _),) = _batches(
        some_digits(20), range(1, 2), input_shape=(784,), input_range=(-1.0, 1.0)
    )
    assert values.shape == (20, 784)
    assert (values.min(), values.max()) == (-1, 1)


def test_labels_outside_the_head_are_refused() -> None:
    pictures = some_digits(50)
    assert pictures.labels is not None
    check_labels(pictures, 35, "set")  # a head may be wider
    with pytest.raises(DataError, match=r"set: has label 12, but the model's 10 outputs"):
        check_labels(Pictures(pictures.images, pictures.labels * 0 + 12), 10, "set")
    with pytest.raises(DataError, match="has label -1"):
        check_labels(Pictures(pictures.images, pictures.labels * 0 - 1), 10, "set")
    with pytest.raises(DataError, match="has no labels"):
        check_labels(Pictures(pictures.images, None), 10, "set")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "--epochs is 0"),
        ({"batch_size": -1}, "--batch-size is -1"),
        ({"learning_rate": 0.0}, "--learning-rate is 0"),
        ({"learning_rate": float("nan")}, "--learning-rate is nan"),
        ({"validation": 1.0}, "--validation is 1"),
        ({"early_stopping": -1}, "--early-stopping is -1"),
        ({"keep": "first"}, "--keep is first; it must be best or last"),
        ({"keep": "last", "early_stopping": 2}, "--early-stopping and --keep last exclude"),
        ({"schedule": "step"}, "--schedule is step; it must be constant, cosine or restarts"),
        ({"seed": -1}, "--seed is -1"),
        ({"model": "lenet"}, "no model is called lenet"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(replace(TrainSettings("tiny-cnn"), **changes))


def test_the_models_own_settings_fill_the_gaps() -> None:
    made = plan(TrainSettings("fashion-cnn", epochs=3))
    assert (made.epochs, made.batch_size, made.learning_rate) == (3, 32, 0.005)
    assert made.data == "fashion-mnist"
    assert plan(TrainSettings("alexnet-digits")).early_stopping > 0
    assert plan(TrainSettings("alexnet-digits", keep="last")).early_stopping == 0


# --- a run ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_npz(tmp_path_factory.mktemp("data") / "small.npz")


@pytest.fixture(scope="module")
def settings(npz: Path) -> TrainSettings:
    return TrainSettings("tiny-cnn", str(npz), epochs=3, seed=1, augment=True)


@pytest.fixture(scope="module")
def trained(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train(settings, tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.slow
def test_a_run_holds_what_it_should(trained: TrainResult, npz: Path) -> None:
    run = trained.run
    assert sorted(path.name for path in run.path.iterdir()) == [
        "history.json",
        "model.keras",
        "run.json",
        "split.json",
        "summary.txt",
    ]
    manifest = run.manifest()
    assert manifest["model"] == {
        "name": "tiny-cnn",
        "origin": "registry",
        "input_shape": [28, 28, 1],
        "classes": 10,
        "input_range": [0.0, 1.0],
    }
    assert manifest["data"]["digest"] == load_data(str(npz)).digest
    assert manifest["settings"]["augmentation"]["rotation"] == DIGITS.rotation
    assert manifest["pictures"] == {"train": 270, "validation": 30, "test": 100}
    assert manifest["training"]["complete"] is True
    assert manifest["training"]["results"]["test_accuracy"] == trained.test_accuracy
    history = json.loads(run.history_file.read_text())
    assert [entry["epoch"] for entry in history["epochs"]] == [1, 2, 3]
    assert history["best_epoch"] == trained.best.epoch
    assert "105866" in (run.path / "summary.txt").read_text()


@pytest.mark.slow
def test_the_model_kept_is_that_of_the_best_epoch(trained: TrainResult) -> None:
    data = load_run_data(trained.run)
    model = load_keras(trained.run.model_file())
    assert model.optimizer is None
    loss, accuracy = measure(model, data.validation, (28, 28, 1))
    best = max(load_history(trained.run), key=lambda r: (r.val_accuracy, -r.val_loss))
    assert accuracy == best.val_accuracy == trained.validation_accuracy
    assert loss == pytest.approx(best.val_loss, abs=1e-5)
    assert trained.test_accuracy == measure(model, data.test, (28, 28, 1))[1]
    assert trained.train_accuracy == measure(model, data.train, (28, 28, 1))[1]
    assert trained.train_accuracy > 0.5  # it learns


@pytest.mark.slow
def test_the_last_epoch_is_kept_where_that_is_asked_for(tmp_path: Path, npz: Path) -> None:
    """With a learning rate that ruins the model, so that luck alone makes the last one the best."""
    for seed in range(4, 8):
        result = train(
            TrainSettings(
                "tiny-cnn", str(npz), epochs=6, learning_rate=0.3, seed=seed, keep="last"
            ),
            tmp_path / str(seed),
        )
        if best_epoch(result.epochs).epoch < 6:
            break
    assert best_epoch(result.epochs).epoch < 6  # else this test says nothing
    assert result.best.epoch == 6
    assert json.loads(result.run.history_file.read_text())["best_epoch"] == 6
    assert result.to_json()["best_epoch"] == 6
    kept = measure(
        load_keras(result.run.model_file()), load_run_data(result.run).validation, (28, 28, 1)
    )
    assert kept == pytest.approx((result.epochs[-1].val_loss, result.epochs[-1].val_accuracy))


@pytest.mark.slow
def test_validation_and_training_part_share_no_picture(trained: TrainResult, npz: Path) -> None:
    data, split = load_run_data(trained.run), load_split(trained.run)
    source = load_data(str(npz)).train
    assert split.test is None
    np.testing.assert_array_equal(data.validation.images, source.images[split.validation])
    rest = sorted(set(range(300)) - set(split.validation.tolist()))
    np.testing.assert_array_equal(data.train.images, source.images[rest])
    assert data.validation.labels is not None
    assert set(data.validation.labels.tolist()) == set(range(10))


@pytest.mark.slow
def test_a_set_without_test_pictures_gives_some_away(tmp_path: Path, npz: Path) -> None:
    with np.load(npz) as arrays:
        np.savez(tmp_path / "one.npz", images=arrays["x_train"], labels=arrays["y_train"])
    result = train(
        TrainSettings("tiny-cnn", str(tmp_path / "one.npz"), epochs=1, seed=5), tmp_path / "run"
    )
    data, split = load_run_data(result.run), load_split(result.run)
    assert split.test is not None
    parts = [set(split.test.tolist()), set(split.validation.tolist())]
    assert len(parts[0]) == 60
    assert not parts[0] & parts[1]
    assert len(data.train) + len(data.validation) + len(data.test) == 300
    np.testing.assert_array_equal(data.test.images, data.dataset.train.images[split.test])
    assert any("60 of 300 were held out" in note for note in result.notes)


@pytest.mark.slow
def test_data_that_has_changed_is_refused(settings: TrainSettings, tmp_path: Path) -> None:
    own = small_npz(tmp_path / "own.npz")
    run = train(replace(settings, data=str(own), epochs=1), tmp_path / "run").run
    small_npz(own, train=299)
    with pytest.raises(RunError, match=r"own\.npz has changed since this run was made"):
        load_run_data(run)
    own.unlink()
    with pytest.raises(UsageError, match=r"own\.npz"):
        load_run_data(run)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(
    trained: TrainResult, settings: TrainSettings, tmp_path: Path
) -> None:
    again = train(settings, tmp_path / "again")
    other = train(replace(settings, seed=2), tmp_path / "other")
    first, second, third = (
        load_keras(result.run.model_file()).get_weights() for result in (trained, again, other)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first[::2], third[::2], strict=True))


@pytest.mark.slow
def test_an_existing_run_is_refused_or_kept_aside(
    trained: TrainResult, settings: TrainSettings, tmp_path: Path
) -> None:
    digest = file_digest(trained.run.model_file())
    with pytest.raises(UsageError, match="already holds a run; add --overwrite"):
        train(settings, trained.run.path)
    assert file_digest(trained.run.model_file()) == digest
    run = train(replace(settings, epochs=1), tmp_path / "run").run
    digest = file_digest(run.model_file())
    train(replace(settings, epochs=1, seed=9), run.path, overwrite=True)
    assert file_digest(tmp_path / "run.previous" / "model.keras") == digest
    assert file_digest(run.model_file()) != digest
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"no")
    with pytest.raises(DataError, match=r"broken\.npz"):
        train(replace(settings, data=str(broken)), run.path, overwrite=True)
    assert run.model_file().is_file()  # not moved aside for a training that never began


@pytest.mark.slow
def test_early_stopping_ends_after_its_patience(tmp_path: Path, npz: Path) -> None:
    with np.load(npz) as arrays:
        labels = np.random.default_rng(0).integers(0, 10, len(arrays["y_train"]))
        np.savez(tmp_path / "noise.npz", images=arrays["x_train"], labels=labels)
    result = train(
        TrainSettings("mnist-dense", str(tmp_path / "noise.npz"), epochs=40, early_stopping=2),
        tmp_path / "run",
    )
    assert result.stopped_early
    assert len(result.epochs) == result.best.epoch + 2


@pytest.mark.slow
def test_the_cosine_falls_to_nothing(settings: TrainSettings, tmp_path: Path) -> None:
    result = train(
        replace(settings, schedule="cosine", learning_rate=0.004, epochs=2), tmp_path / "run"
    )
    steps = 9  # of 270 pictures in an epoch; an epoch's last step is its ninth
    expected = [0.002 * (1 + np.cos(np.pi * (steps * k - 1) / (2 * steps))) for k in (1, 2)]
    assert [epoch.learning_rate for epoch in result.epochs] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_a_diverging_loss_stops_the_training(settings: TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"diverged; try a lower --learning-rate"):
        train(replace(settings, learning_rate=3e38), tmp_path / "run")
    assert not (tmp_path / "run" / "model.keras").exists()


@pytest.mark.slow
def test_fewer_classes_than_outputs(tmp_path: Path) -> None:
    data = small_npz(tmp_path / "three.npz", classes=3, train=90, test=30)
    result = train(TrainSettings("tiny-cnn", str(data), epochs=3), tmp_path / "run")
    assert result.run.manifest()["data"]["class_names"] == ["0", "1", "2"]
    assert result.run.manifest()["model"]["classes"] == 10
    assert result.test_accuracy is not None
    assert result.test_accuracy > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("logits", [False, True])
def test_fit_takes_any_model(logits: bool) -> None:
    from edgedigits.tf_loader import import_tf_keras

    tf_keras = import_tf_keras()
    tf_keras.utils.set_random_seed(0)
    model = small_cnn(tf_keras)
    if logits:
        model = tf_keras.Sequential(
            [tf_keras.Input((784,)), tf_keras.layers.Dense(10, name="dense")]
        )
    results = fit(
        model,
        some_digits(300),
        some_digits(100, 400),
        epochs=6,
        batch_size=16,
        learning_rate=0.005,
        seed=0,
    )
    assert [result.epoch for result in results] == [1, 2, 3, 4, 5, 6]
    assert results[-1].loss < results[0].loss / 1.5
    assert results[-1].val_accuracy > 0.5
    assert model.loss.get_config()["from_logits"] is logits
