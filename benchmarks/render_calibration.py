"""The tables of ``docs/calibration.md``, and what ``diagnose`` costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from edgedigits.reproduce.markdown import table
from edgedigits.reproduce.rows import mean_and_spread

Document = dict[str, Any]


def calibration_sets(document: Document) -> str:
    """int8 by size of the calibration set and way of choosing."""
    parts = []
    for run in document["runs"]:
        rows = [
            [f"{samples:,}", method, *_cells(found)]
            for (samples, method), found in _grouped(run["sets"], "samples", "method")
        ]
        parts += [_title(run), table(["pictures", "chosen", *HEADINGS], rows)]
    return "\n\n".join(parts)


def calibration_clipping(document: Document) -> str:
    """int8 by the rule that makes a range of the values seen."""
    parts = []
    for run in document["runs"]:
        rows = [
            [f"{samples:,}", rule, *_cells(found)]
            for (samples, rule), found in _grouped(run["clipping"], "samples", "rule")
        ]
        parts += [_title(run), table(["pictures", "range", *HEADINGS], rows)]
    return "\n\n".join(parts)


HEADINGS = [
    "drop, points", "answers changed %", "at the end dB", "worst layer dB", "clipped %", "wasted %",
]  # fmt: skip


def _grouped(
    rows: list[Document], first: str, second: str
) -> Iterable[tuple[tuple[Any, Any], list[Document]]]:
    """Rows that differ only in their seed, together."""
    groups: dict[tuple[Any, Any], list[Document]] = {}
    for row in rows:
        groups.setdefault((row[first], row[second]), []).append(row)
    return groups.items()


def _cells(found: list[Document]) -> list[str]:
    def values(key: str, times: float = 1) -> list[float]:
        return [times * row[key] for row in found]

    return [
        mean_and_spread(values("drop"), 3),
        mean_and_spread(values("changed", 100), 3),
        mean_and_spread(values("end_db"), 1),
        mean_and_spread(values("worst_db"), 1),
        f"{np.mean(values('clipped', 100)):.2f}",
        f"{np.mean(values('wasted', 100)):.1f}",
    ]


def _title(run: Document) -> str:
    return (
        f"`{run['model']}` on {run['data']}, {run['pictures']:,} validation pictures, "
        f"{len({row['seed'] for row in run['clipping']})} draws a row:"
    )


def diagnose_speed(document: Document) -> str:
    """Seconds of ``diagnose``."""
    rows = [
        [
            row["what"],
            str(row["rounds"]),
            f"{row['seconds_median']:.2f}",
            f"{row['seconds_min']:.2f}",
            f"{row['processor_seconds_median']:.2f}",
        ]
        for row in document["rows"]
    ]
    before, after = document["host"]["load"]
    return "\n\n".join(
        [
            table(["what", "rounds", "median s", "least s", "processor s"], rows),
            f"Other work ran on the {document['host']['cpus']} cores meanwhile (load average "
            f"{before:.1f} before, {after:.1f} after): the last column is what it takes by itself."
            if before > 1
            else "Nothing else ran meanwhile.",
        ]
    )
