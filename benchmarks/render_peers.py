"""The tables of ``docs/benchmarks.md`` that hold our files against those of other tools."""

from __future__ import annotations

import statistics
from typing import Any

from edgedigits.metrics import mcnemar_exact
from edgedigits.reproduce.markdown import table
from edgedigits.reproduce.rows import mean_and_spread

Document = dict[str, Any]

ABOUT = {
    "float32": "LiteRT, float32",
    "converter-int8": "TFLiteConverter's guide, int8",
    "quantizer-int8": "ai-edge-quantizer, its defaults, int8",
    "ours-int8-slim": "**edgedigits** `int8-slim`",
    "ours-int4-slim": "**edgedigits** `int4-slim`",
    "ours-dynamic-slim": "**edgedigits** `dynamic-slim`",
    "onnxruntime-static": "ONNX Runtime, static int8",
    "onnxruntime-dynamic": "ONNX Runtime, dynamic, Dense only",
    "openvino-nncf": "OpenVINO with NNCF, int8",
}
HEADINGS = [
    "file",
    "bytes",
    "gzip",
    "accuracy %",
    "drop",
    "µs",
    "× converter",
    "10,000 s",
    "× converter",
]


def peers(document: Document) -> str:
    """A table a model, means and spreads over its seeds, and whether ours is behind any."""
    models: dict[str, list[Document]] = {}
    for run in document["runs"]:
        models.setdefault(run["model"], []).append(run)
    parts = [part for model, runs in models.items() for part in _model(model, runs)]
    host = document["host"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    return "\n\n".join([*parts, f"Measured on {host['processor']}, one core, {versions}."])


def _model(model: str, runs: list[Document]) -> list[str]:
    names = [row["name"] for row in runs[0]["rows"]]
    rows = {name: [_row(run, name) for run in runs] for name in names}
    seeds = ", ".join(str(run["seed"]) for run in runs)
    return [
        f"`{model}` on {runs[0]['data']}, {runs[0]['pictures']:,} test pictures, seeds {seeds}:",
        table(HEADINGS, [_cells(name, found) for name, found in rows.items()]),
        "Behind it on the same pictures (negative: ahead), and p of McNemar's exact test over the "
        "seeds together:",
        _behind(rows),
    ]


def _row(run: Document, name: str) -> Document:
    return next(row for row in run["rows"] if row["name"] == name)


def _cells(name: str, found: list[Document]) -> list[str]:
    def median(key: str) -> float:
        return float(statistics.median(row[key] for row in found))

    return [
        ABOUT[name],
        f"{int(median('bytes')):,}",
        f"{int(median('gzip_bytes')):,}",
        mean_and_spread([100 * row["accuracy"] for row in found], 2),
        mean_and_spread([row["drop"] for row in found], 3),
        f"{median('latency_us'):.1f}",
        f"{median('latency_ratio'):.2f}",
        f"{median('all_seconds'):.3f}",
        f"{median('all_ratio'):.2f}",
    ]


def _behind(rows: dict[str, list[Document]]) -> str:
    """Points that our files are behind each other int8 file, and p over the seeds together."""
    ours = [name for name in rows if name.startswith("ours-")]
    others = [name for name in rows if name not in (*ours, "float32")]
    cells = [
        [ABOUT[other], *(_pair([row["ours_behind"][name] for row in rows[other]]) for name in ours)]
        for other in others
    ]
    return table(["against", *(ABOUT[name] for name in ours)], cells)


def _pair(seeds: list[Document]) -> str:
    points = statistics.mean(pair["points"] for pair in seeds)
    lost, gained = (sum(pair[key] for pair in seeds) for key in ("lost", "gained"))
    return f"{points:+.3f} (p {mcnemar_exact(lost, gained):.2f})"
