"""Draw ``docs/images/calibration-study.png`` from ``benchmarks/results/calibration-study.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgedigits.report.style import MARKERS, SERIES, new_figure, save, settings

RESULT = Path(__file__).parent / "results" / "calibration-study.json"
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "calibration-study.png"
PANELS = (
    ("end_db", 1.0, "signal to noise before the softmax, dB"),
    ("changed", 100.0, "answers other than float's, %"),
)


def draw(runs: list[dict[str, Any]]) -> Path:
    """A row a run: layer error and changed answers against the size of the set."""
    with settings():
        figure = new_figure(9.0, 3.4 * len(runs))
        panels = figure.subplots(len(runs), 2, squeeze=False)
        for run, row in zip(runs, panels, strict=True):
            for axes, (key, times, label) in zip(row, PANELS, strict=True):
                _draw(axes, run["sets"], key, times)
                axes.set_ylabel(label)
                axes.set_title(f"{run['model']}, {run['data']}")
        panels[0][1].legend(loc="upper right")
        for axes in panels[-1]:
            axes.set_xlabel("calibration pictures")
        return save(figure, PICTURE)


def _draw(axes: Any, rows: list[dict[str, Any]], key: str, times: float) -> None:
    sizes = sorted({row["samples"] for row in rows})
    for number, method in enumerate(dict.fromkeys(row["method"] for row in rows)):
        found = [
            [times * row[key] for row in rows if (row["samples"], row["method"]) == (n, method)]
            for n in sizes
        ]
        means = [float(np.mean(values)) for values in found]
        lows = [mean - min(values) for mean, values in zip(means, found, strict=True)]
        highs = [max(values) - mean for mean, values in zip(means, found, strict=True)]
        shifted = [n * (1 + 0.06 * (number - 1)) for n in sizes]
        axes.errorbar(
            shifted,
            means,
            (lows, highs),
            color=SERIES[number],
            marker=MARKERS[number],
            markersize=5,
            linewidth=1.2,
            capsize=2,
            label=method,
        )
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{n // 1000}k" if n >= 1000 else str(n) for n in sizes])
    axes.minorticks_off()
    axes.grid(visible=True)


def main() -> None:
    """Entry point."""
    document = json.loads(RESULT.read_text(encoding="utf-8"))
    print(f"written: {draw(document['runs'])}", file=sys.stderr)


if __name__ == "__main__":
    main()
