"""Keeps what the recogniser was not sure about, to be labelled and trained with later."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.matching import overlaps
from edgedigits.device.reading import U8, Box, Candidate, Reading
from edgedigits.device.unsure_folder import CropFolder
from edgedigits.errors import RunError, UsageError
from edgedigits.progress import SILENT, Progress

LIMIT_BYTES = 50_000_000
AROUND = 0.5  # of the box's longer side, kept on each side of it
LARGEST_CUT = 256  # pixels of a cut's longer side
PATIENCE = 64.0  # seconds: the longest wait before what does not change is kept once more
PENDING = 64  # candidates that wait for the disk; more are let go
RETRY = 60.0  # seconds until the disk is tried again


@contextlib.contextmanager
def open_unsure(
    folder: Path | None, threshold: float, progress: Progress = SILENT
) -> Iterator[UnsureCrops | None]:
    """Keep unsure crops while the context lasts; None where no folder was named.

    Args:
        folder: where. threshold: the recogniser's; what lies around it is unsure.
        progress: told of trouble with the disk.

    Raises:
        UsageError: as :class:`UnsureCrops`.
    """
    if folder is None:
        yield None
        return
    low, high = 0.5 * threshold, threshold + 0.5 * (1 - threshold)
    with UnsureCrops(folder, low=low, high=high, progress=progress) as crops:
        yield crops


def is_unsure(candidate: Candidate, low: float, high: float) -> bool:
    """Whether it was rejected with at least ``low``, or accepted with less than ``high``."""
    return candidate.score < high if candidate.accepted else candidate.score >= low


def cut(image: U8, box: Box) -> U8:
    """The box and what is around it, as stored: at most 256 pixels wide and high."""
    margin = round(AROUND * max(box.w, box.h))
    top, left = max(0, box.y - margin), max(0, box.x - margin)
    part = image[top : max(0, box.y + box.h + margin), left : max(0, box.x + box.w + margin)]
    scale = LARGEST_CUT / max(1, *part.shape[:2])
    if part.size and scale < 1:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.array(part)


class _Memory:
    """Refuses what was kept a moment ago: at the same place, or looking the same.

    What stays both where it is and as it is, is kept again after 1, 2, 4, … seconds.
    """

    def __init__(self, places: int = 256) -> None:
        self._when = np.full(places, float("-inf"))
        self._wait = np.ones(places)
        self._boxes = np.zeros((places, 4))
        self._looks = np.zeros((places, 14 * 14), np.float32)
        self._oldest = 0

    def is_new(self, candidate: Candidate, now: float) -> bool:
        """Whether to keep a candidate; it is remembered if so."""
        box = np.array([candidate.box], dtype=np.float64)
        look = _look(candidate.crop)
        age = now - self._when
        near = overlaps(box, self._boxes)[0] > 0.3
        alike = self._looks @ look > 0.9
        if ((near | alike) & (age < 1.0)).any():
            return False
        wait = 1.0
        same = near & alike & (age < 2 * PATIENCE)
        if same.any():
            last = int(np.where(same, age, np.inf).argmin())
            if age[last] < self._wait[last]:
                return False
            wait = min(2 * float(self._wait[last]), PATIENCE)
        place = self._oldest
        self._when[place], self._wait[place] = now, wait
        self._boxes[place], self._looks[place] = box, look
        self._oldest = (place + 1) % len(self._when)
        return True


def _look(crop: U8) -> NDArray[np.float32]:
    """A crop as a vector of length 1, ``[196]``; coarse, so that a pixel's shift counts little."""
    small = cv2.resize(crop, (14, 14), interpolation=cv2.INTER_AREA)
    vector = cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32).ravel()
    return np.asarray(vector / max(1.0, float(np.linalg.norm(vector))), dtype=np.float32)


class UnsureCrops:
    """Keeps unsure candidates in a folder, written by a thread of its own.

    A disk that is full, slow or read-only never stops or slows recognition: it is said once, what
    cannot be kept is let go, and the disk is tried again after a minute.

    Args:
        folder: made if it is not there; one of ours is continued, other files in it stay.
        limit_bytes: of our files in it; the oldest are deleted when there would be more.
        low: the least score of a rejected candidate that is kept.
        high: accepted candidates below this score are kept.
        progress: is told what went wrong.
        clock: seconds that only grow.

    Attributes:
        taken: how many candidates were handed over to be written, in all.

    Raises:
        UsageError: the folder is a file, holds an ``index.jsonl`` that is not ours or is in use by
            another program, or a number does not fit.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int = LIMIT_BYTES,
        low: float = 0.5,
        high: float = 0.9,
        progress: Progress = SILENT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= low <= 1 or not 0 <= high <= 1:
            raise UsageError(f"low is {low} and high {high}; scores go from 0 to 1")
        if limit_bytes < 100_000:
            raise UsageError(f"limit_bytes is {limit_bytes}; give at least 100000")
        self.folder = folder
        self._limits = (limit_bytes, low, high)
        self._progress = progress
        self._clock = clock
        self._memory = _Memory()
        self._said = False
        self.taken = 0
        self._retry_at = float("-inf")
        self._files: CropFolder | None = None
        self._open()
        self._queue: queue.Queue[tuple[U8, U8, dict[str, Any]] | None] = queue.Queue(PENDING)
        self._thread = threading.Thread(target=self._write_all, name="unsure", daemon=True)
        self._thread.start()

    def __enter__(self) -> UnsureCrops:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, image: U8, reading: Reading, *, source: str, frame: int) -> int:
        """Keep what is unsure in a frame; returns at once.

        Args:
            image: uint8 ``[h, w]`` or ``[h, w, 3]`` (BGR), the frame that was read.
            reading: what was found in it.
            source: where the frame comes from.
            frame: its number.

        Returns:
            how many candidates were handed over to be written.
        """
        _, low, high = self._limits
        now, taken = self._clock(), 0
        for candidate in (*reading.digits, *reading.rejected):
            if not is_unsure(candidate, low, high) or not self._memory.is_new(candidate, now):
                continue
            facts = {
                "time": round(time.time(), 3),
                "source": source,
                "frame": frame,
                "box": list(candidate.box),
                "digit": candidate.digit,
                "score": round(float(candidate.score), 4),
                "accepted": candidate.accepted,
                "scores": [round(float(score), 4) for score in candidate.scores],
            }
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait((candidate.crop.copy(), cut(image, candidate.box), facts))
                taken += 1
        self.taken += taken
        return taken

    def flush(self) -> None:
        """Wait until all that was handed over is written or given up."""
        self._queue.join()

    def close(self) -> None:
        """Write what is waiting and let go of the folder."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        if self._files is not None:
            self._files.close()
            self._files = None

    def _open(self) -> None:
        try:
            self._files = CropFolder(self.folder, self._limits[0])
        except RunError as error:
            self._failed(error)

    def _write_all(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._write(*item)
            except (RunError, UsageError, OSError) as error:
                self._failed(error)
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _write(self, crop: U8, around: U8, facts: dict[str, Any]) -> None:
        if self._clock() < self._retry_at:
            return
        if self._files is None:
            self._open()
        if self._files is not None:
            self._files.add(crop, around, facts)

    def _failed(self, error: Exception) -> None:
        self._retry_at = self._clock() + RETRY
        if not self._said:
            self._said = True
            self._progress.say(f"{error} (unsure crops are not kept; recognition goes on)")
