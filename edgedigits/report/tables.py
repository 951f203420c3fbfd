"""The tables that edgedigits prints: rows first, drawn by :mod:`edgedigits.report.rows`.

Each ``*_rows`` function returns a :class:`Table` of strings that a rich console can print and the
HTML page uses as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgedigits.compare import Comparison, ComparisonRow
from edgedigits.device.metadata import Rejection
from edgedigits.evaluate import Evaluation
from edgedigits.metrics import Average, ClassificationReport, ClassScore
from edgedigits.report.device_columns import device_cells, device_columns
from edgedigits.report.reading import by_run, reading
from edgedigits.report.rows import (
    NOTHING,
    Column,
    Table,
    as_text,
    count,
    number,
    p_value,
    percent,
    pictures,
)

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

PARETO_MARK = "●"


def _class_title(score: ClassScore) -> str:
    return score.name if score.name == str(score.label) else f"{score.label} {score.name}"


def _occurs(score: ClassScore) -> bool:
    return score.true_samples + score.classified_samples > 0


def _measure(score: ClassScore, value: float) -> str:
    """Averages leave a class out that is neither in the data nor answered, so it has no value."""
    return number(value, 4) if _occurs(score) else NOTHING


def classification_rows(report: ClassificationReport) -> Table:
    """Precision, recall, F1 and support by class, then accuracy, macro and weighted average."""
    rows: list[tuple[str, ...]] = [
        (
            _class_title(score),
            _measure(score, score.precision),
            _measure(score, score.recall),
            _measure(score, score.f1),
            count(score.true_samples),
        )
        for score in report.per_class
    ]
    first_summary = len(rows)
    rows.append(("accuracy", "", "", number(report.accuracy, 4), count(report.n)))
    rows.append(_average_row("macro average", report.macro))
    rows.append(_average_row("weighted average", report.weighted))
    return Table(
        title="Classification report",
        columns=(
            Column("class", right=False),
            Column("precision", "Of the pictures answered with this class, the share of it."),
            Column("recall", "Of the pictures of this class, the share answered with it."),
            Column("F1", "Harmonic mean of precision and recall."),
            Column("support", "Pictures of this class."),
        ),
        rows=tuple(rows),
        ruled=frozenset({first_summary}),
    )


def _average_row(name: str, average: Average) -> tuple[str, ...]:
    values = (average.precision, average.recall, average.f1)
    return (name, *(number(value, 4) for value in values), count(average.support))


def per_class_rows(report: ClassificationReport) -> Table:
    """The per-class table: true and classified samples, accuracy, precision, recall, F1."""
    return Table(
        title="By class",
        columns=(
            Column("class", right=False),
            Column("true samples", "Pictures of this class."),
            Column("classified samples", "Pictures answered with this class."),
            Column("accuracy", "Share of the pictures of this class answered with it."),
            Column("precision"),
            Column("recall"),
            Column("F1"),
        ),
        rows=tuple(
            (
                _class_title(score),
                count(score.true_samples),
                count(score.classified_samples),
                _measure(score, score.accuracy),
                _measure(score, score.precision),
                _measure(score, score.recall),
                _measure(score, score.f1),
            )
            for score in report.per_class
        ),
    )


def confusion_rows(report: ClassificationReport) -> Table:
    """The confusion matrix as numbers: rows are true classes; answers beyond them get columns."""
    shown = [i for i, score in enumerate(report.per_class) if _occurs(score)]
    return Table(
        title="Confusion matrix (rows: true class, columns: answer)",
        columns=(
            Column("", right=False),
            *(Column(str(report.per_class[i].label)) for i in shown),
        ),
        rows=tuple(
            (
                _class_title(report.per_class[i]),
                *(str(int(report.confusion[i, j])) for j in shown),
            )
            for i in shown
            if report.per_class[i].true_samples
        ),
    )


def summary_line(evaluation: Evaluation) -> str:
    """One line: what was run on what, and how well."""
    report = evaluation.report
    return (
        f"{evaluation.variant} on {evaluation.data} ({evaluation.split}): "
        f"accuracy {percent(report.accuracy)} % of {pictures(report.n)} "
        f"(95 % interval {percent(report.accuracy_low)} to {percent(report.accuracy_high)} %), "
        f"{count(evaluation.bytes)} bytes, {count(evaluation.gzip_bytes)} after gzip, "
        f"{number(evaluation.seconds, 2)} s of inference"
    )


def rejection_line(rejection: Rejection) -> str:
    """One line: how many digits pass the file's threshold, and how many other pictures."""
    return (
        f"not a digit below a score of {rejection.threshold:.2f}: keeps "
        f"{percent(rejection.coverage)} % of {rejection.digits:,} digits, accepts "
        f"{percent(rejection.false_accepts)} % of {rejection.others:,} pictures that are none"
    )


def evaluation_view(evaluation: Evaluation) -> Group:
    """All tables of one evaluation for a rich console, with its summary and notes."""
    from rich.console import Group

    return Group(*_evaluation_parts(evaluation))


def evaluation_text(evaluation: Evaluation, width: int = 120) -> str:
    """All tables of one evaluation as plain text."""
    return as_text(*_evaluation_parts(evaluation), width=width)


def _evaluation_parts(evaluation: Evaluation) -> list[RenderableType]:
    report = evaluation.report
    tables = (confusion_rows(report), classification_rows(report), per_class_rows(report))
    parts: list[RenderableType] = [_line(summary_line(evaluation))]
    if evaluation.rejection is not None:
        parts.append(_line(rejection_line(evaluation.rejection)))
    parts += [_line(f"Note: {note}") for note in evaluation.notes]
    for table in tables:
        parts += [_line(""), table]
    return parts


def comparison_rows(comparison: Comparison) -> Table:
    """One row a variant; with several runs, the run's name stands in front."""
    runs = by_run(comparison)
    several = len(runs) > 1
    run_column = (Column("run", "The run folder that the variant comes from.", right=False),)
    ordered = [(name, row) for name, rows in runs.items() for row in rows]
    camera = any(row.camera_f1 is not None for _, row in ordered)
    return Table(
        title=(
            f"{comparison.data} ({comparison.split}), {measured_on(comparison)}; latency at "
            f"batch 1, {comparison.threads} thread{'' if comparison.threads == 1 else 's'}"
        ),
        columns=(
            *(run_column if several else ()),
            *_COMPARISON_COLUMNS,
            *((_CAMERA_COLUMN,) if camera else ()),
            *device_columns(comparison.rows),
        ),
        rows=tuple(
            (
                *((name,) if several else ()),
                *_comparison_cells(row),
                *((percent(row.camera_f1, 1),) if camera else ()),
                *device_cells(row, comparison.rows),
            )
            for name, row in ordered
        ),
        marked=frozenset(i for i, (_, row) in enumerate(ordered) if row.pareto),
        keys=2 if several else 1,
    )


_COMPARISON_COLUMNS = (
    Column("variant", "How the model was converted.", right=False),
    Column("bytes", "Size of the .tflite file."),
    Column("gzip", "Its size after gzip, which is what a download costs; pruning shows here."),
    Column(
        "accuracy %\n(95 % interval)",
        "Share of right answers, and the range that the true share lies in with 95 % confidence: "
        "fewer pictures, wider range.",
    ),
    Column(
        "drop in points\n(95 % interval)",
        "Accuracy of the same run's float32 file minus this one's, on the same pictures. "
        "A range that holds 0 is no proof of a loss.",
    ),
    Column(
        "McNemar\np",
        "How easily chance alone would make a difference like this; below 0.05 it is called real.",
    ),
    Column("agree\n%", "Pictures that get the same answer as from float32, right or wrong."),
    Column(
        "drift",
        "Mean change of the score of float32's answer, 0 to 1: it moves before answers change.",
    ),
    Column(
        "p50/p95\nµs",
        "Time for one picture on this machine: half of the calls are faster than the first figure, "
        "95 % faster than the second.",
    ),
    Column("Pareto", "Marked where no other file is at least as small and as accurate."),
)


_CAMERA_COLUMN = Column(
    "camera\nF1 %",
    "Digits read right in synthetic camera frames, against missed, wrong and false ones: what the "
    "file does behind the finder.",
)


def _comparison_cells(row: ComparisonRow) -> tuple[str, ...]:
    low, high = percent(row.accuracy_low), percent(row.accuracy_high)
    drop = number(row.drop, 2)
    if row.drop_low is not None and row.drop_high is not None:
        drop += f" ({number(row.drop_low, 2)}…{number(row.drop_high, 2)})"
    return (
        row.variant,
        count(row.bytes),
        count(row.gzip_bytes),
        f"{percent(row.accuracy)} ({low}…{high})",
        drop,
        p_value(row.mcnemar_p),
        percent(row.agreement),
        number(row.confidence_drift, 4),
        f"{number(row.latency_us_p50, 0)}/{number(row.latency_us_p95, 0)}"
        if row.latency_us_p50 > 0
        else NOTHING,
        PARETO_MARK if row.pareto else "",
    )


def measured_on(comparison: Comparison) -> str:
    """The pictures behind a comparison, for example ``1,000 or 10,000 pictures``."""
    sizes = sorted({row.n for row in comparison.rows})
    return pictures(" or ".join(map(count, sizes)))


def comparison_notes(comparison: Comparison) -> tuple[str, ...]:
    """One line a row that has a note."""
    runs = by_run(comparison)
    return tuple(
        f"Note on {name + ' ' if len(runs) > 1 else ''}{row.variant}: {row.note}"
        for name, rows in runs.items()
        for row in rows
        if row.note
    )


def comparison_view(comparison: Comparison) -> Group:
    """The comparison for a rich console: table, notes, and the sentence that reads it."""
    from rich.console import Group

    return Group(*_comparison_parts(comparison))


def comparison_text(comparison: Comparison, width: int = 120) -> str:
    """The comparison as plain text: table, notes, and the sentence that reads it."""
    return as_text(*_comparison_parts(comparison), width=width)


def _comparison_parts(comparison: Comparison) -> list[RenderableType]:
    legend = f"{PARETO_MARK} no other file is at least as small and as accurate"
    return [
        comparison_rows(comparison),
        *(_line(text) for text in (legend, *comparison_notes(comparison), "")),
        _line(reading(comparison)),
    ]


def _line(text: str) -> RenderableType:
    from rich.text import Text

    return Text(text)
