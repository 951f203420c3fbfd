"""The same job on several hosts at once, each with its own result."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from edgedigits.errors import DeviceError, EdgedigitsError, UsageError
from edgedigits.progress import Progress
from edgedigits.remote.ssh import Connection, hang_up

AT_ONCE = 8  # hosts

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How it went on one host.

    Attributes:
        error: one line; None: it went well. state: what is in place there, None after an error.
        seconds: it took. reused: whether the environment was there already; None: not asked.
    """

    host: str
    error: str | None
    state: dict[str, Any] | None
    seconds: float
    reused: bool | None = None


def on_all(
    hosts: Sequence[str],
    job: Callable[[str, Say], tuple[dict[str, Any], bool | None]],
    progress: Progress,
) -> list[Outcome]:
    """Do a job on several hosts at once; results in the order of the hosts."""
    if not hosts:
        raise UsageError("name a host, as in 'ssh HOST'")
    if repeated := sorted({host for host in hosts if list(hosts).count(host) > 1}):
        raise UsageError(f"{repeated[0]} is named twice")
    lock = threading.Lock()

    def one(host: str) -> Outcome:
        began = time.monotonic()

        def say(line: str) -> None:
            with lock:
                progress.say(f"{host}: {line}")

        try:
            state, reused = job(host, say)
        except (EdgedigitsError, OSError) as error:
            text = str(error)
            text = text if text.startswith(f"{host}: ") else f"{host}: {text}"
            return Outcome(host, text, None, time.monotonic() - began)
        return Outcome(host, None, state, time.monotonic() - began, reused)

    with ThreadPoolExecutor(min(AT_ONCE, len(hosts))) as pool, _hanging_up():
        return list(pool.map(one, hosts))


@contextlib.contextmanager
def _hanging_up() -> Iterator[None]:
    """Where the user interrupts, no thread waits for its device any longer."""
    try:
        yield
    except BaseException:
        hang_up()
        raise


def follow(connection: Connection, say: Say) -> dict[str, Any]:
    """Read until it is done; agree to what is asked. Raises DeviceError."""
    while True:
        message = connection.read()
        if "step" in message:
            say(str(message["step"]))
        elif "ask" in message:
            connection.write({"go": True})
        elif "done" in message:
            done = message["done"]
            assert isinstance(done, dict)
            return done
        else:
            raise DeviceError(f"{connection.host}: said what nobody asked: {str(message)[:100]}")
