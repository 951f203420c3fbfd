"""Pruning: exact where it must be, measured where it says so, refused before it starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_training import random_weights, small_cnn, small_npz

from edgedigits.errors import TrainingError, UsageError
from edgedigits.files import file_digest
from edgedigits.keras_files import load_keras
from edgedigits.model_input import model_input
from edgedigits.progress import SILENT
from edgedigits.prune import PruneSettings, prune
from edgedigits.prune.channels import prunable, remove, strongest
from edgedigits.prune.counting import count_layers
from edgedigits.prune.magnitude import ramp
from edgedigits.prune.sequential import Link, assemble, chain
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data
from edgedigits.train import TrainSettings, import_model, measure, train

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]


@pytest.fixture(scope="module")
def tf_keras() -> Any:
    from edgedigits.tf_loader import import_tf_keras

    return import_tf_keras("pruning")


def _keras(framework: int, tf_keras: Any) -> Any:
    if framework == 2:
        return tf_keras
    import keras

    return keras


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_npz(tmp_path_factory.mktemp("data") / "small.npz")


@pytest.fixture(scope="module")
def run(npz: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    settings = TrainSettings("tiny-cnn", str(npz), epochs=6, seed=1)
    return train(settings, tmp_path_factory.mktemp("runs") / "run").run


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).random((16, 28, 28, 1), dtype=np.float32)


def _silence(model: Any, dead: dict[str, list[int]]) -> None:
    """Give some outputs of some layers no weights and no bias, so that they are always 0."""
    for name, outputs in dead.items():
        kernel, bias = model.get_layer(name).get_weights()
        kernel[..., outputs] = 0
        bias[outputs] = 0
        model.get_layer(name).set_weights([kernel, bias])


DEAD = {"conv_1": [0, 4], "conv_2": [1, 2, 7], "dense_1": [0, 5, 11]}


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("framework", [2, 3])
def test_removing_outputs_that_are_always_zero_changes_no_answer(
    tf_keras: Any, pictures: np.ndarray, normalised: bool, framework: int
) -> None:
    model = small_cnn(_keras(framework, tf_keras), normalised=normalised)
    random_weights(model, 1)
    # Behind a normalisation a dead filter still gives its offset: make that 0 as well.
    if normalised:
        gamma, beta, mean, variance = model.get_layer("norm").get_weights()
        beta[DEAD["conv_1"]] = mean[DEAD["conv_1"]] = 0
        model.get_layer("norm").set_weights([gamma, beta, mean, variance])
    # A depthwise layer's bias is an answer of its own: silence the dead channels' too.
    kernel, bias = model.get_layer("depthwise").get_weights()
    bias[DEAD["conv_2"]] = 0
    model.get_layer("depthwise").set_weights([kernel, bias])
    _silence(model, DEAD)

    links = chain(model)
    kept = strongest(links, 0.01)  # rounds to: remove none
    kept = {
        name: np.setdiff1d(np.arange(len(indices)), DEAD[name]) for name, indices in kept.items()
    }
    smaller = assemble(remove(links, kept), (28, 28, 1))
    counts = {row.name: row.outputs for row in count_layers(smaller)}
    assert counts == {"conv_1": 4, "conv_2": 5, "depthwise": 5, "dense_1": 9, "dense_2": 10}
    before, after = np.asarray(model(pictures)), np.asarray(smaller(pictures))
    assert np.ptp(before, axis=0).max() > 0  # the answers differ from picture to picture
    np.testing.assert_allclose(after, before, atol=1e-5, rtol=1e-4)


def test_the_ranking_finds_the_dead_outputs(tf_keras: Any) -> None:
    model = small_cnn(tf_keras)
    random_weights(model, 2)
    _silence(model, DEAD)
    kept = strongest(chain(model), 1 / 3)
    assert kept["conv_1"].tolist() == [1, 2, 3, 5]
    assert not set(kept["conv_2"]) & set(DEAD["conv_2"])
    assert not set(kept["dense_1"]) & set(DEAD["dense_1"])
    assert "dense_2" not in kept  # the answer keeps its classes


def test_the_ranking_is_by_the_sum_of_absolute_weights() -> None:
    kernel = np.array([[1.0, -3.0, 0.5, 2.0], [1.0, 0.0, -0.6, 2.0]], np.float32)
    last = np.ones((4, 3), np.float32)
    links = (
        Link("Dense", "a", {"units": 4}, (kernel,), (2,), (4,)),
        Link("Dense", "b", {"units": 3}, (last,), (4,), (3,)),
    )
    # Sums: 2, 3, 1.1, 4.
    assert strongest(links, 0.5)["a"].tolist() == [1, 3]
    assert strongest(links, 0.25)["a"].tolist() == [0, 1, 3]
    assert strongest(links, 0.999)["a"].tolist() == [3]  # one always stays
    assert [link.name for link in prunable(links)] == ["a"]


@pytest.mark.parametrize("framework", [2, 3])
def test_taking_apart_and_assembling_changes_nothing(
    tf_keras: Any, pictures: np.ndarray, framework: int
) -> None:
    model = small_cnn(_keras(framework, tf_keras), normalised=True)
    random_weights(model, 3)
    again = assemble(chain(model), (28, 28, 1))
    np.testing.assert_allclose(np.asarray(again(pictures)), np.asarray(model(pictures)), atol=1e-6)
    assert type(again).__module__.startswith("tf_keras")


def test_counts_by_hand(tf_keras: Any) -> None:
    rows = {row.name: row for row in count_layers(small_cnn(tf_keras))}
    assert rows["conv_1"].weights == 9 * 6
    assert rows["conv_1"].macs == 26 * 26 * 9 * 6
    assert rows["conv_2"].macs == 7 * 7 * 9 * 6 * 8
    assert rows["depthwise"].macs == 5 * 5 * 9 * 8
    assert rows["dense_1"].macs == rows["dense_1"].weights == 5 * 5 * 8 * 12


@pytest.mark.parametrize("epochs", [1, 2, 3, 10])
@pytest.mark.parametrize("steps", [1, 7, 41, 1688])
def test_the_ramp_reaches_its_end_before_the_retraining_does(epochs: int, steps: int) -> None:
    schedule = ramp(epochs, steps)
    assert schedule.end % schedule.every == 0  # or the last rise would not happen
    if epochs * steps > 1:
        assert 1 <= schedule.first_full_epoch(steps) <= epochs


def test_magnitude_pruning_zeroes_the_share_asked_for(run: RunFolder) -> None:
    result = prune(run, PruneSettings(sparsity=0.75, epochs=6))
    model = load_keras(result.file)
    assert result.file == run.model_file("pruned")
    for layer in model.layers:
        if layer.weights:
            zeros = float((layer.get_weights()[0] == 0).mean())
            assert zeros == pytest.approx(0.75, abs=0.01)
    rows = {row.name: row for row in result.layers}
    kernel = model.get_layer("dense_1").get_weights()[0]
    assert rows["dense_1"].zeros == (kernel == 0).sum()
    data = load_run_data(run)
    accuracy = measure(model, data.validation, (28, 28, 1))[1]
    assert accuracy == result.after.validation_accuracy == result.best.val_accuracy
    assert result.after.test_accuracy == measure(model, data.test, (28, 28, 1))[1]
    assert result.after.parameters == result.before.parameters == 105_866
    recorded = run.manifest()["pruning"]["pruned"]
    assert recorded["measured_sparsity"] == pytest.approx(0.75, abs=0.01)


def test_channel_pruning_shrinks_file_and_arithmetic(run: RunFolder) -> None:
    result = prune(run, PruneSettings("channels", sparsity=0.5, epochs=3))
    assert [row.outputs_after for row in result.layers] == [8, 16, 32, 10]
    # Biases included: 9·8+8, 9·8·16+16, 7·7·16·32+32, 32·10+10.
    assert result.after.parameters == 80 + 1_168 + 25_120 + 330
    assert result.after.macs == 28 * 28 * 72 + 14 * 14 * 1_152 + 25_088 + 320
    assert result.before.macs == 1_117_056
    assert result.file.stat().st_size < run.model_file().stat().st_size / 2
    model = load_keras(result.file)
    accuracy = measure(model, load_run_data(run).validation, (28, 28, 1))[1]
    assert accuracy == result.best.val_accuracy
    assert accuracy > 0.5
    assert run.manifest()["pruning"]["channels"]["after"]["parameters"] == 26_698


def test_both_results_stay_in_the_manifest_and_the_model_is_untouched(run: RunFolder) -> None:
    digest = file_digest(run.model_file())
    prune(run, PruneSettings("channels", epochs=1))
    prune(run, PruneSettings("magnitude", epochs=1))
    assert run.manifest()["pruning"].keys() == {"pruned", "channels"}
    assert run.manifest()["training"]["complete"] is True
    assert file_digest(run.model_file()) == digest


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (PruneSettings(sparsity=0.0), "--sparsity is 0; it must lie between"),
        (PruneSettings(sparsity=1.0), "--sparsity is 1"),
        (PruneSettings(sparsity=80), "--sparsity is 80"),
        (PruneSettings(epochs=0), "--epochs is 0"),
        (PruneSettings(learning_rate=0), "--learning-rate is 0"),
        (PruneSettings(seed=-1), "--seed is -1"),
        (PruneSettings(method="random"), "--method is random"),  # type: ignore[arg-type]
    ],
)
def test_a_setting_that_does_not_fit_is_refused(
    run: RunFolder, settings: PruneSettings, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        prune(run, settings)


def _imported(model: Any, npz: Path, folder: Path) -> RunFolder:
    model.save(folder / "mine.keras")
    return import_model(folder / "mine.keras", str(npz), folder / "run").run


class _FailsOnUpdate:
    """Fails the test as soon as pictures are read or anything is trained."""

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        pytest.fail(f"began with: {what}")

    def say(self, line: str) -> None:
        pytest.fail(f"said: {line}")


def test_a_branching_model_is_refused_before_anything_starts(
    tf_keras: Any, npz: Path, tmp_path: Path
) -> None:
    layers = tf_keras.layers
    entry = tf_keras.Input((28, 28, 1))
    flat = layers.Flatten()(entry)
    both = layers.Add()([layers.Dense(8)(flat), layers.Dense(8)(flat)])
    branching = tf_keras.Model(entry, layers.Dense(10, activation="softmax")(both))
    run = _imported(branching, npz, tmp_path)
    with pytest.raises(TrainingError, match=r"branches; .*; use --method magnitude"):
        prune(run, PruneSettings("channels"), progress=_FailsOnUpdate())
    result = prune(run, PruneSettings("magnitude", epochs=2))
    assert result.measured_sparsity == pytest.approx(0.8, abs=0.01)


def test_models_with_nothing_to_remove_are_refused(
    tf_keras: Any, npz: Path, tmp_path: Path
) -> None:
    layers = tf_keras.layers
    single = tf_keras.Sequential(
        [tf_keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")]
    )
    run = _imported(single, npz, tmp_path)
    with pytest.raises(TrainingError, match="no layer whose filters or units could be removed"):
        prune(run, PruneSettings("channels"), progress=_FailsOnUpdate())
    (tmp_path / "pooled").mkdir()
    pooled = tf_keras.Sequential(
        [tf_keras.Input((28, 28, 1)), layers.AveragePooling2D((14, 28)), layers.Reshape((2,))]
    )
    two = small_npz(tmp_path / "two.npz", classes=2, train=60, test=20)
    run = _imported(pooled, two, tmp_path / "pooled")
    with pytest.raises(TrainingError, match="no convolution or dense layer whose weights"):
        prune(run, PruneSettings("magnitude"), progress=_FailsOnUpdate())


def test_grouped_and_unknown_layers_are_refused(tf_keras: Any) -> None:
    layers = tf_keras.layers
    grouped = tf_keras.Sequential(
        [
            tf_keras.Input((8, 8, 4)),
            layers.Conv2D(4, 3),
            layers.Conv2D(4, 3, groups=2, name="grouped"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    with pytest.raises(TrainingError, match="layer grouped works in groups"):
        prunable(chain(grouped))
    recurrent = tf_keras.Sequential([tf_keras.Input((8, 4)), layers.LSTM(4, name="memory")])
    with pytest.raises(TrainingError, match="layer memory is a LSTM"):
        chain(recurrent)


@pytest.mark.parametrize("method", ["magnitude", "channels"])
def test_a_keras_3_chain_is_pruned_as_ours(npz: Path, tmp_path: Path, method: Any) -> None:
    import keras

    run = _imported(small_cnn(keras), npz, tmp_path)
    result = prune(run, PruneSettings(method, epochs=2))
    assert load_keras(result.file).count_params() == result.after.parameters
    if method == "magnitude":
        assert result.measured_sparsity == pytest.approx(0.8, abs=0.02)
    else:
        assert result.after.macs < result.before.macs / 2


class _Interrupting:
    """Presses Ctrl-C in the middle of the retraining."""

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        if what.startswith("pruning") and done > 10:
            raise KeyboardInterrupt

    def say(self, line: str) -> None:
        SILENT.say(line)


@pytest.mark.parametrize("method", ["magnitude", "channels"])
def test_an_interruption_leaves_the_former_result(run: RunFolder, method: Any) -> None:
    file = prune(run, PruneSettings(method, epochs=1)).file
    digest, manifest = file_digest(file), run.manifest()
    with pytest.raises(KeyboardInterrupt):
        prune(run, PruneSettings(method, epochs=2), progress=_Interrupting())
    assert file_digest(file) == digest
    assert run.manifest() == manifest


def test_the_same_seed_gives_the_same_file(run: RunFolder) -> None:
    settings = PruneSettings("channels", epochs=1, seed=4)
    first = load_keras(prune(run, settings).file).get_weights()
    second = load_keras(prune(run, settings).file).get_weights()
    third = load_keras(prune(run, replace(settings, seed=5)).file).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], third[0])


def test_the_command(run: RunFolder, run_cli: Any) -> None:
    code, stdout, stderr = run_cli("prune", run.path, "--epochs", 1, "--json")
    assert code == 0, stderr
    document = json.loads(stdout)
    assert document["schema_version"] == 1
    assert document["file"] == "pruned.keras"
    assert document["method"] == "magnitude"
    assert [row["name"] for row in document["layers"]] == [
        "conv_1",
        "conv_2",
        "dense_1",
        "dense_2",
    ]
    code, _, stderr = run_cli("prune", run.path.parent / "none")
    assert code == 2
    assert "no such run folder" in stderr


def test_imported_inputs_of_other_shapes(tf_keras: Any, npz: Path, tmp_path: Path) -> None:
    model = tf_keras.Sequential(
        [
            tf_keras.Input((28, 28)),
            tf_keras.layers.Reshape((28, 28, 1)),
            tf_keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            tf_keras.layers.Flatten(),
            tf_keras.layers.Dense(10),
        ]
    )
    run = _imported(model, npz, tmp_path)
    result = prune(run, PruneSettings("channels", epochs=3, learning_rate=0.005))
    assert result.layers[0].outputs_after == 4
    images = load_run_data(run).test.images[:5]
    assert load_keras(result.file)(model_input(images, (28, 28))).shape == (5, 10)
    assert result.after.validation_accuracy > 0.3
