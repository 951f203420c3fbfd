"""Memory that stays as it is over months of frames and connections."""

from __future__ import annotations

import contextlib
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's mallopt
ARENAS = 2
LARGE = 4 << 20  # bytes; the pictures of a frame of 640×480 are smaller


def keep_memory_flat() -> None:
    """Let all threads of this process share two heaps, and keep large pictures out of them.

    glibc gives new threads heaps of their own, up to eight a processor, and none is ever as small
    again as it was: a page whose connections each have a thread would grow the process for hours.
    And once a large picture was freed, it takes the next one of that size from a heap, where what
    comes after it pins it. Where the C library is another one, nothing happens.
    """
    with contextlib.suppress(AttributeError, OSError, ValueError):
        library = ctypes.CDLL(None)
        library.mallopt(M_ARENA_MAX, ARENAS)
        library.mallopt(M_MMAP_THRESHOLD, LARGE)  # given back to the system as soon as it is free
        library.mallopt(M_TRIM_THRESHOLD, LARGE)  # or else a heap's end comes and goes each frame
