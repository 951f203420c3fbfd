"""The processor's temperature, as the kernel's thermal zones give it."""

from __future__ import annotations

import contextlib
from pathlib import Path

ZONES = "sys/class/thermal"


def read_temperature(root: Path = Path("/")) -> float | None:
    """Degrees Celsius of the processor; of the hottest zone where none is named after it.

    Args:
        root: of the file tree that is looked at.

    Returns:
        None where the kernel knows none.
    """
    found: list[tuple[bool, float]] = []
    for zone in sorted((root / ZONES).glob("thermal_zone*")):
        with contextlib.suppress(OSError, ValueError):
            celsius = int((zone / "temp").read_text()) / 1000
            found.append(("cpu" in (zone / "type").read_text().lower(), celsius))
    return max(found)[1] if found else None
