"""Sources and time under a test's control."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from edgedigits.device.handover import CaptureStats
from edgedigits.device.sources import Source

LONG = 30.0  # seconds; a timeout that no test is meant to reach

Step = NDArray[Any] | Exception | str | None


class ListSource:
    """A source that gives what is listed: a frame, None for a stall, ``"end"``, an error.

    After the list it says that it is ``exhausted`` and blocks until it is ``released``.
    """

    def __init__(self, steps: list[Step], *, live: bool = True) -> None:
        self.name = "0"
        self.live = live
        self.fps: float | None = None
        self.ended = False
        self.steps = list(steps)
        self.closed = 0
        self.exhausted = threading.Event()
        self.released = threading.Event()

    def read(self) -> NDArray[Any] | None:
        assert not self.closed, "read after close"
        if not self.steps:
            self.exhausted.set()
            self.released.wait()
            return None
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, str):
            self.ended = True
            return None
        return step

    def close(self) -> None:
        self.closed += 1


class Clock:
    """Time that passes only where it is waited for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def consistent(stats: CaptureStats) -> bool:
    return stats.taken == stats.handed_over + stats.dropped + stats.waiting


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def release(source: ListSource) -> None:
    """Let a capture that was closed during the source's last read come to its end."""
    source.released.set()
    until(lambda: source.closed)


def opener_of(sources: list[Source | Exception]) -> Callable[[], Source]:
    waiting = iter(sources)

    def open_next() -> Source:
        source = next(waiting)
        if isinstance(source, Exception):
            raise source
        return source

    return open_next
