"""The running mean of the weights, and a learning rate that restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_training import small_npz, some_digits

from edgedigits.keras_files import load_keras
from edgedigits.models.build import build
from edgedigits.models.registry import get_model
from edgedigits.run import RunFolder
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train import TrainSettings, resume, train, training
from edgedigits.train.averaging import averaged
from edgedigits.train.epochs import EpochResult
from edgedigits.train.fitting import fit, loss_and_accuracy, scores
from edgedigits.train.schedules import Schedule
from edgedigits.train.state import save_epoch

STEPS, BATCH = 6, 8
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
    for weights in after:
        expected = [0.999 * e + 0.001 * w for e, w in zip(expected, weights, strict=True)]

    raw = model.get_weights()
    pictures = some_digits(STEPS * BATCH)
    with averaged(model):
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
