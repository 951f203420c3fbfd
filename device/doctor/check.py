"""What one look at the device found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AGAIN = "on the workstation: edgedigits deploy HOST"

State = Literal["ok", "warning", "failure", "skipped"]


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what was looked at.
        state: ``failure``: edgedigits does not work, or not for long; ``warning``: something that
            some uses need is missing; ``skipped``: does not apply here.
        found: what was found, one line.
        fix: the command that puts it right, or what to do where no command can; empty where there
            is nothing to put right.
    """

    name: str
    state: State
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Examination:
    """All checks of a device.

    Attributes:
        device: what it is, one line. checks: in the order they were made.
    """

    device: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> bool:
        """Whether anything is a failure."""
        return any(check.state == "failure" for check in self.checks)

    def count(self, state: State) -> int:
        """How many checks ended so."""
        return sum(check.state == state for check in self.checks)
