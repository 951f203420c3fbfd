"""The child process that only parses a file of unknown origin, for ``edgedigits inspect``."""

from __future__ import annotations

import sys
from pathlib import Path

from edgedigits.convert.contents import Contents, read_contents
from edgedigits.device.metadata import read_model_bytes
from edgedigits.device.sidecar import is_as_written
from edgedigits.device.trial import run_trial, try_in_child


def inspect_file(path: Path) -> tuple[bytes, Contents]:
    """The bytes and contents of any ``.tflite`` file, also one that no runtime here would run.

    Raises:
        UsageError: no such file. ModelFileError: it cannot be parsed, and why.
    """
    data = read_model_bytes(path)
    if not is_as_written(path, data):
        try_in_child(path, module="edgedigits.convert.trial")
    return data, read_contents(data, str(path))


def _main(path: Path) -> int:
    return run_trial(path, lambda data: read_contents(data, str(path)))


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
