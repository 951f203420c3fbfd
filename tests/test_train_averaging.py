"""The running mean of the weights, and a learning rate that restarts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_training import small_npz, some_digits
from numpy.typing import NDArray

from edgedigits.keras_files import load_keras
from edgedigits.models.build import build
from edgedigits.models.registry import get_model
from edgedigits.run import RunFolder
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train import TrainSettings, resume, train, training
from edgedigits.train.averaging import MOMENTUM, averaged, averaging_adam
from edgedigits.train.epochs import EpochResult
from edgedigits.train.fitting import fit
from edgedigits.train.measuring import loss_and_accuracy, scores
from edgedigits.train.schedules import Schedule
from edgedigits.train.state import save_epoch

STEPS, BATCH = 6, 8
SHARES = (1 / 10, 2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15)  # of the mean so far, step by step
NOTHING: NDArray[np.float32] = np.zeros((0, 28, 28, 1), np.float32)
pytestmark = pytest.mark.slow


def fitted(
    *,
    average: bool = False,
    schedule: Schedule = "constant",
    epochs: int = 1,
    callbacks: tuple[Any, ...] = (),
) -> tuple[Any, tuple[EpochResult, ...]]:
    """A small model after some steps, and its epochs."""
    import_tf_keras().utils.set_random_seed(3)
    model = build(get_model("mnist-dense"))
    pictures = some_digits(STEPS * BATCH)
    results = fit(
        model,
        pictures,
        pictures,
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=0.01,
        seed=0,
        schedule=schedule,
        average=average,
        callbacks=callbacks,
    )
    return model, results


def test_the_mean_is_that_of_all_steps() -> None:
    seen: list[list[Any]] = []
    watch: Any = import_tf_keras().callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append(watch.model.get_weights()),
        on_batch_end=lambda step, logs: seen.append(watch.model.get_weights()),
    )
    model, results = fitted(average=True, callbacks=(watch,))
    first, *after = seen
    assert len(after) == STEPS
    expected = first
    for weights, share in zip(after, SHARES, strict=True):
        expected = [share * e + (1 - share) * w for e, w in zip(expected, weights, strict=True)]

    raw = model.get_weights()
    pictures = some_digits(STEPS * BATCH)
    with averaged(model, NOTHING):
        for found, wanted in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
        answers = scores(model, pictures, (28, 28, 1))
    for found, wanted in zip(model.get_weights(), raw, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert pictures.labels is not None
    assert results[-1].val_loss == pytest.approx(loss_and_accuracy(answers, pictures.labels)[0])


def test_a_run_keeps_the_mean_and_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_npz(tmp_path / "data.npz", train=100, test=30)
    settings = TrainSettings("mnist-dense", str(data), epochs=4, average=True)
    whole = train(settings, tmp_path / "whole")
    assert whole.validation_loss == pytest.approx(whole.best.val_loss, rel=1e-4)
    assert load_keras(whole.run.model_file()).count_params() == 109_386

    def save_then_stop(run: RunFolder, model: Any, results: Any, **more: Any) -> None:
        save_epoch(run, model, results, **more)
        if len(results) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_epoch", save_then_stop)
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "stopped")
    monkeypatch.undo()
    stopped = resume(settings, tmp_path / "stopped")
    for ours, theirs in zip(stopped.epochs, whole.epochs, strict=True):
        assert ours.val_loss == pytest.approx(theirs.val_loss, rel=1e-5)


def test_a_thousand_steps_count_in_the_end() -> None:
    tf_keras = import_tf_keras()
    optimizer = averaging_adam()(0.1, use_ema=True, ema_momentum=MOMENTUM)
    model = tf_keras.Sequential([tf_keras.Input((1,)), tf_keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer=optimizer, loss="mse")
    one = np.ones((1, 1))
    model.train_on_batch(one, one)
    model.optimizer.iterations.assign(1_000_000)
    with averaged(model, NOTHING):
        before = float(model.get_weights()[0].item())
    model.train_on_batch(one, one)
    now = float(model.get_weights()[0].item())
    with averaged(model, NOTHING):
        assert model.get_weights()[0].item() == pytest.approx(0.999 * before + 0.001 * now)


def test_batch_normalisation_is_that_of_the_mean_weights() -> None:
    """Two layers, so that the second sees what the first makes of its own new statistics."""
    tf_keras = import_tf_keras()
    layers = tf_keras.layers
    first, second = (layers.BatchNormalization(epsilon=0.01) for _ in range(2))
    model = tf_keras.Sequential(
        [
            tf_keras.Input((6, 6, 1)),
            layers.Conv2D(3, 1, use_bias=False),
            first,
            layers.Dense(4, use_bias=False),
            second,
            layers.GlobalAveragePooling2D(),
        ]
    )
    optimizer = averaging_adam()(0.05, use_ema=True, ema_momentum=MOMENTUM)
    model.compile(optimizer=optimizer, loss="mse")
    rng = np.random.default_rng(0)
    pictures = rng.normal(3, 2, (64, 6, 6, 1)).astype(np.float32)
    model.fit(pictures, rng.normal(0, 1, (64, 4)), epochs=3, batch_size=16, verbose=0)
    before = model.get_weights()
    with averaged(model, pictures):
        (kernel,), (wide,) = model.layers[0].get_weights(), model.layers[2].get_weights()
        gamma, beta, mean, variance = first.get_weights()
        made = pictures @ kernel[0, 0]
        n = made[..., 0].size
        np.testing.assert_allclose(mean, made.mean((0, 1, 2)), rtol=1e-4)
        np.testing.assert_allclose(variance, made.var((0, 1, 2)) * n / (n - 1), rtol=1e-3)
        normalised = (made - made.mean((0, 1, 2))) / np.sqrt(made.var((0, 1, 2)) + 0.01)
        made = (normalised * gamma + beta) @ wide
        *_, mean, variance = second.get_weights()
        np.testing.assert_allclose(mean, made.mean((0, 1, 2)), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(variance, made.var((0, 1, 2)) * n / (n - 1), rtol=1e-3)
        assert first.momentum == second.momentum == 0.99
    for found, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["mnist-dense", "mnist-8k"])
def test_the_mean_of_a_short_training_is_as_good_as_its_end(name: str, tmp_path: Path) -> None:
    """It has forgotten where it began: with random weights in it, it would know nothing."""
    data = small_npz(tmp_path / "data.npz", train=1200, test=300)
    common = TrainSettings(name, str(data), epochs=3, batch_size=16, keep="last", seed=1)
    plain = train(common, tmp_path / "plain")
    mean = train(replace(common, average=True), tmp_path / "mean")
    assert mean.validation_accuracy > plain.validation_accuracy - 0.05
    assert mean.validation_loss == pytest.approx(mean.epochs[-1].val_loss, rel=1e-3)


def test_the_rate_falls_three_times() -> None:
    epochs = 7
    _, results = fitted(schedule="restarts", epochs=epochs)
    rates = [result.learning_rate for result in results]
    expected = []
    for epoch in range(1, epochs + 1):
        step = STEPS * epoch - 1  # the last of the epoch
        begin, length = next((b, n) for b, n in ((0, 6), (6, 12), (18, 24)) if step < b + n)
        expected.append(0.005 * (1 + np.cos(np.pi * (step - begin) / length)))
    assert rates == pytest.approx(expected, rel=1e-3, abs=1e-6)
