"""Open a model file of unknown origin in a child process, with a time and memory limit.

Of files with damaged graph bytes, some end the process that opens them with a signal and some never
return; neither may happen to the program itself.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edgedigits.child import child_environment
from edgedigits.device.metadata import read_model_bytes
from edgedigits.errors import EdgedigitsError, ModelFileError

TIME_LIMIT = 60.0  # seconds; the largest reference system needs about one
MEMORY_FLOOR = 4 << 30  # bytes of address space, before the file's own size is added
BAD_FILE = 3  # exit code of the child for a file that the runtime refuses


def run_child(
    module: str, *arguments: str, time_limit: float
) -> subprocess.CompletedProcess[str] | None:
    """Run a module with this Python, its output kept; None where it did not end in time."""
    try:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            capture_output=True,
            text=True,
            timeout=time_limit,
            check=False,
            env=child_environment(),
        )
    except subprocess.TimeoutExpired:
        return None


def last_words(child: subprocess.CompletedProcess[str]) -> str:
    """How a child that failed ended: the signal's name, or its last line of standard error."""
    if child.returncode < 0:
        number = -child.returncode
        return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return (child.stderr.strip().splitlines()[-1:] or [f"exit code {child.returncode}"])[0]


def try_in_child(
    path: Path, *, module: str = "edgedigits.device.trial", time_limit: float = TIME_LIMIT
) -> None:
    """Load the file and run it once on zeros, in a child process.

    Args:
        path: the file.
        module: what the child runs with the path as its argument; this module, or one that tries
            less.
        time_limit: seconds.

    Raises:
        ModelFileError: the child was refused, crashed or did not end in time.
    """
    child = run_child(module, str(path), time_limit=time_limit)
    if child is None:
        raise ModelFileError(
            f"{path}: loading it did not end within {time_limit:.0f} s; the file is damaged"
        )
    if child.returncode == 0:
        return
    if child.returncode == BAD_FILE:
        raise ModelFileError(child.stdout.strip())
    if child.returncode < 0:
        raise ModelFileError(
            f"{path}: loading it ends the process ({last_words(child)}); the file is damaged"
        )
    raise ModelFileError(f"{path}: cannot be loaded: {last_words(child)}")


def _limit_memory(file_bytes: int) -> None:
    import resource

    limit = MEMORY_FLOOR + 16 * file_bytes
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def run_trial(path: Path, attempt: Callable[[bytes], object]) -> int:
    """What the child does: limit its memory, attempt the file's bytes, say what is wrong.

    Returns:
        The child's exit code.
    """
    try:
        data = read_model_bytes(path)
        _limit_memory(len(data))
        attempt(data)
    except EdgedigitsError as error:
        sys.stdout.write(str(error))
        return BAD_FILE
    except (MemoryError, OverflowError, ValueError, RuntimeError, TypeError) as error:
        sys.stdout.write(f"{path}: cannot be used: {' '.join(str(error).split())[:200]}")
        return BAD_FILE
    return 0


def _run_on_zeros(data: bytes, path: Path) -> None:
    import numpy as np

    from edgedigits.device.interpreter import Interpreter

    interpreter = Interpreter(data, str(path))
    shape = interpreter.input.shape
    if any(size < 1 for size in shape) or int(np.prod(shape, dtype=np.int64)) > 1 << 26:
        raise ModelFileError(f"{path}: its input has the shape {list(shape)}")
    interpreter.run(np.zeros(shape, interpreter.input.dtype))


def _main(path: Path) -> int:
    return run_trial(path, lambda data: _run_on_zeros(data, path))


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
