"""What a doctor found, as a table and a document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgedigits.device.doctor.check import Examination, State
from edgedigits.report.rows import Column, Table

if TYPE_CHECKING:
    from rich.console import Group

SHOWN: dict[State, str] = {
    "ok": "ok",
    "warning": "warning",
    "failure": "FAILURE",
    "skipped": "–",
}


def examination_view(found: Examination) -> Group:
    """The table, the fixes on lines of their own so that they can be copied, and a sum."""
    from rich.console import Group
    from rich.text import Text

    table = Table(
        title=found.device,
        columns=(
            Column("checked", right=False),
            Column("state", right=False),
            Column("found", right=False),
        ),
        rows=tuple((check.name, SHOWN[check.state], check.found) for check in found.checks),
        marked=frozenset(i for i, c in enumerate(found.checks) if c.state == "failure"),
    )
    fixes = [
        f"{check.name} ({check.state}):\n  {check.fix}"
        for check in found.checks
        if check.fix and check.state in ("failure", "warning")
    ]
    lines = [*fixes, _sum(found)]
    return Group(table, *(Text(line, overflow="ignore", no_wrap=True) for line in lines))


def _sum(found: Examination) -> str:
    failures, warnings = found.count("failure"), found.count("warning")
    return f"{len(found.checks)} checks: {failures} failed, {warnings} with a warning"


def examination_json(found: Examination) -> dict[str, Any]:
    """What was found, as plain values."""
    return {
        "device": found.device,
        "failed": found.failed,
        "checks": [asdict(check) for check in found.checks],
    }
