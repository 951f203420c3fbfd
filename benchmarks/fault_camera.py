"""The real ``camera`` process of ``faults.py``, and what it has answered."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from pathlib import Path

from fault_feeder import Feeder

GIVE_UP = 60.0  # seconds without a frame, or without an answer
TOO_MANY = 2000  # frames of another size than waited for


class Camera:
    """The process, and what it has answered.

    Args:
        feeder: is told of each frame. command: the process.
    """

    def __init__(self, feeder: Feeder, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        self.frames = 0
        self.size = (0, 0)
        self.committed: list[str] = []
        self.said: list[str] = []
        self._feeder = feeder
        self._changed = threading.Condition()
        self._last = time.monotonic()
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._read, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    def more_frames(self, number: int, size: tuple[int, int] | None = None) -> float:
        """Wait for so many frames, the last of this size; returns the seconds that took."""
        began, goal = time.monotonic(), self.frames + number
        with self._changed:
            while self.frames < goal or size not in (None, self.size):
                if self.process.poll() is not None:
                    raise SystemExit(f"the camera ended: {self.said[-5:]}")
                silent = time.monotonic() - max(began, self._last)
                if silent > GIVE_UP or self.frames > goal + TOO_MANY:
                    raise SystemExit(f"no such frame for {silent:.0f} s: {self.said[-5:]}")
                self._changed.wait(0.2)
        return time.monotonic() - began

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(s.split()[1]) << 10 for s in status.splitlines() if s.startswith("VmRSS"))

    def peak(self) -> int:
        """The most resident bytes there ever were."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(s.split()[1]) << 10 for s in status.splitlines() if s.startswith("VmHWM"))

    def end(self) -> int:
        """Interrupt it; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(GIVE_UP)
        for thread in self._threads:
            thread.join(GIVE_UP)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            document = json.loads(line)
            with self._changed:
                self._last = time.monotonic()
                self.frames += 1
                self.size = (document["width"], document["height"])
                if document["new"]:
                    self.committed.append(document["new"])
                self._changed.notify_all()
            self._feeder.answered()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.said.append(line.rstrip("\n"))
                self._changed.notify_all()
