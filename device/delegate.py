"""Delegates: a library that runs a model, or a part of it, on an accelerator.

A library made for another runtime may crash or hang the process that loads it, so it is tried in a
child process first.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edgedigits.device.trial import last_words, run_child

TIME_LIMIT = 30.0  # seconds; a Coral stick that has just been plugged in needs a few
REFUSED = 3  # exit code of the child for a library or model that says no


def why_not(library: str, file: Path, *, time_limit: float = TIME_LIMIT) -> str | None:
    """Try a delegate on a model file, in a child process.

    Args:
        library: as for ``load_delegate``, for example ``libedgetpu.so.1``.
        file: the ``.tflite`` file.
        time_limit: seconds.

    Returns:
        None where the model ran; otherwise what went wrong, as the end of a sentence.
    """
    child = run_child("edgedigits.device.delegate", library, str(file), time_limit=time_limit)
    if child is None:
        return f"it did not answer within {time_limit:.0f} s"
    if child.returncode == 0:
        return None
    if child.returncode == REFUSED:
        return child.stdout.strip()
    if child.returncode < 0:
        return f"it crashed ({last_words(child)}); it may be made for an older runtime"
    return last_words(child)


def _explained(library: str, error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    if isinstance(error, OSError):
        return f"the library cannot be loaded ({text}); install it, for this processor"
    if "Failed to load delegate" in text:
        return f"{library} found no device it can use; plug it in, and let this user use it"
    return text or type(error).__name__


def _main(library: str, file: Path) -> int:
    import numpy as np

    from edgedigits.device.interpreter import Interpreter
    from edgedigits.device.metadata import read_model_bytes
    from edgedigits.errors import EdgedigitsError

    try:
        interpreter = Interpreter(read_model_bytes(file), str(file), delegate=library)
        interpreter.run(np.zeros(interpreter.input.shape, interpreter.input.dtype))
    except (EdgedigitsError, OSError, ValueError, RuntimeError) as error:
        sys.stdout.write(_explained(library, error))
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], Path(sys.argv[2])))
