"""The real camera program as a process, and the socket of a service manager beside it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
from helpers_frames import Connection
from helpers_recognise import page_of_digits

LONG = 90.0  # seconds that no test is meant to reach


class ServiceManager:
    """Receives what a service sends to ``$NOTIFY_SOCKET``, as systemd would."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def receive(self, seconds: float = LONG) -> list[str] | None:
        """The lines of the next datagram; None where none came in time."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(65536).decode().split("\n")
        except TimeoutError:
            return None

    def wait_for(self, text: str) -> list[str]:
        """The lines of the first datagram in which a line begins with ``text``."""
        until = time.monotonic() + LONG
        while (lines := self.receive(until - time.monotonic())) is not None:
            if any(line.startswith(text) for line in lines):
                return lines
        raise AssertionError(f"no {text} came")

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def service_manager(address: str) -> Iterator[ServiceManager]:
    with contextlib.closing(ServiceManager(address)) as manager:
        yield manager


class CameraProcess:
    """``edgedigits camera`` with its standard error, line by line as it comes."""

    def __init__(self, arguments: list[object], env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edgedigits.cli.main", "camera", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    def line(self, pattern: str) -> re.Match[str]:
        """The first line that matches, waited for."""

        def found() -> re.Match[str] | None:
            return next(filter(None, (re.search(pattern, line) for line in self.lines)), None)

        with self._more:
            self._more.wait_for(lambda: found() or not self._reader.is_alive(), LONG)
            match = found()
        assert match, (pattern, self.lines)
        return match

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(LONG)
        self._reader.join(LONG)
        return code


@contextlib.contextmanager
def camera(*arguments: object, env: dict[str, str] | None = None) -> Iterator[CameraProcess]:
    running = CameraProcess([*arguments], env)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


class Stream:
    """An MJPEG stream of a page of digits that a test can stall: a script of ``mjpeg_server``."""

    def __init__(self, text: str = "314", every: float = 0.05) -> None:
        _, data = cv2.imencode(".jpg", page_of_digits([text])[0])
        self._jpeg = data.tobytes()
        self._every = every
        self.flowing = threading.Event()
        self.flowing.set()

    def __call__(self, connection: Connection) -> None:
        connection.begin()
        while not connection.closing.wait(self._every):
            if self.flowing.is_set():
                connection.part(self._jpeg)


def write_clip(path: Path, text: str = "27", frames: int = 12) -> Path:
    """A short video of a page of digits."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 480))
    for number in range(frames):
        picture, _ = page_of_digits([text], shift=(2 * number, number))
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path
