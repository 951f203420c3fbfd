"""The files that come with the package, as a table and as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedigits.report.rows import NOTHING, Column, Table, count, number, percent
from edgedigits.zoo import Spread, ZooEntry

if TYPE_CHECKING:
    from edgedigits.bench import Bench
    from edgedigits.device.latency import Latency


def shipped_rows(entries: list[ZooEntry], bench: Bench | None = None) -> Table:
    """A file a row; with latency of one picture where it was measured."""
    title = "Shipped files, which commands take by name"
    columns = [
        Column("file", right=False),
        Column("data", right=False),
        Column("parameters"),
        Column("MACs"),
        Column("bytes"),
        Column("arena bytes"),
        Column("test accuracy %, mean ± deviation (seeds)"),
    ]
    rows = [_cells(entry) for entry in entries]
    if bench is not None:
        title += f"; latency on this machine, {bench.processor}"
        columns += [Column("p50 µs"), Column("p95 µs")]
        speeds = _latencies(entries, bench)
        rows = [
            (*row, number(speed.p50_us, 1), number(speed.p95_us, 1))
            for row, speed in zip(rows, speeds, strict=True)
        ]
    return Table(title, tuple(columns), tuple(rows))


def _cells(entry: ZooEntry) -> tuple[str, ...]:
    return (
        entry.name,
        entry.data,
        count(entry.parameters),
        count(entry.macs),
        count(entry.bytes),
        NOTHING if entry.arena_bytes is None else count(entry.arena_bytes),
        _accuracy(entry.accuracy),
    )


def _accuracy(found: Spread | None) -> str:
    if found is None:
        return NOTHING
    deviation = "" if found.deviation is None else f" ± {percent(found.deviation)}"
    return f"{percent(found.mean)}{deviation} ({found.n})"


def shipped_json(entries: list[ZooEntry], bench: Bench | None = None) -> list[dict[str, Any]]:
    """A file each as plain values; accuracies are shares, latencies microseconds."""
    speeds = [None] * len(entries) if bench is None else _latencies(entries, bench)
    return [
        {
            "name": entry.name,
            "model": entry.model,
            "file": str(entry.path),
            "bytes": entry.bytes,
            "sha256": entry.sha256,
            "data": entry.data,
            "parameters": entry.parameters,
            "macs": entry.macs,
            "arena_bytes": entry.arena_bytes,
            "accuracy": None if entry.accuracy is None else entry.accuracy.mean,
            "accuracy_deviation": None if entry.accuracy is None else entry.accuracy.deviation,
            "accuracy_seeds": 0 if entry.accuracy is None else entry.accuracy.n,
            "latency_us_p50": None if speed is None else speed.p50_us,
            "latency_us_p95": None if speed is None else speed.p95_us,
            "commands": list(entry.commands),
        }
        for entry, speed in zip(entries, speeds, strict=True)
    ]


def _latencies(entries: list[ZooEntry], bench: Bench) -> list[Latency]:
    by_file = {row.file: row.latency for row in bench.rows}
    return [by_file[entry.path] for entry in entries]
