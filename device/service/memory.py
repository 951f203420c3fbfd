"""Memory that stays as it is while threads come and go."""

from __future__ import annotations

import contextlib
import ctypes

M_ARENA_MAX = -8  # of glibc's mallopt
ARENAS = 2


def share_heaps() -> None:
    """Let all threads of this process share two heaps.

    glibc gives new threads heaps of their own, up to eight a processor, and none is ever as small
    again as it was. A page whose connections each have a thread would grow the process for hours.
    Where the C library is another one, nothing happens.
    """
    with contextlib.suppress(AttributeError, OSError, ValueError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
