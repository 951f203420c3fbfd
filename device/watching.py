"""The loop of a camera: frame by frame from a source to tracked digits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgedigits.device.capture import Capture
from edgedigits.device.frames import Frame
from edgedigits.device.handover import CaptureStats
from edgedigits.device.reading import Reading
from edgedigits.device.recogniser import Recogniser
from edgedigits.device.tracking import Tracked, Tracker

LOOK_UP = 0.5  # seconds between looks at whether to stop, while no frame comes


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame and everything known about it.

    Attributes:
        source: the name of where it came from. frame: as captured.
        reading: what was read in it. tracked: what is steady over frames.
        stats: of the capture so far.
        seconds: that reading the frame took.
    """

    source: str
    frame: Frame
    reading: Reading
    tracked: Tracked
    stats: CaptureStats
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As one line of ``edgedigits camera --json``."""
        return {
            "source": self.source,
            "frame": self.frame.number,
            **self.reading.to_json(),
            "committed": self.tracked.text,
            "new": self.tracked.new_text,
        }


def _never() -> bool:
    return False


def watch(
    capture: Capture,
    recogniser: Recogniser,
    tracker: Tracker,
    *,
    frames: int | None = None,
    stopped: Callable[[], bool] = _never,
) -> Iterator[Seen]:
    """Recognise and track until the source ends.

    Args:
        capture: opened. recogniser, tracker: of this camera alone.
        frames: end after so many; None: go on.
        stopped: asked before each frame, and twice a second while none comes; True ends it.
    """
    for count, frame in enumerate(_frames(capture, stopped), start=1):
        before = time.perf_counter()
        reading = recogniser.read(frame.image)
        seconds = time.perf_counter() - before
        tracked = tracker.update(reading)
        yield Seen(capture.name, frame, reading, tracked, capture.stats(), seconds)
        if frames is not None and count >= frames:
            return


def _frames(capture: Capture, stopped: Callable[[], bool]) -> Iterator[Frame]:
    while not stopped():
        frame = capture.take(LOOK_UP)
        if frame is not None:
            yield frame
        elif capture.finished:
            return
