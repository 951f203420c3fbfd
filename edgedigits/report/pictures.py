"""Pictures of one evaluation or one training: confusion matrix, curves, sparsity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedigits.data.dataset import Images
from edgedigits.errors import RunError
from edgedigits.evaluate import Evaluation
from edgedigits.metrics import ClassificationReport
from edgedigits.report.grids import draw_examples, draw_mistakes
from edgedigits.report.rows import percent, pictures
from edgedigits.report.style import (
    BLUE,
    GREY,
    HEAT,
    VERMILION,
    new_figure,
    save,
    settings,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DARK = 0.3  # shares above it have a dark cell, and white figures
MANY_CLASSES = 16  # from here on counts are set smaller


def draw_evaluation(
    evaluation: Evaluation, images: Images, folder: Path, *, prefix: str = ""
) -> tuple[Path, ...]:
    """Draw all pictures of an evaluation: confusion matrix, examples, worst mistakes.

    Args:
        evaluation: the answers.
        images: uint8 ``[n, 28, 28]``, the pictures that were evaluated, in the same order.
        folder: where ``confusion.png``, ``examples.png`` and ``mistakes.png`` are written.
        prefix: begins the files' names.

    Raises:
        ValueError: the pictures are not as many as the answers.
        MissingPackageError: matplotlib is not installed.
        RunError: the folder cannot be written.
    """
    return (
        draw_confusion(evaluation, folder / f"{prefix}confusion.png"),
        draw_examples(evaluation, images, folder / f"{prefix}examples.png"),
        draw_mistakes(evaluation, images, folder / f"{prefix}mistakes.png"),
    )


def draw_confusion(evaluation: Evaluation, path: Path) -> Path:
    """Draw the confusion matrix: counts in the cells, colour by share of the true class.

    Rows are the true classes that occur; columns also hold other classes that were answered.

    Raises:
        MissingPackageError: matplotlib is not installed.
        RunError: the picture cannot be written.
    """
    report = evaluation.report
    rows = [i for i, score in enumerate(report.per_class) if score.true_samples]
    columns = [i for i in range(len(report.classes)) if i in rows or report.confusion[:, i].any()]
    counts = report.confusion[np.ix_(rows, columns)]
    shares = counts / counts.sum(axis=1, keepdims=True)
    cell = 0.5 if len(columns) <= MANY_CLASSES else 0.34
    with settings():
        from matplotlib.colors import PowerNorm

        figure = new_figure(max(6.0, cell * len(columns) + 2.6), max(3.2, cell * len(rows) + 2.0))
        axes = figure.subplots()
        # The root of the share, or single mistakes would be as white as none.
        norm = PowerNorm(0.5, vmin=0, vmax=1)
        image = axes.imshow(shares, cmap=HEAT, norm=norm, aspect="auto")
        _count_cells(axes, counts, shares, 9 if cell == 0.5 else 7)
        _name_classes(axes, report, rows, columns)
        axes.set_ylabel("true class")
        axes.set_xlabel("answer")
        axes.set_title(
            f"{evaluation.variant}: {percent(report.accuracy)} % right\n"
            f"{evaluation.data} ({evaluation.split}), {pictures(report.n)}"
        )
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
        bar.set_label("share of the true class")
        bar.outline.set_visible(False)
        return save(figure, path)


def _count_cells(axes: Axes, counts: Any, shares: Any, size: float) -> None:
    for (row, column), number in np.ndenumerate(counts):
        if number:
            axes.text(
                column,
                row,
                str(number),
                ha="center",
                va="center",
                fontsize=size if number < 1000 else size - 1,
                color="white" if shares[row, column] > DARK else "#222222",
            )
    axes.set_xticks(np.arange(counts.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(counts.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)


def _name_classes(
    axes: Axes, report: ClassificationReport, rows: list[int], columns: list[int]
) -> None:
    names = [short(report.per_class[i].name) for i in columns]
    upright = max(map(len, names)) > 3
    axes.set_xticks(
        range(len(columns)),
        names,
        rotation=45 if upright else 0,
        ha="right" if upright else "center",
        rotation_mode="anchor" if upright else "default",
    )
    axes.set_yticks(range(len(rows)), [short(report.per_class[i].name) for i in rows])


def draw_curves(history: dict[str, Any], path: Path, *, title: str = "") -> Path:
    """Draw accuracy and loss by epoch, training beside validation, with the kept epoch marked.

    Args:
        history: the content of ``history.json``.
        path: the PNG file.
        title: what was trained, on what.

    Raises:
        MissingPackageError: matplotlib is not installed.
        RunError: the history holds no epochs, or the picture cannot be written.
    """
    epochs = history.get("epochs") or []
    if not epochs:
        raise RunError(f"{path}: cannot be drawn: the training history holds no epochs")
    numbers = [epoch["epoch"] for epoch in epochs]
    kept = history.get("best_epoch")
    with settings():
        figure = new_figure(9.0, 3.8)
        panels = figure.subplots(1, 2)
        for axes, key, label in zip(
            panels, ("accuracy", "loss"), ("accuracy", "loss"), strict=True
        ):
            mark = "o" if len(numbers) <= 30 else ""
            for name, line, colour, sign in (
                (key, "training", BLUE, mark),
                (f"val_{key}", "validation", VERMILION, mark and "s"),
            ):
                values = [epoch[name] for epoch in epochs]
                axes.plot(numbers, values, color=colour, marker=sign, markersize=4, label=line)
            _mark_kept(axes, kept)
            axes.set_xlabel("epoch")
            axes.set_ylabel(label)
            axes.grid(visible=True)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
        panels[1].set_ylim(0, 1.06 * panels[1].get_ylim()[1])
        panels[0].legend(loc="lower right")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        return save(figure, path)


def _mark_kept(axes: Axes, kept: int | None) -> None:
    if kept is None:
        return
    axes.axvline(kept, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(
        kept,
        1.01,
        f"kept: epoch {kept}",
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=8,
        color=GREY,
    )


def draw_sparsity(layers: list[tuple[str, float]], path: Path, *, title: str) -> Path:
    """Draw the share of zero weights of each layer.

    Args:
        layers: (name, sparsity from 0 to 1), in the model's order; not empty.
        path: the PNG file.
        title: what was pruned, and how.

    Raises:
        MissingPackageError: matplotlib is not installed.
        RunError: the picture cannot be written.
    """
    with settings():
        figure = new_figure(7.0, 1.2 + 0.36 * len(layers))
        axes = figure.subplots()
        positions = range(len(layers))
        axes.barh(positions, [1.0] * len(layers), color="#eeeeee", height=0.62)
        axes.barh(positions, [sparsity for _, sparsity in layers], color=BLUE, height=0.62)
        for position, (_, sparsity) in zip(positions, layers, strict=True):
            axes.text(1.02, position, f"{percent(sparsity, 1)} %", va="center", fontsize=9)
        axes.set_yticks(positions, [name for name, _ in layers])
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25", "50", "75", "100"])
        axes.set_xlabel("weights that are zero, %")
        axes.set_xlim(0, 1.14)
        axes.invert_yaxis()
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_title(title)
        return save(figure, path)
