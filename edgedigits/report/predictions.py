"""The table and the document of a file's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgedigits.predict import Predictions
from edgedigits.report.rows import Column, Table, count, percent, pictures

if TYPE_CHECKING:
    from rich.console import Group


def predictions_view(predictions: Predictions) -> Group:
    """Notes, and how often each class was answered. For a rich console."""
    from rich.console import Group
    from rich.text import Text

    notes = [Text(f"Note: {note}") for note in predictions.notes]
    return Group(*notes, predictions_rows(predictions))


def predictions_rows(predictions: Predictions) -> Table:
    """How often each class was answered, a row a class."""
    return Table(
        title=(
            f"Answers of {predictions.variant} on {predictions.data}, {predictions.split}: "
            f"{pictures(predictions.n)}"
        ),
        columns=(Column("class", right=False), Column("answered"), Column("%")),
        rows=tuple(
            (label, count(number), percent(number / predictions.n, 1))
            for label, number in predictions.counts.items()
        ),
    )


def predictions_json(predictions: Predictions) -> dict[str, Any]:
    """Where the answers went, and how often each class was answered, as plain values."""
    return {
        "file": str(predictions.file),
        "variant": predictions.variant,
        "data": predictions.data,
        "split": predictions.split,
        "n": predictions.n,
        "out": str(predictions.out),
        "sha256": predictions.sha256,
        "counts": predictions.counts,
        "notes": list(predictions.notes),
    }
