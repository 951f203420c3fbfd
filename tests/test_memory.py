"""Heaps of the C library, counted by its own report."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
if sys.argv[1] == "shared":
    from edgedigits.device.service.memory import keep_memory_flat
    keep_memory_flat()
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

LARGE = """
import ctypes, sys
if sys.argv[1] == "flat":
    from edgedigits.device.service.memory import keep_memory_flat
    keep_memory_flat()
class Told(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd",
        "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.mallinfo2.restype = Told
for size in (20_000_000, 19_000_000):
    large = libc.malloc(size)
    outside = libc.mallinfo2().hblkhd
    libc.free(ctypes.c_void_p(large))
print(int(outside >= 19_000_000))
"""
GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


@GLIBC
@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc before 2.33 cannot tell"
)
def test_large_pictures_stay_out_of_the_heaps() -> None:
    def outside(how: str) -> str:
        return subprocess.check_output([sys.executable, "-c", LARGE, how], text=True).strip()

    assert outside("as glibc does") == "0"
    assert outside("flat") == "1"


@GLIBC
def test_threads_share_two_heaps() -> None:
    def heaps(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True
        )
        return done.stdout.count("<heap nr=")

    assert heaps("each its own") > 2
    assert heaps("shared") == 2
