"""The loop of a camera: frame by frame from a source to tracked digits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgedigits.device.capture import Capture
from edgedigits.device.frames import Frame
from edgedigits.device.handover import CaptureStats
from edgedigits.device.reading import Reading
from edgedigits.device.recogniser import Recogniser
from edgedigits.device.tracking import Tracked, Tracker


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame and everything known about it.

    Attributes:
        source: the name of where it came from. frame: as captured.
        reading: what was read in it. tracked: what is steady over frames.
        stats: of the capture so far.
    """

    source: str
    frame: Frame
    reading: Reading
    tracked: Tracked
    stats: CaptureStats

    def to_json(self) -> dict[str, Any]:
        """As one line of ``edgedigits camera --json``."""
        return {
            "source": self.source,
            "frame": self.frame.number,
            **self.reading.to_json(),
            "committed": self.tracked.text,
            "new": self.tracked.new_text,
        }


def watch(
    capture: Capture, recogniser: Recogniser, tracker: Tracker, *, frames: int | None = None
) -> Iterator[Seen]:
    """Recognise and track until the source ends.

    Args:
        capture: opened. recogniser, tracker: of this camera alone.
        frames: end after so many; None: go on.
    """
    for count, frame in enumerate(capture, start=1):
        reading = recogniser.read(frame.image)
        yield Seen(capture.name, frame, reading, tracker.update(reading), capture.stats())
        if frames is not None and count >= frames:
            return
