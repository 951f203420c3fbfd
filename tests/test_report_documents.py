"""The JSON documents: keys that stay, values worked out by hand, never a NaN."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers_report import make_comparison, make_evaluation, make_run

from edgedigits.report.documents import comparison_json, evaluation_json

EVALUATION_KEYS = {
    *("file", "variant", "data", "split", "n", "bytes", "gzip_bytes", "accuracy", "confusion"),
    *("per_class", "macro", "weighted"),
    *("classes", "class_names", "accuracy_low", "accuracy_high", "seconds", "notes"),
    *("file_digest", "data_digest", "rejection"),
}
ROW_KEYS = {
    *("variant", "file", "bytes", "gzip_bytes", "accuracy", "accuracy_low", "accuracy_high"),
    *("drop", "agreement", "latency_us_p50", "pareto"),
    *("run", "n", "drop_low", "drop_high", "mcnemar_p", "confidence_drift", "latency_us_p95"),
    *("note", "camera_f1", "devices"),
}


def strict(document: dict[str, Any]) -> Any:
    """The document after a trip through JSON that refuses NaN."""
    return json.loads(json.dumps(document, allow_nan=False))


def test_evaluation_by_hand() -> None:
    # Truth a a a b; answers a a b b: one of three a is taken for b.
    truth = np.array([0, 0, 0, 1])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]], np.float32)
    evaluation = make_evaluation(
        class_names=("a", "b"), truth=truth, scores=scores, notes=("Four only.",)
    )
    document = strict(evaluation_json(evaluation))
    assert set(document) == EVALUATION_KEYS
    assert document["file"] == "runs/a/exports/int8.tflite"
    assert document["n"] == 4
    assert document["accuracy"] == 0.75
    assert document["accuracy_low"] < 0.75 < document["accuracy_high"]
    assert document["confusion"] == [[2, 1], [0, 1]]
    assert document["classes"] == [0, 1]
    assert document["notes"] == ["Four only."]
    a, b = document["per_class"]
    assert a == {
        "class": 0,
        "name": "a",
        "true_samples": 3,
        "classified_samples": 2,
        "accuracy": pytest.approx(2 / 3),
        "precision": 1.0,
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(0.8),
    }
    assert (b["precision"], b["recall"], b["f1"]) == (0.5, 1.0, pytest.approx(2 / 3))
    assert document["macro"] == {
        "precision": 0.75,
        "recall": pytest.approx(5 / 6),
        "f1": pytest.approx((0.8 + 2 / 3) / 2),
        "support": 4,
    }
    assert document["weighted"]["precision"] == pytest.approx((3 * 1 + 1 * 0.5) / 4)


def test_a_wide_head_and_classes_without_pictures() -> None:
    evaluation = make_evaluation(width=35, n=12, skill=1.0)
    document = strict(evaluation_json(evaluation))
    size = len(document["classes"])
    assert size > 10
    assert len(document["class_names"]) == 10
    assert len(document["confusion"]) == len(document["confusion"][0]) == size
    assert [row["class"] for row in document["per_class"]] == document["classes"]
    assert sum(map(sum, document["confusion"])) == 12


def test_comparison_values() -> None:
    comparison = make_comparison(make_run(), int4="Dense only.")
    document = strict(comparison_json(comparison))
    assert set(document) == {"data", "split", "threads", "processor", "rows"}
    assert [row["variant"] for row in document["rows"]] == [row.variant for row in comparison.rows]
    for row, source in zip(document["rows"], comparison.rows, strict=True):
        assert set(row) == ROW_KEYS
        assert row["file"] == source.file.as_posix()
        assert row["devices"] == []
        for key in ROW_KEYS - {"file", "devices"}:
            assert row[key] == getattr(source, key)
    assert document["rows"][4]["note"] == "Dense only."


def test_no_float32_and_no_nan() -> None:
    comparison = make_comparison(make_run()[1:3])
    first = replace(comparison.rows[0], latency_us_p50=float("nan"), latency_us_p95=float("inf"))
    document = strict(comparison_json(replace(comparison, rows=(first, comparison.rows[1]))))
    row = document["rows"][0]
    for key in ("drop", "drop_low", "drop_high", "mcnemar_p", "agreement", "confidence_drift"):
        assert row[key] is None
    assert row["latency_us_p50"] is None
    assert row["latency_us_p95"] is None
    assert document["rows"][1]["latency_us_p50"] == 18.25
    unmeasured = replace(first, latency_us_p50=0.0, latency_us_p95=0.0)
    row = strict(comparison_json(replace(comparison, rows=(unmeasured,))))["rows"][0]
    assert (row["latency_us_p50"], row["latency_us_p95"]) == (None, None)
