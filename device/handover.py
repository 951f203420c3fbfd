"""Frames on their way from the thread that takes them to the one that uses them."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from edgedigits.device.frames import Frame

WINDOW = 5.0  # seconds over which frames per second are counted
MOST_TIMES = 512  # of frames kept for that


@dataclass(frozen=True)
class CaptureStats:
    """Counts of one capture; ``taken == handed_over + dropped + waiting`` at any moment.

    Attributes:
        taken: frames that the source gave.
        handed_over: frames that were used.
        dropped: frames that a newer one replaced, or that were left at the end.
        waiting: frames ready to be used.
        reopened: how many times the source was lost and came back.
        fps: frames taken a second, over the last seconds; 0 where none came.
    """

    taken: int
    handed_over: int
    dropped: int
    waiting: int
    reopened: int
    fps: float


class Handover:
    """A few places for frames.

    Args:
        room: how many frames may wait.
        newest_wins: a frame that finds no room replaces the oldest; otherwise it waits for room.
    """

    def __init__(self, room: int, *, newest_wins: bool) -> None:
        self._room = room
        self._newest_wins = newest_wins
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._times: deque[float] = deque(maxlen=MOST_TIMES)
        self._taken = self._handed_over = self._dropped = 0
        self._finished = False
        self._error: BaseException | None = None

    @property
    def finished(self) -> bool:
        """Nothing waits and nothing more will come."""
        with self._changed:
            return self._finished and not self._frames and self._error is None

    def put(self, frame: Frame) -> None:
        """Place a frame; once the handover has finished, it is dropped."""
        with self._changed:
            if not self._newest_wins:
                self._changed.wait_for(lambda: self._finished or len(self._frames) < self._room)
            self._taken += 1
            self._times.append(frame.seconds)
            if self._finished:
                self._dropped += 1
                return
            if len(self._frames) == self._room:
                self._frames.popleft()
                self._dropped += 1
            self._frames.append(frame)
            self._changed.notify_all()

    def take(self, timeout: float | None = None) -> Frame | None:
        """The oldest frame that waits.

        Args:
            timeout: seconds to wait for one; None: until there is one, or the end.

        Returns:
            None where none came in time, or at the end.

        Raises:
            What :meth:`finish` was given, once, after the last frame.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._finished or self._frames, timeout)
            if self._frames:
                self._handed_over += 1
                frame = self._frames.popleft()
                self._changed.notify_all()
                return frame
            error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    def finish(self, error: BaseException | None = None, *, discard: bool = False) -> None:
        """No more frames will come.

        Args:
            error: why, where it is no good reason.
            discard: drop those that wait, and any error.
        """
        with self._changed:
            if not self._finished:
                self._finished, self._error = True, error
            if discard:
                self._dropped += len(self._frames)
                self._frames.clear()
                self._error = None
            self._changed.notify_all()

    def stats(self, reopened: int, now: float | None = None) -> CaptureStats:
        """The counts. ``now``: monotonic seconds, for frames per second."""
        now = time.monotonic() if now is None else now
        with self._changed:
            recent = [seconds for seconds in self._times if now - seconds <= WINDOW]
            span = recent[-1] - recent[0] if recent else 0.0
            return CaptureStats(
                taken=self._taken,
                handed_over=self._handed_over,
                dropped=self._dropped,
                waiting=len(self._frames),
                reopened=reopened,
                fps=(len(recent) - 1) / span if span > 0 else 0.0,
            )
