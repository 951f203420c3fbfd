"""Accuracy against bytes: the ladder beside what others published.

    python benchmarks/ladder_picture.py

Reads ``benchmarks/results/ladder.json``; writes ``docs/images/ladder.png``. The published points
are as their authors or readers give them; see ``docs/ladder.md``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgedigits.report.style import BLACK, BLUE, GREY, new_figure, save, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULT = Path(__file__).parent / "results" / "ladder.json"
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "ladder.png"

Document = dict[str, Any]
FLOAT_BYTES = 4
TICKS = (90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.3, 99.5, 99.7, 99.8, 99.9)
CAPTION = (
    "Filled: whole .tflite files, int8, epoch and file chosen on validation pictures; mean and "
    "range over the seeds.\nHollow: published by others; mostly the best epoch on the test set, "
    "float, one run each. Their bytes are weights alone (float: 4 a parameter),\n"
    "without code or container."
)


@dataclass(frozen=True)
class Published:
    """Points of one kind: (bytes of the weights, accuracy in %)."""

    label: str
    marker: str
    points: tuple[tuple[float, float], ...]


def _floats(*points: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """From (parameters, accuracy) to (bytes, accuracy)."""
    return tuple((FLOAT_BYTES * count, share) for count, share in points)


PUBLISHED = {
    "mnist": (
        Published(
            "BitNetMCU, weights of few bits",
            "s",
            ((5_400, 99.06), (7_300, 99.28), (9_300, 99.44), (11_000, 99.55), (13_000, 99.58)),
        ),
        Published(
            'small float networks (one: "over 99 %")',
            "D",
            _floats((575, 98.0), (3_888, 99.0), (7_070, 99.4), (8_900, 99.5)),
        ),
    ),
    "fashion-mnist": (
        Published(
            'float networks (leftmost: "below 100 thousand")',
            "D",
            _floats((100_000, 92.5), (500_000, 93.4), (768_000, 95.4), (8_900_000, 96.7)),
        ),
    ),
}
BEST_MNIST = 99.83  # of a single float network, whatever its size
PANELS = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}


def draw(document: Document, path: Path) -> Path:
    """Both panels, from the rows of ``ladder.json``."""
    with settings():
        figure = new_figure(11.0, 5.4)
        for axes, (data, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            _panel(axes, data, [row for row in document["rows"] if row["data"] == data])
            axes.set_title(title)
        figure.supxlabel(CAPTION, fontsize=8, color=GREY, x=0.01, ha="left")
        return save(figure, path)


def shown(row: Document) -> tuple[float, float, float]:
    """Middle, least and most test accuracy of a row, %; of the file alone without seeds."""
    tests = [100 * seed["test_accuracy"] for seed in row["seeds"]] or [100 * row["accuracy"]]
    return statistics.fmean(tests), min(tests), max(tests)


def _panel(axes: Axes, data: str, rows: list[Document]) -> None:
    for kind in PUBLISHED[data]:
        sizes, shares = zip(*kind.points, strict=True)
        axes.plot(sizes, shares, kind.marker, color=GREY, mfc="white", label=kind.label)
    if data == "mnist":
        axes.axhline(BEST_MNIST, color=GREY, linestyle=(0, (5, 3)), linewidth=1)
        axes.text(
            0.01, BEST_MNIST, f"one float network, any size: {BEST_MNIST} %",
            fontsize=8, color=GREY, transform=axes.get_yaxis_transform(), va="bottom",
        )  # fmt: skip
    _own(axes, rows)
    _frame(axes, data, rows)


def _own(axes: Axes, rows: list[Document]) -> None:
    for i, row in enumerate(sorted(rows, key=lambda row: int(row["bytes"]))):
        middle, low, high = shown(row)
        axes.errorbar(
            row["bytes"], middle, yerr=[[middle - low], [high - middle]], fmt="o", color=BLUE,
            capsize=3, zorder=4, label="" if i else "edgedigits, whole int8 files",
        )  # fmt: skip
        axes.annotate(
            row["name"], (row["bytes"], middle), xytext=(7, -3), textcoords="offset points",
            fontsize=8, color=BLACK, va="top",
        )  # fmt: skip


def _frame(axes: Axes, data: str, rows: list[Document]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    shares = [share for kind in PUBLISHED[data] for _, share in kind.points]
    shares += [value for row in rows for value in shown(row)]
    sizes = [size for kind in PUBLISHED[data] for size, _ in kind.points]
    sizes += [row["bytes"] for row in rows]
    best = 100 - max(*shares, BEST_MNIST if data == "mnist" else 0)
    axes.set_xscale("log")
    # Errors on a logarithmic scale, the least on top, named by the accuracy.
    axes.set_yscale(
        "function",
        functions=(lambda y: -_log10(100 - y), lambda z: 100 - 10.0 ** (-z)),
    )
    axes.set_ylim(100 - 1.25 * (100 - min(shares)), 100 - best / 1.2)
    axes.set_xlim(min(sizes) / 1.5, 2 * max(sizes))
    axes.yaxis.set_major_locator(FixedLocator(TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(_size))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("bytes (logarithmic)")
    axes.set_ylabel("test accuracy, % (logarithmic in the errors)")
    axes.grid(visible=True)
    axes.legend(loc="lower right", fontsize=8)


def _log10(values: Any) -> Any:
    import numpy as np

    return np.log10(np.maximum(values, 1e-9))


def _size(size: float, _position: int = 0) -> str:
    return f"{size / 1e6:g} MB" if size >= 1e6 else f"{size / 1e3:g} kB"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULT)
    parser.add_argument("--out", type=Path, default=PICTURE)
    asked = parser.parse_args()
    document = json.loads(asked.results.read_text(encoding="utf-8"))
    print(f"written: {draw(document, asked.out)}", file=sys.stderr)


if __name__ == "__main__":
    main()
