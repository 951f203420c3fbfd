"""What systemd is told while the camera runs: ready, alive, stopping, and a line of status.

The protocol of ``sd_notify(3)``: a datagram of ``NAME=value`` lines to the socket that
``$NOTIFY_SOCKET`` names. Where it names none, nothing is sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from types import TracebackType

PINGS = 4  # in the time after which systemd gives the service up
STATUS_EVERY = 10.0  # seconds between lines of status where there is no watchdog
LONGEST_STATUS = 400  # characters


class Notifier:
    """Tells systemd about the frames that were recognised.

    It is ready with the first recognised frame, so that a service that started has been seen to
    work. Its watchdog is fed by recognised frames only, never by a timer: whatever stops them, a
    lost camera, a full pipe or a hung accelerator, ends in a restart once it has lasted as long as
    ``WatchdogSec=``, and not before.

    As a context manager it says at the end that the service is stopping, and why if by an error.

    Args:
        environ: holds ``NOTIFY_SOCKET`` (a path, or ``@name`` in the abstract namespace),
            ``WATCHDOG_USEC`` and ``WATCHDOG_PID``, as systemd sets them.
        clock: monotonic seconds.

    Attributes:
        told: whether there is a service manager that is told.
        watchdog: seconds without a recognised frame after which systemd restarts the service;
            None: it does not.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.told = bool(self._address)
        self.watchdog = _watchdog(environ) if self._address else None
        self._every = STATUS_EVERY if self.watchdog is None else self.watchdog / PINGS
        self._clock = clock
        self._last = float("-inf")
        self._ready = self._stopping = self._other_status = False

    def __enter__(self) -> Notifier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            self._send(_status(str(error) or type(error).__name__))
        self.stopping()

    def recognised(self, status: str) -> None:
        """A frame has been recognised, and everything been done with it.

        Args:
            status: one line, shown by ``systemctl status``; sent now and then.
        """
        now = self._clock()
        due = now - self._last >= self._every
        if due or self._other_status:
            lines = [] if self._ready else ["READY=1"]
            if due and self.watchdog is not None:
                lines.append("WATCHDOG=1")
            if self._send(*lines, _status(status)):
                self._ready, self._other_status = True, False
                self._last = now if due else self._last

    def event(self, line: str) -> None:
        """Something happened to the source; it is the status until the next recognised frame."""
        if self.watchdog is not None:
            line += f" (restarted once no frame was recognised for {self.watchdog:g} s)"
        self._other_status = True
        self._send(_status(line))

    def stopping(self) -> None:
        """The service begins to end; said once."""
        if not self._stopping:
            self._stopping = True
            self._send("STOPPING=1")

    def _send(self, *lines: str) -> bool:
        """Send a datagram; whether it went. It never waits and never fails."""
        if not self._address:
            return True
        message = "\n".join(lines).encode(errors="replace")
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(message, self._address)
            return True
        return False


def _address(name: str) -> str:
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else ""


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """Seconds, or None where systemd watches not, or another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdigit() and int(text) > 0 else None


def _status(line: str) -> str:
    return "STATUS=" + " ".join(line.split())[:LONGEST_STATUS]
