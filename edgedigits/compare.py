"""Hold the variants of one or more runs against each other: accuracy, size, speed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.evaluate import Evaluation


@dataclass(frozen=True)
class ComparisonRow:
    """One variant of one run.

    Attributes:
        run, variant, file: what it is. bytes, gzip_bytes: its size.
        n: pictures it was evaluated on; accuracy (0 to 1) with its 95 % Wilson interval.
        drop: accuracy lost against the run's float32 variant on the same pictures, in percentage
            points, with its 95 % interval; None for a run without float32.
        mcnemar_p, agreement, confidence_drift: see ``metrics.PairedComparison``.
        latency_us_p50, latency_us_p95: microseconds a picture at batch 1, interleaved rounds.
        pareto: whether no other row is as small and as accurate, and better in one.
        note: what the reader should know about this row.
    """

    run: str
    variant: str
    file: Path
    bytes: int
    gzip_bytes: int
    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    drop: float | None
    drop_low: float | None
    drop_high: float | None
    mcnemar_p: float | None
    agreement: float | None
    confidence_drift: float | None
    latency_us_p50: float
    latency_us_p95: float
    pareto: bool
    note: str = ""


@dataclass(frozen=True, eq=False)
class Comparison:
    """All rows, what they were measured on, and the evaluations behind them."""

    rows: tuple[ComparisonRow, ...]
    data: str
    split: str
    threads: int
    processor: str
    evaluations: tuple[Evaluation, ...]
