"""The standard streams: every character can be written, and each of them is there."""

from __future__ import annotations

import codecs
import io
import json
import os
import select
import sys

ESCAPES = "edgedigits-escapes"  # how what a stream's encoding lacks is written


def ready_streams() -> None:
    """Make the standard streams take whatever a command writes.

    What their encoding lacks is written as JSON escapes it, so that a document stays one. A stream
    that was closed becomes ``/dev/null``: else the next file that is opened would get its number,
    and with it what child processes print.
    """
    codecs.register_error(ESCAPES, _escape)
    for name in ("stdin", "stdout", "stderr"):  # in the order of their numbers
        stream = getattr(sys, name)
        if stream is None:
            mode = "r" if name == "stdin" else "w"
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPES)


def reader_has_left() -> bool:
    """Whether standard output is a pipe that nobody reads any more, as behind ``| head``."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def send_nowhere() -> None:
    """Let what is still to be written to standard output disappear."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
