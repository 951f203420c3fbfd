"""Child processes of ours."""

from __future__ import annotations

import os


def child_environment() -> dict[str, str]:
    """The environment of a child started with ``python -m``.

    The current folder stays off its module path (from Python 3.11 on), so that a file ``numpy.py``
    that lies there is not run.
    """
    return {**os.environ, "PYTHONSAFEPATH": "1"}
