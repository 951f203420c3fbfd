"""Latency: interleaved rounds, figures from the single calls, options that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli

from edgedigits.bench import bench_files
from edgedigits.data.builtin import load_digits
from edgedigits.device import latency
from edgedigits.device.classifier import Classifier
from edgedigits.device.latency import LEAST_CALLS, WARM_UP, measure_latency
from edgedigits.errors import ModelFileError, UsageError


@pytest.fixture
def file(exported_run: Path) -> Path:
    return exported_run / "exports" / "int8.tflite"


class _Clock:
    """A clock that only an inference moves: each model's call takes a known time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_figures_and_turns_by_a_known_clock(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock()
    monkeypatch.setattr(latency, "time", clock)
    turns: list[int] = []
    classifiers = [Classifier(file) for _ in range(2)]
    for number, (classifier, seconds) in enumerate(zip(classifiers, (0.001, 0.02), strict=True)):
        run = classifier.interpreter.run

        def timed(values, run=run, seconds=seconds, number=number):  # type: ignore[no-untyped-def]
            clock.now += seconds
            turns.append(number)
            assert values.shape == (1, 28, 28, 1)
            return run(values)

        monkeypatch.setattr(classifier.interpreter, "run", timed)
    images = load_digits().train.images[:7]
    fast, slow = measure_latency(classifiers, images, rounds=3, round_seconds=0.0101)
    assert (fast.p50_us, fast.p95_us) == pytest.approx((1000, 1000))
    assert (slow.p50_us, slow.p95_us) == pytest.approx((20_000, 20_000))
    assert (fast.calls, slow.calls) == (3 * 11, 3 * LEAST_CALLS)
    assert slow.round_p50_us == pytest.approx((20_000,) * 3)
    expected = [0] * WARM_UP + [1] * WARM_UP + ([0] * 11 + [1] * LEAST_CALLS) * 3
    assert turns == expected


def test_percentiles_of_uneven_calls(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock()
    monkeypatch.setattr(latency, "time", clock)
    classifier = Classifier(file)
    took: list[float] = []

    def timed(values):  # type: ignore[no-untyped-def]
        clock.now += 0.001 * (1 + len(took) % 7)
        took.append(0.001 * (1 + len(took) % 7))

    monkeypatch.setattr(classifier.interpreter, "run", timed)
    images = load_digits().train.images[:2]
    (found,) = measure_latency([classifier], images, rounds=2, round_seconds=0.1)
    counted = np.array(took[WARM_UP:]) * 1e6
    assert found.calls == len(counted)
    assert found.p50_us == pytest.approx(np.percentile(counted, 50))
    assert found.p95_us == pytest.approx(np.percentile(counted, 95))


def test_every_file_with_every_number_of_threads(exported_run: Path) -> None:
    files = [exported_run / "exports" / f"{name}.tflite" for name in ("int8", "float32")]
    bench = bench_files(files, threads=[1, 2], rounds=1)
    assert [(row.file, row.threads) for row in bench.rows] == [
        (files[0], 1),
        (files[0], 2),
        (files[1], 1),
        (files[1], 2),
    ]
    assert all(0 < row.latency.p50_us <= row.latency.p95_us for row in bench.rows)
    assert bench.processor


def test_options_and_files_that_do_not_fit(file: Path, tmp_path: Path) -> None:
    for threads, rounds in (([0], 1), ([1, -1], 1), ([1], 0)):
        with pytest.raises(UsageError, match=r"--(threads|rounds) -?\d: must be 1 or more"):
            bench_files([file], threads=threads, rounds=rounds)
    with pytest.raises(UsageError, match="no such file"):
        bench_files([file, tmp_path / "none.tflite"], threads=[1], rounds=1)
    (tmp_path / "text.tflite").write_text("This is no model.")
    with pytest.raises(ModelFileError, match="not a TFLite file"):
        bench_files([tmp_path / "text.tflite"], threads=[1], rounds=1)


def test_the_command(file: Path, run_cli: RunCli) -> None:
    code, out, error = run_cli(
        "bench", file, "--threads", 1, "--threads", 2, "--rounds", 2, "--json"
    )
    assert (code, error) == (0, "")
    document = json.loads(out)
    assert document["schema_version"] == 1
    assert [row["threads"] for row in document["rows"]] == [1, 2]
    assert all(row["latency_us_p50"] <= row["latency_us_p95"] for row in document["rows"])
    code, out, _ = run_cli("bench", file, "--rounds", 1)
    assert code == 0
    assert "int8.tflite" in out
