"""What a test needs from its machine: skipped where it is lacking, and in CI a failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # not on every user's PATH


def find(name: str) -> str | None:
    """The program's path, or None."""
    found = shutil.which(name)
    places = [Path(folder) / name for folder in FOLDERS]
    return found or next((str(place) for place in places if place.is_file()), None)


def lacking(reason: str, promised: str = "CI") -> NoReturn:
    """Skip the test with the reason; where this variable promises what it needs, fail it."""
    if os.environ.get(promised):
        pytest.fail(f"{reason}, though {promised} is set")
    pytest.skip(reason)


def need(*names: str) -> str:
    """The first program's path; without all of them the test is skipped, and in CI it fails."""
    missing = [name for name in names if find(name) is None]
    if missing:
        lacking(f"{', '.join(missing)} is not installed")
    found = find(names[0])
    assert found is not None
    return found
