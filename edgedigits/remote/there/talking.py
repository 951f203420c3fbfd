"""The conversation with the workstation: lines of JSON both ways, and files as bytes after one."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import IO, Any

MARK = "@edgedigits "
BLOCK = 1 << 20
ANSWER_SECONDS = 60.0  # for a workstation that has gone without a word


class Trouble(Exception):  # noqa: N818
    """What went wrong here, in one line for the user."""


class Talk:
    """This end of the conversation. What is said after the other has gone is said to nobody."""

    def __init__(self, source: IO[bytes], target: IO[bytes]) -> None:
        self._source = source
        self._target = target
        self._gone = threading.Event()
        self._answered = threading.Event()
        self._answer: dict[str, Any] = {}

    @property
    def gone(self) -> bool:
        """Whether the workstation has hung up, once :meth:`listen` was called."""
        return self._gone.is_set()

    def say(self, **message: Any) -> None:
        """Send one line."""
        line = f"{MARK}{json.dumps(message)}\n".encode()
        try:
            self._target.write(line)
            self._target.flush()
        except (OSError, ValueError):
            self._gone.set()

    def read(self) -> dict[str, Any]:
        """The next line. Raises Trouble where there is none."""
        line = self._source.readline()
        if not line.endswith(b"\n"):
            raise Trouble("the connection was cut")
        message = json.loads(line)
        assert isinstance(message, dict)
        return message

    def receive(self, folder: Path, files: list[dict[str, Any]]) -> None:
        """Write the files whose bytes follow, each whole and as it was sent.

        Args:
            folder: where they go. files: ``name, bytes, sha256`` of each, in order.
        """
        for entry in files:
            name = Path(str(entry["name"])).name
            digest = hashlib.sha256()
            left = int(entry["bytes"])
            with (folder / name).open("wb") as file:
                while left:
                    block = self._source.read(min(BLOCK, left))
                    if not block:
                        raise Trouble("the connection was cut while files were sent")
                    file.write(block)
                    digest.update(block)
                    left -= len(block)
            if digest.hexdigest() != entry["sha256"]:
                raise Trouble(f"{name} arrived damaged; run the command again")

    def send(self, data: bytes) -> None:
        """Send bytes, which a line announced. Raises Trouble where the workstation has gone."""
        try:
            self._target.write(data)
            self._target.flush()
        except (OSError, ValueError):
            self._gone.set()
            raise Trouble("the connection was cut") from None

    def listen(self) -> None:
        """From now on notice when the workstation hangs up; what it says is an answer."""
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        try:
            while line := self._source.readline():
                self._answer = json.loads(line)
                self._answered.set()
        except (OSError, ValueError):
            pass
        self._gone.set()
        self._answered.set()

    def agree(self, question: str) -> None:
        """Ask the workstation, and go on only if it is still there and says so.

        Raises:
            Trouble: it has gone, or said nothing in time.
        """
        self.say(ask=question)
        self._answered.wait(ANSWER_SECONDS)
        if self.gone or not self._answer.get("go"):
            raise Trouble("the connection was cut; nothing was replaced")


def standard_talk() -> Talk:
    """Over standard input and output; nothing else may then be printed there."""
    talk = Talk(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    return talk
