"""The registry against the published tables, in pure Python and as built by Keras."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import RunCli

from edgedigits.bench import Bench, BenchRow
from edgedigits.device.latency import Latency
from edgedigits.errors import UsageError
from edgedigits.models.layers import BatchNorm, Conv, Dense, Flatten, MaxPool, describe
from edgedigits.models.registry import MODELS, get_model
from edgedigits.report.shipped import shipped_json, shipped_rows
from edgedigits.zoo import SeedResult, ZooEntry, zoo_entry, zoo_files

# Output shape and parameters of each layer, as published.
FASHION_CNN = [
    ((28, 28, 32), 320),
    ((14, 14, 32), 0),
    ((14, 14, 64), 18_496),
    ((7, 7, 64), 0),
    ((3136,), 0),
    ((10,), 31_370),
]
MNIST_CNN = [
    ((28, 28, 32), 320),
    ((14, 14, 32), 0),
    ((6272,), 0),
    ((256,), 1_605_888),
    ((256,), 65_792),
    ((256,), 0),
    ((10,), 2_570),
]
ALEXNET_NUMBER = [
    ((26, 26, 64), 640),
    ((26, 26, 64), 0),
    ((25, 25, 64), 0),
    ((25, 25, 64), 256),
    ((23, 23, 128), 73_856),
    ((23, 23, 128), 0),
    ((22, 22, 128), 0),
    ((22, 22, 128), 512),
    ((22, 22, 192), 24_768),
    ((22, 22, 192), 0),
    ((22, 22, 192), 768),
    ((20, 20, 192), 331_968),
    ((20, 20, 192), 0),
    ((20, 20, 192), 768),
    ((18, 18, 128), 221_312),
    ((18, 18, 128), 0),
    ((17, 17, 128), 0),
    ((17, 17, 128), 512),
    ((36_992,), 0),
    ((2048,), 75_761_664),
    ((2048,), 0),
    ((2048,), 0),
    ((2048,), 8_192),
    ((2048,), 4_196_352),
    ((2048,), 0),
    ((2048,), 0),
    ((2048,), 8_192),
    ((800,), 1_639_200),
    ((800,), 0),
    ((800,), 0),
    ((800,), 3_200),
    ((35,), 28_035),
    ((35,), 0),
]
PUBLISHED = {
    "alexnet-number": ALEXNET_NUMBER,
    "fashion-cnn": FASHION_CNN,
    "mnist-cnn": MNIST_CNN,
}
TOTALS = {"alexnet-number": 82_300_195, "fashion-cnn": 50_186, "mnist-cnn": 1_674_570}


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_layer_is_the_published_one(name: str) -> None:
    facts = get_model(name).facts
    assert [(fact.output_shape, fact.parameters) for fact in facts] == PUBLISHED[name]
    assert get_model(name).parameters == TOTALS[name]


def test_alexnet_totals_are_the_published_ones() -> None:
    spec = get_model("alexnet-number")
    assert (spec.parameters, spec.trainable, spec.fixed) == (82_300_195, 82_288_995, 11_200)
    assert spec.classes == 35


def test_alexnet_digits_differs_from_alexnet_number_in_its_head_alone() -> None:
    digits, number = get_model("alexnet-digits"), get_model("alexnet-number")
    assert digits.layers[:-2] == number.layers[:-2]
    assert number.parameters - digits.parameters == 25 * 801
    assert digits.classes == 10


@pytest.mark.parametrize(("name", "macs"), [("fashion-cnn", 3_869_824), ("mnist-cnn", 1_899_520)])
def test_macs_are_the_measured_ones(name: str, macs: int) -> None:
    assert get_model(name).macs == macs


def test_published_training_settings() -> None:
    fashion, mnist = get_model("fashion-cnn").training, get_model("mnist-cnn").training
    assert (fashion.learning_rate, fashion.batch_size, fashion.epochs) == (0.005, 32, 30)
    assert (mnist.batch_size, mnist.epochs) == (32, 10)


def test_bytes_by_hand() -> None:
    # Kernel 3·3·1·2 = 18, bias 2; normalisation 4·2; dense 2·2·2·3 = 24, bias 3.
    layers = (Conv(2), MaxPool(), BatchNorm(), Flatten(), Dense(3))
    facts = describe(layers, (4, 4, 1))
    assert sum(fact.parameters for fact in facts) == 18 + 2 + 8 + 24 + 3
    assert sum(fact.int8_bytes for fact in facts) == 18 + 4 * 2 + 2 * 2 + 24 + 4 * 3
    assert [fact.macs for fact in facts] == [16 * 18, 0, 0, 0, 24]
    assert [fact.name for fact in facts] == ["conv_1", "pool_1", "norm_1", "flatten_1", "dense_1"]


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean mnist-cnn"):
        get_model("mnist_cnn")
    with pytest.raises(
        UsageError, match=r"there are tiny-cnn, digit-reader, teacher-cnn, mnist-4k"
    ):
        get_model("qqqq")


def test_models_command_needs_no_tensorflow() -> None:
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['tf_keras'] = None;"
        "sys.argv = ['edgedigits', 'models', *sys.argv[1:]];"
        "from edgedigits.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--json"], capture_output=True, text=True, check=True
    )
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows.keys() == MODELS.keys()
    assert rows["mnist-cnn"]["parameters"] == 1_674_570
    assert rows["mnist-cnn"]["macs"] == 1_899_520
    assert rows["mnist-cnn"]["input_shape"] == [28, 28, 1]
    assert rows["mnist-cnn"]["float32_bytes"] == 4 * 1_674_570
    assert rows["alexnet-number"]["classes"] == 35
    files = {file["name"]: file for row in rows.values() for file in row["files"]}
    assert files.keys() == zoo_files().keys()
    entry = zoo_entry("digit-reader")
    reader = files["digit-reader"]
    assert reader in rows["digit-reader"]["files"]
    assert (reader["bytes"], reader["macs"]) == (entry.path.stat().st_size, entry.macs)
    assert reader["latency_us_p50"] is None
    table = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "82,300,195" in table.stdout
    assert ["digit-reader", entry.data] in [line.split()[:2] for line in table.stdout.splitlines()]


def test_models_measures_the_shipped_files_where_asked(run_cli: RunCli) -> None:
    code, out, error = run_cli("models", "--latency", "--json")
    assert code == 0, error
    files = [file for row in json.loads(out) for file in row["files"]]
    assert len(files) == len(zoo_files())
    assert all(0 < file["latency_us_p50"] <= file["latency_us_p95"] for file in files)


def _shipped(name: str, tests: list[float | None], arena: int | None) -> ZooEntry:
    seeds = tuple(SeedResult(n, None, test, None, None) for n, test in enumerate(tests))
    return ZooEntry(
        name=name,
        path=Path(f"{name}.tflite"),
        bytes=7_654,
        sha256="0",
        commands=(),
        model="tiny-cnn",
        parameters=5_432,
        macs=1_234_567,
        arena_bytes=arena,
        data="mnist",
        seeds=seeds,
        shipped_seed=0,
        metadata={},
    )


def test_the_table_of_shipped_files() -> None:
    entries = [
        _shipped("three", [0.99, 0.98, 0.97], 9_000),
        _shipped("one", [0.5, None], None),
        _shipped("none", [None], None),
    ]
    latencies = [Latency(12.34, 56.78, 9, ()), Latency(1.0, 2.0, 9, ()), Latency(3.0, 4.0, 9, ())]
    bench = Bench(
        tuple(
            BenchRow(entry.path, 1, speed) for entry, speed in zip(entries, latencies, strict=True)
        ),
        "a processor",
    )
    same = ("mnist", "5,432", "1,234,567", "7,654")
    table = shipped_rows(entries, bench)
    assert table.rows == (
        ("three", *same, "9,000", "98.00 ± 1.00 (3)", "12.3", "56.8"),
        ("one", *same, "–", "50.00 (1)", "1.0", "2.0"),
        ("none", *same, "–", "–", "3.0", "4.0"),
    )
    assert len(table.columns) == 9
    assert "a processor" in table.title
    assert [row[:7] for row in table.rows] == list(shipped_rows(entries).rows)
    first, _, last = shipped_json(entries)
    assert first["accuracy"] == pytest.approx(0.98)
    assert first["accuracy_deviation"] == pytest.approx(0.01)
    assert (last["accuracy"], last["accuracy_deviation"], last["accuracy_seeds"]) == (None, None, 0)


def _assert_built_as_described(name: str) -> Any:
    from edgedigits.models.build import build

    model = build(get_model(name))
    assert [
        (layer.name, tuple(layer.output_shape[1:]), layer.count_params()) for layer in model.layers
    ] == [(fact.name, fact.output_shape, fact.parameters) for fact in get_model(name).facts]
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"alexnet-number", "alexnet-digits"}))
def test_keras_builds_the_same_layers(name: str) -> None:
    import numpy as np

    model = _assert_built_as_described(name)
    assert tuple(model.input_shape[1:]) == get_model(name).input_shape
    outputs = np.asarray(model(np.zeros((2, 28, 28, 1), np.float32)))
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_keras_builds_the_same_alexnet() -> None:
    model = _assert_built_as_described("alexnet-number")
    shapes = [(tuple(layer.output_shape[1:]), layer.count_params()) for layer in model.layers]
    assert shapes == ALEXNET_NUMBER
    assert model.count_params() == 82_300_195
    assert sum(weight.shape.num_elements() for weight in model.trainable_weights) == 82_288_995
    assert sum(weight.shape.num_elements() for weight in model.non_trainable_weights) == 11_200
