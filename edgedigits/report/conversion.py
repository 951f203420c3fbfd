"""Tables and documents of calibration, export and latency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from edgedigits.bench import Bench
from edgedigits.calibration.record import CalibrationSet
from edgedigits.calibration.stability import Stability
from edgedigits.convert.c_array import CArrayFiles
from edgedigits.convert.edgetpu_compiler import EdgeTpuExport
from edgedigits.convert.export import ExportResult
from edgedigits.report.rows import Column, Table, count, number, percent

SHOWN_SHIFTS = 8


def calibration_rows(calibration: CalibrationSet) -> Table:
    """The class counts of a calibration set."""
    chosen = calibration
    disjoint = chosen.disjoint
    return Table(
        title=(
            f"{count(len(chosen.images))} calibration pictures from {chosen.origin} "
            f"({chosen.method}, seed {chosen.seed}), digest {chosen.digest[:12]}; "
            f"{disjoint.shared} of them among the {count(disjoint.evaluation_pictures)} "
            f"evaluation pictures, {disjoint.removed} left out beforehand for that reason"
        ),
        columns=(Column("class", right=False), Column("pictures")),
        rows=tuple((name, count(pictures)) for name, pictures in chosen.class_counts.items()),
    )


def stability_rows(stability: Stability) -> Table:
    """The activation tensors whose scale moved most between two calibration sets."""
    first, second = stability.accuracies
    sizes = " and ".join(count(samples) for samples in stability.samples)
    return Table(
        title=(
            f"Two sets, of {sizes} pictures (seeds {stability.seeds[0]} and "
            f"{stability.seeds[1]}): {len(stability.shifts)} of {stability.tensors} activation "
            f"scales differ, by {percent(stability.mean_change)} % on average and "
            f"{percent(stability.largest_change)} % at most; "
            f"{percent(stability.changed_answers)} % of {count(stability.pictures)} validation "
            f"answers change; accuracy {percent(first)} % and {percent(second)} %"
        ),
        columns=(
            Column("tensor", right=False),
            Column("first scale"),
            Column("second scale"),
            Column("change %"),
            Column("zero points"),
        ),
        rows=tuple(
            (
                shift.tensor.split(";")[0],
                f"{shift.first:.6g}",
                f"{shift.second:.6g}",
                percent(shift.change),
                f"{shift.zero_points[0]} / {shift.zero_points[1]}",
            )
            for shift in stability.shifts[:SHOWN_SHIFTS]
        ),
    )


def export_rows(result: ExportResult) -> Table:
    """The files that were made."""
    return Table(
        title=f"{len(result.exported)} exported",
        columns=(
            Column("variant", right=False),
            Column("bytes"),
            Column("seconds"),
            Column("sha256", right=False),
            Column("file", right=False),
        ),
        rows=tuple(
            (
                made.variant,
                count(made.bytes),
                number(made.seconds, 1),
                made.sha256[:12],
                str(made.file),
            )
            for made in result.exported
        ),
    )


def export_json(
    result: ExportResult,
    arrays: tuple[CArrayFiles, ...] = (),
    compiled: tuple[EdgeTpuExport, ...] = (),
) -> dict[str, Any]:
    """An export as plain values, with what was written as C and compiled for an Edge TPU."""
    return {
        "exported": [asdict(made) | {"file": str(made.file)} for made in result.exported],
        "failed": [asdict(failed) for failed in result.failed],
        "calibration_digest": result.calibration.digest,
        "c_arrays": c_array_json(arrays),
        "edgetpu": [export.to_json() for export in compiled],
    }


def c_array_json(arrays: Iterable[CArrayFiles]) -> list[dict[str, Any]]:
    """What was written as C, as plain values."""
    return [
        {"source": str(c.source), "header": str(c.header), "arena_bytes": c.arena_bytes}
        for c in arrays
    ]


def latency_rows(bench: Bench) -> Table:
    """Latency of each file and number of threads."""
    return Table(
        title=f"Latency of one picture at a time, interleaved rounds, {bench.processor}",
        columns=(
            Column("file", right=False),
            Column("threads"),
            Column("p50 µs"),
            Column("p95 µs"),
            Column("calls"),
        ),
        rows=tuple(
            (
                str(row.file),
                str(row.threads),
                number(row.latency.p50_us, 1),
                number(row.latency.p95_us, 1),
                count(row.latency.calls),
            )
            for row in bench.rows
        ),
        keys=2,
    )


def latency_json(bench: Bench) -> dict[str, Any]:
    """Latencies as plain values, microseconds."""
    return {
        "processor": bench.processor,
        "rows": [
            {
                "file": str(row.file),
                "threads": row.threads,
                "latency_us_p50": row.latency.p50_us,
                "latency_us_p95": row.latency.p95_us,
                "calls": row.latency.calls,
            }
            for row in bench.rows
        ],
    }
