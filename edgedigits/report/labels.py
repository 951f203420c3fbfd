"""Tables and documents of labelled crops."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgedigits.labelling.counting import LabelCounts
from edgedigits.report.rows import Column, Table, count


def labels_json(counts: LabelCounts) -> dict[str, Any]:
    """Counts as plain values."""
    return {
        **asdict(counts),
        "folder": str(counts.folder),
        "damaged": list(counts.damaged),
        "labelled": counts.labelled,
    }


def labels_rows(counts: LabelCounts) -> Table:
    """How many crops have which label."""
    labels = [(name, count(number)) for name, number in counts.labels.items() if number]
    left = counts.crops - counts.labelled
    rows = (*labels, ("labelled", count(counts.labelled)), ("not labelled", count(left)))
    if counts.damaged:
        rows += ((f"damaged, the first is {counts.damaged[0]}", count(len(counts.damaged))),)
    return Table(
        title=f"{counts.folder}: {count(counts.held_out)} of the labelled crops are for testing",
        columns=(Column("label", right=False), Column("crops")),
        rows=rows,
        ruled=frozenset({len(labels)}),
    )
