"""What a doctor can see of a machine: its files, its programs, this process.

Everything goes through here, so that a test can show it a machine that nobody has.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgedigits.child import child_environment

PREFIX = Path("/opt/edgedigits")  # where 'edgedigits deploy' puts everything
PATIENCE = 60.0  # seconds for one program
QUERYCAP = 0x80685600  # VIDIOC_QUERYCAP: _IOR('V', 0, struct v4l2_capability), 104 bytes
DEVICE_CAPS = 0x80000000  # device_caps is filled in; older drivers fill in capabilities only


@dataclass(frozen=True)
class Output:
    """What a program ended with: its exit code, and both its outputs."""

    code: int
    out: str
    error: str = ""

    @property
    def last(self) -> str:
        """The last line that it wrote, of errors if there are any."""
        lines = (self.error.strip() or self.out.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"


@dataclass(frozen=True)
class Python:
    """The Python that runs edgedigits.

    Attributes:
        executable: its program. prefix: of the environment. base: of the Python it was made with.
        version: major, minor and micro. bits: of a pointer, 32 or 64.
    """

    executable: str
    prefix: str
    base: str
    version: tuple[int, int, int]
    bits: int


def this_python() -> Python:
    """The Python of this process."""
    major, minor, micro = sys.version_info[:3]
    bits = 8 * struct.calcsize("P")
    return Python(sys.executable, sys.prefix, sys.base_prefix, (major, minor, micro), bits)


def run(command: Sequence[str]) -> Output | None:
    """Run a program; None where there is no such program, or it did not end in time."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
            env=child_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Output(done.returncode, done.stdout, done.stderr)


def may_use(node: Path) -> bool:
    """Whether this user may read and write a device node."""
    return os.access(node, os.R_OK | os.W_OK)


def capabilities(node: Path) -> int | None:
    """What a V4L2 node can do, as the bits of ``device_caps``; None where it does not say."""
    with contextlib.suppress(OSError):
        handle = os.open(node, os.O_RDWR | os.O_NONBLOCK)
        try:
            answer = bytearray(104)
            fcntl.ioctl(handle, QUERYCAP, answer)
        finally:
            os.close(handle)
        whole, own = struct.unpack_from("<II", answer, 84)
        return int(own if whole & DEVICE_CAPS else whole)
    return None


def space(path: Path) -> tuple[int, int]:
    """Free and total bytes of the file system that holds a path, or would hold it."""
    while not path.exists() and path != path.parent:
        path = path.parent
    usage = shutil.disk_usage(path)
    return usage.free, usage.total


@dataclass(frozen=True)
class Machine:
    """A machine to look at; by default the one this runs on.

    Attributes:
        root: of its file tree. prefix: of the deployed service, as seen on it.
        run, may_use, capabilities, space: as the functions above; paths include ``root``.
        python: that runs edgedigits. kernel: its machine name, for example ``aarch64``.
        user: who asks. groups: numbers of the groups of this session. seconds: since 1970.
    """

    root: Path = Path("/")
    prefix: Path = PREFIX
    run: Callable[[Sequence[str]], Output | None] = run
    may_use: Callable[[Path], bool] = may_use
    capabilities: Callable[[Path], int | None] = capabilities
    space: Callable[[Path], tuple[int, int]] = space
    python: Python = field(default_factory=this_python)
    kernel: str = field(default_factory=lambda: os.uname().machine)
    user: str = field(default_factory=lambda: _user())
    seconds: float = field(default_factory=time.time)

    def path(self, name: str | Path) -> Path:
        """Where a path of the machine lies."""
        return self.root / str(name).lstrip("/")

    def shown(self, path: Path) -> str:
        """A path as it is called on the machine."""
        return (
            "/" + str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)
        )

    def text(self, name: str | Path) -> str:
        """What a small file holds, without NULs and space around it; empty where there is none."""
        with contextlib.suppress(OSError):
            data = self.path(name).read_bytes()[:65536]
            return data.decode(errors="replace").replace("\0", "").strip()
        return ""

    @property
    def model(self) -> str:
        """The board, for example ``Raspberry Pi 5 Model B Rev 1.0``; empty where it has none."""
        return self.text("/proc/device-tree/model")

    @property
    def is_pi(self) -> bool:
        """Whether it is a Raspberry Pi."""
        return self.model.startswith("Raspberry Pi")

    @property
    def system(self) -> str:
        """The system's own name for itself."""
        for line in self.text("/etc/os-release").splitlines():
            name, _, value = line.partition("=")
            if name == "PRETTY_NAME":
                return value.strip("\"'")
        return "unknown system"

    def members(self, group: str) -> tuple[str, ...]:
        """Who is a member of a group by the system's files, logged in or not."""
        for line in self.text("/etc/group").splitlines():
            name, *rest = line.split(":")
            if name == group and len(rest) == 3:
                return tuple(rest[2].split(","))
        return ()


def _user() -> str:
    with contextlib.suppress(OSError, KeyError):
        return getpass.getuser()
    return str(os.getuid())
