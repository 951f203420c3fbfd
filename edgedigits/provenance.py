"""What a result was made with: the command, the code, packages, the machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
from pathlib import Path
from typing import Any

from edgedigits import __version__


def code_digest() -> str:
    """SHA-256 over every Python file of this package, names and contents, in hexadecimal."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    # Followed, because a checkout links some of the folders that an installed package holds.
    for folder, below, files in os.walk(package, followlinks=True):
        below.sort()
        for name in sorted(files):
            if name.endswith(".py"):
                file = Path(folder) / name
                digest.update(f"{file.relative_to(package).as_posix()}\0".encode())
                digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def command_line() -> str:
    """The command as the user typed it, without the folder of the program."""
    import shlex

    return shlex.join(["edgedigits", *sys.argv[1:]])


def host_facts() -> dict[str, Any]:
    """Machine, operating system, Python and processor count, for manifests."""
    return {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    return platform.processor()


def package_versions(*names: str) -> dict[str, str]:
    """Installed versions of edgedigits and the packages named; those not installed are left out."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"edgedigits": __version__}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
