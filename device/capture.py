"""Takes frames in a thread of its own, so that a slow user never lags behind the camera."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from edgedigits.device.frames import Frame
from edgedigits.device.handover import CaptureStats, Handover
from edgedigits.device.sources.source import Source
from edgedigits.errors import EdgedigitsError, SourceError

FIRST_DELAY = 0.5  # seconds before a lost source is opened again; doubled each time
LONGEST_DELAY = 1.0  # with a read of three seconds: back within five, however long it was away
GOOD_WHILE = 10.0  # seconds after which what is lost again is tried as soon as the first time
READ_AHEAD = 2  # frames of a file that wait at most
PATIENCE = 4.0  # seconds to wait for the thread when closing: a little more than a read may take


def _ignore(line: str) -> None:
    pass


class Capture:
    """A source's frames, to be iterated over::

        with Capture(lambda: open_source("0")) as capture:
            for frame in capture:
                ...

    Of a camera or stream the newest frame is handed over and older ones are dropped; of a file all
    are, in order. A camera or stream that stalls, ends or fails is opened again, at once and then
    less often, until it is back; a file's end ends the iteration. One that has never given a frame
    may not be what it was taken for, and is given up after a while.

    Args:
        opener: opens the source; called again, in the thread, for a live one that was lost.
        give_up: seconds after which a live source of which no frame has ever come is given up;
            None: never.
        say: told of every event once, as one line; called in the thread.
        clock: monotonic seconds.
        wait: waits so many seconds, or until the capture is closed.
        patience: seconds that closing waits for a read that does not return.

    Attributes:
        name, live, fps: the source's own; fps is None until it is open.
    """

    def __init__(
        self,
        opener: Callable[[], Source],
        *,
        give_up: float | None = None,
        say: Callable[[str], None] = _ignore,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.fps: float | None = None
        self._opener = opener
        self._give_up = give_up
        self._say = say
        self._clock = clock
        self._closing = threading.Event()
        self._wait = self._closing.wait if wait is None else wait
        self._patience = patience
        self._number = 0
        self._reopened = 0
        self._shape: tuple[int, ...] | None = None
        self._lost = False
        self._delay = FIRST_DELAY

    def __enter__(self) -> Capture:
        """Open the source, in the caller's thread, and start. Raises what the opener raises."""
        source = self._opener()
        self.name, self.live, self.fps = source.name, source.live, source.fps
        self._source: Source | None = source
        room = 1 if source.live else READ_AHEAD
        self._handover = Handover(room, newest_wins=source.live)
        self._last = self._back = self._clock()
        # A daemon: a read that never returns must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Capture:
        return self

    def __next__(self) -> Frame:
        frame = self.take()
        if frame is None:
            raise StopIteration
        return frame

    @property
    def finished(self) -> bool:
        """The file has ended, or the capture was closed, and no frame waits."""
        return self._handover.finished

    def take(self, timeout: float | None = None) -> Frame | None:
        """The next frame.

        Args:
            timeout: seconds to wait for it; None: as long as it takes.

        Returns:
            None where none came in time, or where the capture has :attr:`finished`.

        Raises:
            DataError: a picture of a sequence cannot be read. SourceError: it was given up.
        """
        return self._handover.take(timeout)

    def stats(self) -> CaptureStats:
        """Counts up to now."""
        return self._handover.stats(self._reopened, self._clock())

    def close(self) -> None:
        """Stop, and close the source; frames that wait are dropped. May be called twice."""
        self._closing.set()
        self._handover.finish(discard=True)
        # Only the thread closes the source: closing it during a read would crash OpenCV.
        if self._thread is not threading.current_thread():
            self._thread.join(self._patience)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                image, reason = self._read()
                if image is not None:
                    self._hand_over(image)
                elif not self.live or self._closing.is_set():
                    break
                else:
                    self._check_first()
                    self._reopen(reason)
            self._handover.finish()
        except BaseException as error:  # for the user of the frames to see
            self._handover.finish(error)
        finally:
            self._close_source()

    def _read(self) -> tuple[NDArray[Any] | None, str]:
        """A frame, or why there is none."""
        if self._source is None:
            return None, ""
        try:
            image = self._source.read()
        except EdgedigitsError as error:
            if not self.live:
                raise
            return None, str(error).removeprefix(f"source {self.name}: ")
        if image is not None or self._source.ended:
            return image, "no more frames"
        return None, f"no frame for {self._clock() - self._last:.1f} s"

    def _hand_over(self, image: NDArray[Any]) -> None:
        now = self._clock()
        if self._lost:
            self._say(f"source {self.name}: back after {now - self._last:.1f} s")
            self._lost = False
            self._reopened += 1
            self._back = now
        if self.live and self._shape is not None and self._shape[:2] != image.shape[:2]:
            before, after = _size(self._shape), _size(image.shape)
            self._say(f"source {self.name}: frame size changed from {before} to {after}")
        self._shape = image.shape
        self._last = now
        self._handover.put(Frame(image, self._number, now))
        self._number += 1

    def _check_first(self) -> None:
        waited = self._clock() - self._last  # since the start, as long as no frame has come
        if self._number == 0 and self._give_up is not None and waited >= self._give_up:
            raise SourceError(
                f"source {self.name}: not one frame came within {waited:.0f} s; check that it is a "
                "camera or the address of a video, and that it is on"
            )

    def _reopen(self, reason: str) -> None:
        """One attempt; whether it worked shows in the next read."""
        first = not self._lost
        if first:
            self._lost = True
            self._say(f"source {self.name}: {reason}, reopening…")
            # What came back a moment ago and is lost again is tried no more often than before.
            if self._clock() - self._back >= GOOD_WHILE:
                self._delay = FIRST_DELAY
        self._close_source()
        self._wait(self._delay)
        self._delay = min(2 * self._delay, LONGEST_DELAY)
        if self._closing.is_set():
            return
        try:
            self._source = self._opener()
        except EdgedigitsError as error:
            if first:
                self._say(f"{error}; trying until it is back")

    def _close_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            with contextlib.suppress(EdgedigitsError):
                source.close()


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]}"
