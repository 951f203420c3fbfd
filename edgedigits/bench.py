"""Latency of files on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.data.builtin import load_digits
from edgedigits.device.classifier import Classifier
from edgedigits.device.latency import Latency, measure_latency
from edgedigits.errors import UsageError
from edgedigits.files import read_json
from edgedigits.provenance import host_facts
from edgedigits.run import RunFolder

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


def check_turns(threads: Sequence[int], rounds: int) -> None:
    """Raise UsageError for a number below 1."""
    for option, number in (("threads", min(threads)), ("rounds", rounds)):
        if number < 1:
            raise UsageError(f"--{option} {number}: must be 1 or more")


def bench_files(files: list[Path], *, threads: list[int], rounds: int) -> Bench:
    """Measure files side by side, in interleaved rounds, each with each number of threads.

    Raises:
        UsageError: a number of threads or rounds below 1, or a missing file.
        ModelFileError: a file that cannot be used.
    """
    check_turns(threads, rounds)
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


@dataclass(frozen=True)
class DeviceSpeed:
    """One file on a device, as ``edgedigits bench --host`` brought it home.

    Attributes:
        host, processor: the device. threads: of the latency, microseconds a picture.
        fps, frame_ms: of the recogniser on the standard frame; None: the file reads no digits.
        peak_bytes: of memory. temperature: degrees Celsius after it; None: not told.
    """

    host: str
    processor: str
    threads: int
    latency_us_p50: float
    latency_us_p95: float
    fps: float | None
    frame_ms: float | None
    peak_bytes: int | None
    temperature: float | None


def device_speeds(run: RunFolder, digest: str, threads: int) -> tuple[DeviceSpeed, ...]:
    """What devices did with the file of this SHA-256, a device each, by name.

    Args:
        threads: that are wanted; of a device that was asked for others, the first of those.

    Raises:
        RunError: a file in ``RUN/devices`` is damaged.
    """
    documents = [
        read_json(path, "measurements of a device") for path in sorted(run.devices.glob("*.json"))
    ]
    return tuple(
        _device_speed(document, document["files"][digest], threads)
        for document in documents
        if digest in document["files"]
    )


def _device_speed(document: dict[str, Any], told: dict[str, Any], threads: int) -> DeviceSpeed:
    rows = told["rows"]
    row = next((row for row in rows if row["threads"] == threads), rows[0])
    return DeviceSpeed(
        host=document["host"],
        processor=told["processor"],
        threads=row["threads"],
        latency_us_p50=row["latency_us_p50"],
        latency_us_p95=row["latency_us_p95"],
        fps=told["fps"],
        frame_ms=told["frame_ms"],
        peak_bytes=told["peak_bytes"],
        temperature=told["temperature_after"],
    )
