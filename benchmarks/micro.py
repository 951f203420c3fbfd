"""What TensorFlow Lite Micro itself says of a file, from its Python package, in a child process.

    python benchmarks/micro.py FILE     reads arena sizes in bytes from standard input, line by
                                        line, and answers each with a line: what it allocated as
                                        JSON, or "no" where the arena is too small

Too small an arena may end the process, so the parent starts another one then.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from edgedigits.child import child_environment

STEP = 16  # bytes
LARGEST = 64 << 20  # bytes
_TOTAL = re.compile(r"Arena allocation (\w+) (\d+) bytes")
_PART = re.compile(r"'([^']+)' used (\d+) bytes")


def installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("tflite_micro") is not None


class Micro:
    """Opens one file with arenas of any size, and runs it once on zeros.

    Args:
        file: the model.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Micro:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()

    def allocations(self, size: int) -> dict[str, int] | None:
        """What is reported with an arena of so many bytes; None: it does not run in it."""
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, __file__, str(self.file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=child_environment(),
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{size}\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:  # it ended
            self._child.communicate()
            return None
        found: dict[str, int] | None = json.loads(answer)
        return found

    def smallest(self, least: int) -> int | None:
        """The least arena in which it runs, bytes, a multiple of 16; None: in no arena at all."""
        return smallest(lambda size: self.allocations(size) is not None, least)


def smallest(fits: Callable[[int], bool], least: int) -> int | None:
    """The smallest size, in steps of 16 bytes from ``least`` on, that fits; None: none does."""
    low, high = 0, 1  # in steps: low may fit, high is tried first
    while not fits(least + high * STEP):
        low, high = high + 1, 2 * high
        if least + high * STEP > LARGEST:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(least + middle * STEP) else (middle + 1, high)
    return least + low * STEP


@contextlib.contextmanager
def _captured() -> Iterator[IO[bytes]]:
    """Whatever is written to file descriptors 1 and 2, which the package writes to, in a file."""
    with tempfile.TemporaryFile() as said:
        kept = os.dup(1), os.dup(2)
        for number in (1, 2):
            os.dup2(said.fileno(), number)
        try:
            yield said
        finally:
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)


def _attempt(runtime: Any, file: str, size: int) -> dict[str, int] | None:
    import numpy as np

    with _captured() as said:
        try:
            interpreter = runtime.Interpreter.from_file(file, arena_size=size)
            details = interpreter.get_input_details(0)
            interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
            interpreter.invoke()
            interpreter.print_allocations()
        except Exception:
            return None
        said.seek(0)
        text = said.read().decode(errors="replace")
    return {name: int(size) for name, size in (*_TOTAL.findall(text), *_PART.findall(text))}


def main() -> None:
    """Entry point of the child."""
    answers = os.fdopen(os.dup(1), "w")
    with _captured():
        from tflite_micro.python.tflite_micro import runtime  # type: ignore[import-not-found]
    for line in sys.stdin:
        answers.write(json.dumps(_attempt(runtime, sys.argv[1], int(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
