"""Accuracy against bytes, with intervals and the Pareto line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgedigits.compare import Comparison, ComparisonRow
from edgedigits.report.reading import by_run
from edgedigits.report.style import BLACK, GREY, MARKERS, SERIES, new_figure, save, settings
from edgedigits.report.tables import measured_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Where a label may stand beside its point, in points, best first: right, left, above, below, then
# farther away with a leader line.
_PLACES = [
    *((8, 0), (-8, 0), (0, 9), (0, -9), (8, 9), (8, -9), (-8, 9), (-8, -9)),
    *((x, y) for far in (20, 32, 44, 58, 74) for x in (12, -12) for y in (far, -far)),
]
NEAR = 15  # points: a label farther away is tied to its point by a line


def draw_accuracy_against_bytes(comparison: Comparison, path: Path) -> Path:
    """Draw each variant's accuracy, with its 95 % interval, over the bytes of its file.

    The Pareto line is a step line: the best accuracy to be had at that size.

    Raises:
        MissingPackageError: matplotlib is not installed.
        RunError: the picture cannot be written.
    """
    runs = by_run(comparison)
    with settings():
        figure = new_figure(9.0, 5.2)
        axes = figure.subplots()
        axes.set_xscale("log")
        labels = []
        for i, (name, rows) in enumerate(runs.items()):
            colour, marker = SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]
            _draw_points(axes, rows, name, colour, marker)
            labels += [(row, colour if len(runs) > 1 else BLACK) for row in rows]
        _frame(axes, comparison.rows)
        _draw_line(axes, comparison.rows)
        axes.set_xlabel("bytes of the .tflite file (logarithmic)")
        axes.set_ylabel("accuracy, %")
        axes.set_title(
            f"Accuracy against size: {comparison.data} ({comparison.split}), "
            f"{measured_on(comparison)}"
        )
        axes.grid(visible=True, which="major")
        figure.legend(loc="outside lower right", ncols=3, fontsize=8.5)
        _place_labels(figure, axes, labels)
        return save(figure, path)


def _draw_points(
    axes: Axes, rows: tuple[ComparisonRow, ...], name: str, colour: str, marker: str
) -> None:
    shares = [100 * row.accuracy for row in rows]
    # At 0 and 100 % the interval ends at the point, but for rounding.
    below = [max(0.0, 100 * (row.accuracy - row.accuracy_low)) for row in rows]
    above = [max(0.0, 100 * (row.accuracy_high - row.accuracy)) for row in rows]
    axes.errorbar(
        [row.bytes for row in rows],
        shares,
        yerr=[below, above],
        fmt="none",
        ecolor=colour,
        alpha=0.45,
        elinewidth=1.2,
        capsize=3,
    )
    for row, share in zip(rows, shares, strict=True):
        axes.plot(
            row.bytes,
            share,
            marker=marker,
            markersize=8 if row.pareto else 6.5,
            color=colour,
            markerfacecolor=colour if row.pareto else "white",
            markeredgewidth=1.5,
            zorder=4,
        )
    axes.plot([], [], marker, color=colour, label=f"{name} (line: 95 % interval)")


def _frame(axes: Axes, rows: tuple[ComparisonRow, ...]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    sizes = [row.bytes for row in rows]
    low = min(100 * row.accuracy_low for row in rows)
    high = max(100 * row.accuracy_high for row in rows)
    room = max(0.05, 0.12 * (high - low))
    axes.set_xlim(min(sizes) / 1.7, max(sizes) * 2.0)
    axes.set_ylim(low - room, high + room)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(_size))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _size(size: float, _position: int = 0) -> str:
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:g} {unit}"
    return f"{size:g} B"


def _steps(axes: Axes, rows: Sequence[ComparisonRow]) -> list[tuple[float, float]]:
    """Corners of the Pareto line, (bytes, accuracy in %), up to the right edge."""
    line = sorted({(row.bytes, 100 * row.accuracy) for row in rows if row.pareto})
    corners: list[tuple[float, float]] = []
    for size, share in line:
        if corners:
            corners.append((size, corners[-1][1]))
        corners.append((size, share))
    if corners:
        corners.append((axes.get_xlim()[1], corners[-1][1]))
    return corners


def _draw_line(axes: Axes, rows: tuple[ComparisonRow, ...]) -> None:
    corners = _steps(axes, rows)
    if corners:
        axes.plot(
            *zip(*corners, strict=True),
            color=GREY,
            linewidth=1.2,
            linestyle=(0, (5, 3)),
            zorder=1,
            label="Pareto line (filled marks)",
        )


def _place_labels(figure: Figure, axes: Axes, labels: list[tuple[ComparisonRow, str]]) -> None:
    """Set each label at the first place where it covers no point and no other label."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # what is measured now must stay where it is
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    taken = [*(box for row, _ in labels for box in _around(axes, row)), *_along_line(axes, labels)]
    frame = axes.get_window_extent(renderer)
    for row, colour in sorted(labels, key=lambda label: (label[0].bytes, -label[0].accuracy)):
        best = None
        for x, y in _PLACES:
            text = _label(axes, row, colour, x, y)
            box = _extent(text, renderer)
            hidden = sum(_common(box, other) for other in taken)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
            inside = inside and frame.y0 <= box.y0 and box.y1 <= frame.y1
            cost = hidden + (0 if inside else box.width * box.height)
            text.remove()
            if best is None or cost < best[0]:
                best = (cost, x, y, box)
            if cost == 0:
                break
        assert best is not None
        _label(axes, row, colour, best[1], best[2])
        taken.append(best[3])


def _label(axes: Axes, row: ComparisonRow, colour: str, x: float, y: float) -> Any:
    from matplotlib.patheffects import withStroke

    far = abs(y) > NEAR
    return axes.annotate(
        row.variant,
        (row.bytes, 100 * row.accuracy),
        xytext=(x, y),
        textcoords="offset points",
        ha="left" if x > 0 else "right" if x < 0 else "center",
        va="center" if y == 0 else "bottom" if y > 0 else "top",
        fontsize=9,
        fontweight="bold" if row.pareto else "normal",
        color=colour,
        zorder=5,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6} if far else None,
    )


def _extent(label: Any, renderer: Any) -> Any:
    """The box of a label's words alone; an annotation's own box also holds its leader line."""
    from matplotlib.text import Text

    label.update_positions(renderer)
    return Text.get_window_extent(label, renderer)


def _around(axes: Axes, row: ComparisonRow) -> list[Any]:
    """The boxes, in pixels, of a row's mark and of its interval."""
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform((row.bytes, 100 * row.accuracy))
    low = axes.transData.transform((row.bytes, 100 * row.accuracy_low))[1]
    high = axes.transData.transform((row.bytes, 100 * row.accuracy_high))[1]
    return [
        Bbox.from_extents(x - 8, y - 8, x + 8, y + 8),
        Bbox.from_extents(x - 1, low, x + 1, high),
    ]


def _along_line(axes: Axes, labels: list[tuple[ComparisonRow, str]]) -> list[Any]:
    """The boxes, in pixels, of the Pareto line's steps."""
    from matplotlib.transforms import Bbox

    corners = [axes.transData.transform(point) for point in _steps(axes, [r for r, _ in labels])]
    return [
        Bbox.from_extents(min(x0, x1) - 2, min(y0, y1) - 2, max(x0, x1) + 2, max(y0, y1) + 2)
        for (x0, y0), (x1, y1) in pairwise(corners)
    ]


def _common(one: Any, other: Any) -> float:
    """Area that two boxes share, in square pixels."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(max(0.0, width) * max(0.0, height))
