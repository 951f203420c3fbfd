"""Pictures inside the HTML page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Picture:
    """A picture inside the page: a ``data:`` address, and what it shows in words."""

    source: str
    words: str


def embed(path: Path, words: str) -> Picture:
    """A PNG file as a picture inside the page."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return Picture(f"data:image/png;base64,{data}", words)
