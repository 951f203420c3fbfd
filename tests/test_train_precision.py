"""Training in bfloat16 with a float32 model to show, and starting from other weights."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunCli
from helpers_training import small_npz

from edgedigits.errors import UsageError
from edgedigits.train import TrainSettings, train
from edgedigits.train.settings import plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]


@pytest.fixture(scope="module")
def tf_keras() -> Any:
    from edgedigits.tf_loader import import_tf_keras

    return import_tf_keras()


def test_bfloat16_trains_resumes_and_leaves_a_float32_model(
    tmp_path: Path, run_cli: RunCli, tf_keras: Any
) -> None:
    data, run = small_npz(tmp_path / "small.npz"), tmp_path / "run"
    options = ["--data", data, "--run", run, "--epochs", 8, "--precision", "bfloat16"]
    code, _, error = run_cli("train", "tiny-cnn", *options)
    assert code == 0, error

    model = tf_keras.models.load_model(run / "model.keras", compile=False)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    with zipfile.ZipFile(run / "model.keras") as archive:
        assert b"bfloat16" not in archive.read("config.json")
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["settings"]["precision"] == "bfloat16"
    assert manifest["training"]["results"]["validation_accuracy"] > 0.5
    exported = run_cli("export", run, "--float32", "--int8", "--json")
    assert exported[0] == 0, exported[2]


def test_inner_arithmetic_is_bfloat16_and_answers_are_float32(tf_keras: Any) -> None:
    from edgedigits.models.build import build
    from edgedigits.models.registry import get_model

    model = build(get_model("tiny-cnn"), "bfloat16")
    assert [layer.compute_dtype for layer in model.layers] == ["bfloat16"] * 6 + ["float32"]
    assert {weight.dtype.name for weight in model.weights} == {"float32"}
    outputs = model(np.ones((2, 28, 28, 1), np.float32))
    assert outputs.dtype.name == "float32"
    np.testing.assert_allclose(np.asarray(outputs).sum(axis=1), 1, atol=1e-6)


def test_a_checkpoint_in_bfloat16_goes_on(tmp_path: Path, tf_keras: Any) -> None:
    from edgedigits.run import RunFolder
    from edgedigits.run_data import load_run_data
    from edgedigits.train import fit, resume, train
    from edgedigits.train.state import load_checkpoint, save_epoch

    data = str(small_npz(tmp_path / "small.npz"))
    settings = TrainSettings("tiny-cnn", data, epochs=2, precision="bfloat16", batch_size=90)
    run = train(settings, tmp_path / "run").run
    # As an interrupted run would stand: one more epoch trained, its checkpoint there.
    from edgedigits.models.build import build
    from edgedigits.models.registry import get_model

    parts = load_run_data(run)
    model = build(get_model("tiny-cnn"), "bfloat16")
    results = fit(
        model, parts.train, parts.validation, epochs=1, batch_size=90, learning_rate=0.002, seed=0
    )
    save_epoch(run, model, results)
    run.update_manifest(training={"complete": False})
    checkpoint = load_checkpoint(RunFolder(run.path), 3)
    assert checkpoint is not None
    assert checkpoint.model.layers[0].compute_dtype == "bfloat16"
    assert [epoch.epoch for epoch in resume(settings, run.path).epochs] == [1, 2]


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UsageError, match="--precision is int8; it must be float32 or bfloat16"):
        plan(TrainSettings("tiny-cnn", precision="int8"))  # type: ignore[arg-type]


def test_starting_from_another_run_takes_what_fits_and_says_what_does_not(
    tmp_path: Path, tf_keras: Any
) -> None:
    from edgedigits.errors import ModelFileError
    from edgedigits.models.build import build
    from edgedigits.models.registry import get_model
    from edgedigits.train.starting import start_from

    source = build(get_model("tiny-cnn"))
    source.save(tmp_path / "source.keras")
    target = build(get_model("tiny-cnn"))
    narrow = tf_keras.Sequential([*target.layers[:-1], tf_keras.layers.Dense(7, name="dense_2")])
    narrow.build((None, 28, 28, 1))
    head = narrow.layers[-1].get_weights()
    said = start_from(narrow, tmp_path / "source.keras")
    assert said.endswith("3 of 4 layers; anew: dense_2")
    for ours, theirs in zip(narrow.layers[:-1], source.layers[:-1], strict=True):
        for got, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(got, expected)
    for got, expected in zip(narrow.layers[-1].get_weights(), head, strict=True):
        np.testing.assert_array_equal(got, expected)
    other = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(2, name="x")])
    with pytest.raises(ModelFileError, match="none of its layers has the name and shape"):
        start_from(other, tmp_path / "source.keras")


def test_init_is_recorded_and_a_missing_one_refused(tmp_path: Path, run_cli: RunCli) -> None:
    data = small_npz(tmp_path / "small.npz")
    options = ["--data", data, "--epochs", 1]
    code, _, error = run_cli("train", "tiny-cnn", *options, "--run", tmp_path / "a")
    assert code == 0, error
    more = ["--run", tmp_path / "b", "--init", tmp_path / "a"]
    code, _, error = run_cli("train", "tiny-cnn", *options, *more)
    assert code == 0, error
    assert "4 of 4 layers" in error
    manifest = json.loads((tmp_path / "b" / "run.json").read_text())
    digest = hashlib.sha256((tmp_path / "a" / "model.keras").read_bytes()).hexdigest()
    assert manifest["init_sha256"] == digest
    more = ["--run", tmp_path / "c", "--init", tmp_path / "nowhere"]
    code, _, error = run_cli("train", "tiny-cnn", *options, *more)
    assert (code, len(error.splitlines())) == (2, 1)
    assert "--init" in error
    foreign = tmp_path / "foreign.keras"
    foreign.write_bytes(b"no model")
    more = ["--run", tmp_path / "c", "--init", foreign]
    code, _, error = run_cli("train", "tiny-cnn", *options, *more)
    assert code == 1
    assert "foreign.keras" in error.splitlines()[-1]
    assert not (tmp_path / "c").exists()


def test_normalisation_while_training_leaves_the_layers_as_they_are(
    tmp_path: Path, tf_keras: Any
) -> None:
    """The kept model has no normalisation, and answers as the trained one measured itself."""
    from edgedigits.models.build import build
    from edgedigits.models.registry import get_model

    npz = small_npz(tmp_path / "digits.npz")
    settings = TrainSettings("tiny-cnn", str(npz), epochs=2, seed=3, normalise=True)
    result = train(settings, tmp_path / "run")
    kept = tf_keras.models.load_model(result.run.model_file(), compile=False)
    plain = build(get_model("tiny-cnn"))
    assert [layer.name for layer in kept.layers] == [layer.name for layer in plain.layers]
    assert kept.count_params() == plain.count_params()
    assert result.validation_accuracy == result.best.val_accuracy
    assert result.validation_loss == pytest.approx(result.best.val_loss, abs=1e-4)
    assert "norm" not in (result.run.path / "summary.txt").read_text()


def test_folding_keeps_what_a_model_computes(tf_keras: Any) -> None:
    from edgedigits.models.build import NORM, build, fold
    from edgedigits.models.registry import get_model

    spec = get_model("fashion-cnn")
    model = build(spec, normalised=True)
    rng = np.random.default_rng(0)
    norms = [layer for layer in model.layers if layer.name.endswith(NORM)]
    assert len(norms) == 2
    for layer in norms:
        layer.set_weights([rng.uniform(0.3, 2, w.shape) for w in layer.get_weights()])
    pictures = rng.random((16, 28, 28, 1), np.float32)
    folded = fold(model, spec)
    np.testing.assert_allclose(
        folded.predict(pictures, verbose=0), model.predict(pictures, verbose=0), atol=1e-5
    )


def test_what_the_weights_have_learnt_validates_nothing(tmp_path: Path, run_cli: RunCli) -> None:
    data = small_npz(tmp_path / "small.npz")
    options = ["train", "tiny-cnn", "--data", data, "--epochs", 1]

    def validation(name: str, *more: object) -> list[int]:
        code, _, error = run_cli(*options, "--run", tmp_path / name, *more)
        assert code == 0, error
        return list(json.loads((tmp_path / name / "split.json").read_text())["validation"])

    first = validation("a", "--seed", 0)
    assert validation("other", "--seed", 1) != first
    assert validation("b", "--seed", 1, "--init", tmp_path / "a") == first
    taught = ["--init", tmp_path / "a", "--teacher", tmp_path / "b"]
    assert validation("c", "--seed", 2, *taught) == first
    loose = tmp_path / "loose"
    loose.mkdir()
    (loose / "model.keras").write_bytes((tmp_path / "a" / "model.keras").read_bytes())
    assert validation("d", "--seed", 1, "--init", loose) != first  # nobody knows what it learnt
    code, _, error = run_cli(
        *options, "--run", tmp_path / "e", "--init", tmp_path / "a", "--teacher", tmp_path / "other"
    )
    assert code == 2
    assert "has learnt pictures that --teacher" in error.splitlines()[-1]
    assert not (tmp_path / "e").exists()
