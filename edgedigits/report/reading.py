"""What a comparison means, in plain sentences."""

from __future__ import annotations

from pathlib import Path

from edgedigits.compare import REFERENCE, Comparison, ComparisonRow
from edgedigits.metrics import SIGNIFICANT
from edgedigits.report.rows import count, number, percent, pictures


def reference_row(rows: tuple[ComparisonRow, ...]) -> ComparisonRow | None:
    """The float32 row that one run's variants are held against, or None."""
    return next((row for row in rows if row.variant == REFERENCE), None)


def within_noise(row: ComparisonRow) -> bool:
    """Whether the pictures give no proof that the variant is worse than its float32 parent."""
    if row.drop is None or row.mcnemar_p is None:
        return False
    return row.drop <= 0 or row.mcnemar_p >= SIGNIFICANT


def smallest_within_noise(rows: tuple[ComparisonRow, ...]) -> ComparisonRow | None:
    """The smallest row on the Pareto line that is within the noise; None where there is none.

    Files of the same size are told apart by their size after gzip.

    Args:
        rows: the rows of one run.
    """
    candidates = [row for row in rows if row.pareto and within_noise(row)]
    return min(candidates, key=lambda row: (row.bytes, row.gzip_bytes), default=None)


def by_run(comparison: Comparison) -> dict[str, tuple[ComparisonRow, ...]]:
    """The rows of each run, in the order of the comparison.

    The keys are the runs' names; where two folders have the same name, their paths.
    """
    groups: dict[Path, list[ComparisonRow]] = {}
    for row in comparison.rows:
        groups.setdefault(run_path(row), []).append(row)
    names = [path.name for path in groups]
    return {
        path.name if names.count(path.name) == 1 else str(path): tuple(rows)
        for path, rows in groups.items()
    }


def run_path(row: ComparisonRow) -> Path:
    """The run folder of a row, whose file is ``RUN/exports/VARIANT.tflite``."""
    return row.file.parent.parent


def reading(comparison: Comparison) -> str:
    """One sentence a run that tells a newcomer what the table says."""
    runs = by_run(comparison)
    return " ".join(
        _read_run(rows, f"In run {name}, " if len(runs) > 1 else "") for name, rows in runs.items()
    )


def _read_run(rows: tuple[ComparisonRow, ...], where: str) -> str:
    reference = reference_row(rows)
    if reference is None:
        return _read_without_reference(rows, where)
    best = smallest_within_noise(rows)
    if best is None:
        return _sentence(
            where,
            "no file is both on the Pareto line and as accurate as float32 within the noise: each "
            "is matched by a file of another run that is as small, or loses accuracy.",
        )
    if best is reference or best.bytes >= reference.bytes:
        return _sentence(
            where,
            f"no smaller file keeps the accuracy of float32 ({percent(reference.accuracy)} %, "
            f"{count(reference.bytes)} bytes): each has a loss that {pictures(reference.n)} "
            "can show.",
        )
    return _sentence(
        where,
        f"the smallest file whose accuracy cannot be told from that of float32 is {best.variant}: "
        f"{count(best.bytes)} bytes are {percent(best.bytes / reference.bytes, 1)} % of "
        f"{count(reference.bytes)}, at an accuracy of {percent(best.accuracy)} % beside "
        f"{percent(reference.accuracy)} % (drop {number(best.drop, 2)} points, 95 % interval "
        f"{number(best.drop_low, 2)} to {number(best.drop_high, 2)}, {pictures(best.n)}).",
    )


def _read_without_reference(rows: tuple[ComparisonRow, ...], where: str) -> str:
    most_accurate = max(rows, key=lambda row: (row.accuracy, -row.bytes))
    smallest = min(rows, key=lambda row: (row.bytes, -row.accuracy))
    if most_accurate is smallest:
        verdict = f"the smallest and most accurate file is {smallest.variant}"
    else:
        verdict = (
            f"the most accurate file is {most_accurate.variant} "
            f"({percent(most_accurate.accuracy)} %, {count(most_accurate.bytes)} bytes), the "
            f"smallest {smallest.variant} ({percent(smallest.accuracy)} %, "
            f"{count(smallest.bytes)} bytes)"
        )
    return _sentence(where, f"{verdict}; without float32 a drop cannot be told.")


def _sentence(where: str, text: str) -> str:
    return where + text if where else text[0].upper() + text[1:]
