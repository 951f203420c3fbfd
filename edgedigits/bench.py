"""Latency of files on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgedigits.data.builtin import load_digits
from edgedigits.device.classifier import Classifier
from edgedigits.device.latency import Latency, measure_latency
from edgedigits.errors import UsageError
from edgedigits.run import host_facts

PICTURES = 64  # of the embedded digits, taken in turn


@dataclass(frozen=True)
class BenchRow:
    """Latency of one file with so many processor threads."""

    file: Path
    threads: int
    latency: Latency


@dataclass(frozen=True)
class Bench:
    """All rows, and the processor they were measured on."""

    rows: tuple[BenchRow, ...]
    processor: str


def bench_files(files: list[Path], *, threads: list[int], rounds: int) -> Bench:
    """Measure files side by side, in interleaved rounds, each with each number of threads.

    Raises:
        UsageError: a number of threads or rounds below 1, or a missing file.
        ModelFileError: a file that cannot be used.
    """
    if min(threads) < 1 or rounds < 1:
        raise UsageError("--threads and --rounds must be 1 or more")
    pairs = [(file, count) for file in files for count in threads]
    classifiers = [Classifier(file, threads=count) for file, count in pairs]
    test = load_digits().test
    assert test is not None
    latencies = measure_latency(classifiers, test.images[:PICTURES], rounds=rounds)
    rows = [
        BenchRow(file, count, latency)
        for (file, count), latency in zip(pairs, latencies, strict=True)
    ]
    return Bench(tuple(rows), str(host_facts()["processor"]))
