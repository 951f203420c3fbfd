"""What an export has left in a run folder."""

from __future__ import annotations

from pathlib import Path


def exported_bytes(run: Path) -> dict[str, bytes]:
    """The content of every exported file, by name."""
    return {file.name: file.read_bytes() for file in (run / "exports").iterdir()}
