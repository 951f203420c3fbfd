"""A committed reading as a document."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from edgedigits.device.watching import Seen


def facts_of(seen: Seen, name: str) -> dict[str, Any]:
    """What is published of the frame that completed a reading, but for id and number.

    Args:
        seen: a frame with a new text. name: of this device.
    """
    text = seen.tracked.new_text or ""
    now = datetime.now(timezone.utc)
    return {
        "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "name": name,
        "source": seen.source,
        "frame": seen.frame.number,
        "text": text,
        "rows": text.split("\n"),
        "digits": [
            {"digit": track.digit, "score": round(track.score, 4), "box": list(track.box)}
            for track in seen.tracked.tracks
            if track.committed
        ],
    }
