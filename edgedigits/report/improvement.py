"""An old run beside a new one, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgedigits.improvement import Improvement, ImprovementRow
from edgedigits.report.rows import Column, Table, count, number, p_value, percent

if TYPE_CHECKING:
    from rich.console import Group


def improvement_json(improvement: Improvement) -> dict[str, Any]:
    """Accuracies and agreement are shares of 1, gains percentage points."""
    return {
        "old": str(improvement.old),
        "new": str(improvement.new),
        "crops": str(improvement.crops),
        "before": [asdict(row) | {"worse": row.worse} for row in improvement.before],
        "unseen": [asdict(row) | {"worse": row.worse} for row in improvement.unseen],
        "notes": list(improvement.notes),
    }


def improvement_rows(improvement: Improvement) -> Table:
    """Old pictures first, then the crops."""
    return Table(
        title=f"old {improvement.old}, new {improvement.new}",
        columns=(
            Column("pictures", "What both files were asked.", right=False),
            Column("variant", "How the models were converted.", right=False),
            Column("n", "How many pictures."),
            Column("old %\n(95 % interval)", "Share of the old file's right answers."),
            Column("new %\n(95 % interval)", "The same of the new file."),
            Column(
                "gain in points\n(95 % interval)",
                "New minus old, on the same pictures. A range that holds 0 is no proof.",
            ),
            Column("lost", "Pictures that only the old file got right."),
            Column("gained", "Pictures that only the new file got right."),
            Column("McNemar\np", "Below 0.05 a difference is called real."),
        ),
        rows=tuple(_cells(row) for row in (*improvement.before, *improvement.unseen)),
        ruled=frozenset({len(improvement.before)}),
        keys=2,
    )


def _cells(row: ImprovementRow) -> tuple[str, ...]:
    return (
        f"{row.data} ({row.split})",
        row.variant,
        count(row.n),
        f"{percent(row.old_accuracy)} ({percent(row.old_low)} to {percent(row.old_high)})",
        f"{percent(row.new_accuracy)} ({percent(row.new_low)} to {percent(row.new_high)})",
        f"{number(row.gain, 2)} ({number(row.gain_low, 2)} to {number(row.gain_high, 2)})",
        count(row.lost),
        count(row.gained),
        p_value(row.mcnemar_p),
    )


def improvement_view(improvement: Improvement) -> Group:
    """Table and notes, for a rich console."""
    from rich.console import Group
    from rich.text import Text

    notes = [Text(f"note: {note}") for note in improvement.notes]
    return Group(Text(""), improvement_rows(improvement), *notes)
