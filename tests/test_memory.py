"""Heaps of the C library, counted by its own report."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
if sys.argv[1] == "shared":
    from edgedigits.device.service.memory import share_heaps
    share_heaps()
libc = ctypes.CDLL(None)
together = threading.Barrier(13)
def work():
    libc.free(ctypes.c_void_p(libc.malloc(1000)))
    together.wait()
    together.wait()
libc.malloc.restype = ctypes.c_void_p
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads: thread.start()
together.wait()
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
together.wait()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_threads_share_two_heaps() -> None:
    def heaps(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True
        )
        return done.stdout.count("<heap nr=")

    assert heaps("each its own") > 2
    assert heaps("shared") == 2
