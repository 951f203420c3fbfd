"""How long work tells its caller where it stands, without knowing how that is shown."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what a long step has to say."""

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        """Step ``what`` has done ``done`` of ``total`` (None: unknown), and a short status."""

    def say(self, line: str) -> None:
        """One finished line that stays: an epoch's result, a file written, a conversion made."""


class Silent:
    """Shows nothing."""

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        """Ignore."""

    def say(self, line: str) -> None:
        """Ignore."""


SILENT = Silent()
