"""The table that holds our files against those of other tools: benchmarks/render_peers.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
BEHIND = {"points": 0.02, "lost": 3, "gained": 1, "mcnemar_p": 0.625}


def row(name: str, accuracy: float, ratio: float, behind: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "bytes": 1000,
        "gzip_bytes": 900,
        "accuracy": accuracy,
        "drop": 100 * (0.99 - accuracy),
        "ours_behind": {"ours-int8-slim": behind},
        "latency_us": 10.0,
        "latency_ratio": ratio,
        "all_seconds": 0.2,
        "all_ratio": ratio,
    }


def document() -> dict[str, Any]:
    runs = [
        {
            "model": "mnist-cnn",
            "data": "mnist",
            "seed": seed,
            "pictures": 10_000,
            "rows": [
                row("float32", 0.99, 4.0, BEHIND),
                row("converter-int8", 0.98 + 0.002 * seed, 1.0, BEHIND),
                row("ours-int8-slim", 0.98, 0.5 + 0.1 * seed, {**BEHIND, "lost": 0, "gained": 0}),
            ],
        }
        for seed in (0, 1, 2)
    ]
    host = {"processor": "a processor", "python": "3.11"}
    return {"runs": runs, "host": host, "versions": {"numpy": "2"}}


def test_means_spreads_and_the_paired_test_over_the_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from render_peers import peers

    lines = peers(document()).splitlines()
    assert lines[0] == "`mnist-cnn` on mnist, 10,000 test pictures, seeds 0, 1, 2:"
    # 98.0, 98.2, 98.4 %: spread 0.2; drops 1.0, 0.8, 0.6
    guide = next(line for line in lines if line.startswith("| TFLiteConverter's guide"))
    assert "| 1,000 | 900 | 98.20 ± 0.20 | 0.800 ± 0.200 | 10.0 | 1.00 | 0.200 | 1.00 |" in guide
    ours = next(line for line in lines if line.startswith("| **edgedigits** `int8-slim` |"))
    assert ours.split("|")[7].strip() == "0.60", "the median of 0.5, 0.6 and 0.7"
    # 9 lost, 3 gained: 2 × (1 + 12 + 66 + 220) / 4,096 = 0.146
    assert "| TFLiteConverter's guide, int8 | +0.020 (p 0.15) |" in lines
    assert not any(line.startswith("| LiteRT, float32 | +") for line in lines)
    assert lines[-1] == "Measured on a processor, one core, numpy 2."
