"""Results as JSON documents. Their keys stay as they are: programs read them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from edgedigits.compare import Comparison, ComparisonRow
from edgedigits.evaluate import Evaluation
from edgedigits.improvement import Improvement
from edgedigits.metrics import ClassScore
from edgedigits.report.improvement import improvement_json


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as plain values.

    ``confusion`` has a row a true class and a column an answer, in the order of ``classes``;
    accuracies are shares of 1, ``seconds`` is the time spent in inference. A measure that would
    divide by nothing is 0, as scikit-learn has it with ``zero_division=0``.
    """
    report = evaluation.report
    return {
        "file": str(evaluation.file),
        "file_digest": evaluation.file_digest,
        "variant": evaluation.variant,
        "data": evaluation.data,
        "split": evaluation.split,
        "data_digest": evaluation.data_digest,
        "n": report.n,
        "bytes": evaluation.bytes,
        "gzip_bytes": evaluation.gzip_bytes,
        "seconds": _finite(evaluation.seconds),
        "accuracy": report.accuracy,
        "accuracy_low": report.accuracy_low,
        "accuracy_high": report.accuracy_high,
        "classes": list(report.classes),
        "class_names": list(evaluation.class_names),
        "confusion": report.confusion.tolist(),
        "per_class": [_class_json(score) for score in report.per_class],
        "macro": asdict(report.macro),
        "weighted": asdict(report.weighted),
        "notes": list(evaluation.notes),
        "rejection": None if evaluation.rejection is None else asdict(evaluation.rejection),
    }


def _class_json(score: ClassScore) -> dict[str, Any]:
    values = asdict(score)
    return {"class": values.pop("label"), **values}


def comparison_json(
    comparison: Comparison, improvement: Improvement | None = None
) -> dict[str, Any]:
    """A comparison as plain values.

    Accuracies, agreement and drift are shares of 1, drops are percentage points, latencies are
    microseconds a picture. What was not measured, or has no float32 beside it, is null.
    """
    return {
        "data": comparison.data,
        "split": comparison.split,
        "threads": comparison.threads,
        "processor": comparison.processor,
        "rows": [_row_json(row) for row in comparison.rows],
        **({} if improvement is None else {"improvement": improvement_json(improvement)}),
    }


def _row_json(row: ComparisonRow) -> dict[str, Any]:
    values = asdict(row) | {"file": str(row.file)}
    if row.latency_us_p50 <= 0:
        values |= {"latency_us_p50": None, "latency_us_p95": None}
    return {key: _finite(value) for key, value in values.items()}


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity; null says the same: there is no figure."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
