"""Pictures of pictures: examples with their answers, worst mistakes, the calibration set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Images, Labels
from edgedigits.diagnose import Diagnosed, VariantDiagnosis
from edgedigits.evaluate import Evaluation
from edgedigits.report.rows import percent, pictures
from edgedigits.report.style import BLUE, GREY, VERMILION, new_figure, save, settings, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 8
EXAMPLES = 24
CELL = 1.08  # inches from picture to picture
SIDE = 0.92  # inches of a picture
LINE = 0.145  # inches of a line below it
TITLE = 0.42  # inches above the first row
SEED = 0  # the same examples for every variant


@dataclass(frozen=True)
class _Cell:
    """One picture with its caption; right is None where there is nothing to judge."""

    image: NDArray[np.uint8]
    lines: tuple[str, ...]
    right: bool | None


def draw_examples(
    evaluation: Evaluation, images: Images, path: Path, *, count: int = EXAMPLES
) -> Path:
    """Draw a seeded sample of the pictures with true class, answer and score.

    Args:
        evaluation: the answers.
        images: uint8 ``[n, 28, 28]``, the pictures that were evaluated, in the same order.
        path: the PNG file.
        count: pictures to show at most.

    Raises:
        ValueError: the pictures are not as many as the answers.
        MissingPackageError: matplotlib is not installed.
        RunError: the picture cannot be written.
    """
    _check(evaluation, images)
    n = len(images)
    chosen = np.sort(np.random.default_rng(SEED).permutation(n)[:count])
    title = (
        f"{evaluation.variant}: {len(chosen)} of {pictures(n)} of {evaluation.data} "
        f"({evaluation.split}), drawn at random"
    )
    return _draw_grid([_answer(evaluation, images, i) for i in chosen], title, path)


def worst_mistakes(evaluation: Evaluation, count: int = EXAMPLES) -> NDArray[np.int64]:
    """Positions of wrong answers, highest score first, int64, at most ``count``."""
    answers = evaluation.answers
    wrong = np.flatnonzero(answers != evaluation.truth)
    score = evaluation.scores[wrong, answers[wrong]]
    return wrong[np.argsort(-score, kind="stable")][:count]


def draw_mistakes(
    evaluation: Evaluation, images: Images, path: Path, *, count: int = EXAMPLES
) -> Path:
    """Draw the wrong answers that the model was surest of; arguments as :func:`draw_examples`."""
    _check(evaluation, images)
    chosen = worst_mistakes(evaluation, count)
    report = evaluation.report
    wrong = report.n - round(report.accuracy * report.n)
    title = (
        f"{evaluation.variant}: the {len(chosen)} surest of {wrong:,} wrong answers, "
        f"{evaluation.data} ({evaluation.split}), {pictures(report.n)}"
        if wrong
        else f"{evaluation.variant}: no mistakes in {pictures(report.n)} of {evaluation.data} "
        f"({evaluation.split})"
    )
    return _draw_grid([_answer(evaluation, images, i) for i in chosen], title, path)


def draw_flips(
    diagnosed: Diagnosed, found: VariantDiagnosis, path: Path, *, count: int = EXAMPLES
) -> Path:
    """Draw the pictures that a variant answers otherwise than the float model.

    Args:
        diagnosed: for the pictures. found: one of its variants. path: the PNG file.
        count: pictures to show at most.

    Raises:
        MissingPackageError: matplotlib is not installed.
        RunError: the picture cannot be written.
    """
    names = diagnosed.diagnosis.class_names
    place = {int(index): i for i, index in enumerate(diagnosed.indices)}
    cells = [
        _Cell(
            diagnosed.images[place[flip.index]],
            (
                f"{_named(names, flip.before)} → {_named(names, flip.after)}",
                f"is {_named(names, flip.truth)}",
                f"index {flip.index}",
            ),
            flip.after == flip.truth,
        )
        for flip in found.flips[:count]
    ]
    title = (
        f"{found.variant}: {len(cells)} of {pictures(len(found.flips))} whose answer flips, "
        f"{diagnosed.diagnosis.data} ({diagnosed.diagnosis.split})"
    )
    return _draw_grid(cells, title, path)


def _named(names: tuple[str, ...], label: int) -> str:
    return short(names[label]) if label < len(names) else str(label)


def draw_calibration_sample(
    images: Images,
    path: Path,
    *,
    labels: Labels | None = None,
    class_names: tuple[str, ...] = (),
    count: int = 3 * COLUMNS,
) -> Path:
    """Draw a seeded sample of a calibration set.

    Args:
        images: uint8 ``[n, 28, 28]``.
        path: the PNG file.
        labels: int64 ``[n]``, or None for pictures without labels.
        class_names: one name a label.
        count: pictures to show at most.

    Raises:
        MissingPackageError: matplotlib is not installed.
        RunError: the picture cannot be written.
    """
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(images))[:count])
    cells = [
        _Cell(images[i], () if labels is None else (short(class_names[labels[i]]),), None)
        for i in chosen
    ]
    title = f"Calibration set: {len(chosen)} of {pictures(len(images))}, drawn at random"
    return _draw_grid(cells, title, path)


def _check(evaluation: Evaluation, images: Images) -> None:
    if len(images) != len(evaluation.truth):
        raise ValueError(f"{len(images)} pictures for {len(evaluation.truth)} answers")


def _answer(evaluation: Evaluation, images: Images, i: int) -> _Cell:
    names = {score.label: score.name for score in evaluation.report.per_class}
    answer, truth = int(evaluation.answers[i]), int(evaluation.truth[i])
    score = f"{percent(float(evaluation.scores[i, answer]), 0)} %"
    if answer == truth:
        return _Cell(images[i], (short(names[truth]), score), True)
    wrong = f"✗ {short(names[answer])}"
    return _Cell(images[i], (wrong, f"is {short(names[truth])}", score), False)


def _draw_grid(cells: list[_Cell], title: str, path: Path) -> Path:
    """Draw cells by hand on one axes whose unit is the inch: a layout engine takes seconds here."""
    lines = max((len(cell.lines) for cell in cells), default=0)
    step = SIDE + 0.07 + lines * LINE + 0.08
    width = COLUMNS * CELL + 0.1
    height = TITLE + math.ceil(len(cells) / COLUMNS) * step
    with settings():
        figure = new_figure(width, height, layout=None)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.text(0.12, height - 0.12, title, va="top", fontsize=11, fontweight="bold")
        for i, cell in enumerate(cells):
            left = 0.1 + (i % COLUMNS) * CELL + (CELL - SIDE) / 2
            _draw_cell(axes, cell, left, height - TITLE - (i // COLUMNS) * step)
        axes.set(xlim=(0, width), ylim=(0, height), aspect="auto")
        return save(figure, path)


def _draw_cell(axes: Axes, cell: _Cell, left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    colour = {True: BLUE, False: VERMILION, None: GREY}[cell.right]
    box = (left, left + SIDE, top - SIDE, top)
    axes.imshow(cell.image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", extent=box)
    thick = 2.2 if cell.right is False else 0.9
    axes.add_patch(
        Rectangle((left, top - SIDE), SIDE, SIDE, fill=False, edgecolor=colour, linewidth=thick)
    )
    for i, line in enumerate(cell.lines):
        axes.text(
            left + SIDE / 2,
            top - SIDE - 0.07 - i * LINE,
            line,
            ha="center",
            va="top",
            fontsize=8,
            color=colour,
        )
