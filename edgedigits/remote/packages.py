"""What a device is sent to be installed: edgedigits, pip, and the wheels of what it needs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.errors import DeviceError, UsageError
from edgedigits.files import file_digest, write_bytes
from edgedigits.remote.plan import WHEEL_PARTS
from edgedigits.remote.wheels import CHECKOUT, pip_wheel

PIP = "pip-0-py3-none-any.whl"  # its name on the device; pip is run from it, not installed
EXTRAS = "service"
OLDEST_GLIBC = 17  # manylinux_2_17, which manylinux2014 is another name of


@dataclass(frozen=True)
class Packages:
    """What goes to a device to be installed.

    Attributes:
        name: of the environment that they make; the same for the same packages.
        wheel: edgedigits. others: what it needs; empty: from the index.
        offline: whether the others are all that may be used. extras: of edgedigits.
        constraints: versions, as a constraints file.
    """

    name: str
    wheel: Path
    others: tuple[Path, ...]
    offline: bool
    extras: str
    constraints: str

    def files(self, folder: Path) -> dict[str, Path]:
        """Names and files to send; ``folder`` takes what is made for it."""
        pip = folder / PIP
        if not pip.is_file():
            write_bytes(pip, pip_wheel(folder).read_bytes())
        sent = {path.name: path for path in (self.wheel, pip, *self.others)}
        if self.constraints:
            write_bytes(folder / "constraints.txt", self.constraints.encode())
            sent["constraints.txt"] = folder / "constraints.txt"
        return sent


def choose_packages(
    facts: Mapping[str, Any],
    *,
    wheel: Path,
    wheels: Path | None = None,
    offline: bool = False,
    extras: str = EXTRAS,
) -> Packages:
    """What to send to a device with these facts.

    Args:
        wheel: of edgedigits, as :func:`own_wheel` writes one.
        wheels: a folder of everything it needs; None: fetched where ``offline``, else left to the
            device's own pip.

    Raises:
        UsageError, DeviceError: nothing in the folder fits, or wheels cannot be fetched.
    """
    limits = constraints_for(facts)
    others: tuple[Path, ...] = ()
    if wheels is None and offline:
        wheels = fetch_wheels(facts, wheel, limits, extras)
    if wheels is not None:
        fitting = [path for path in sorted(wheels.glob("*.whl")) if _fits(path.name, facts)]
        others = tuple(p for p in fitting if not p.name.startswith(("edgedigits-", "pip-")))
        if not others:
            raise UsageError(f"--wheels {wheels}: holds no wheel for {facts['machine']}")
    key = hashlib.sha256(file_digest(wheel).encode())
    names = [path.name for path in others]
    key.update(f"{facts['python'][:2]} {extras} {limits} {names}".encode())
    return Packages(
        name=f"{wheel.name.split('-')[1]}-{key.hexdigest()[:12]}",
        wheel=wheel,
        others=others,
        offline=wheels is not None,
        extras=extras,
        constraints=limits,
    )


def _fits(name: str, facts: Mapping[str, Any]) -> bool:
    """Whether a wheel of this name may be for the device; its pip has the last word."""
    parts = name.removesuffix(".whl").split("-")
    if len(parts) < WHEEL_PARTS:
        return False
    python, abi, platform = parts[-3:]
    own = f"cp{facts['python'][0]}{facts['python'][1]}"
    any_python = any(tag in ("py3", own) for tag in python.split(".")) or abi == "abi3"
    return any_python and (platform == "any" or str(facts["machine"]) in platform)


def constraints_for(facts: Mapping[str, Any]) -> str:
    """The checkout's tested versions, as far as they fit the device; empty for an installed one.

    Where Picamera2 comes from apt and was built for NumPy 1, NumPy stays 1, and OpenCV with it:
    the environment sees the system's packages, and those crash with another NumPy.
    """
    file = CHECKOUT / "constraints.txt"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    kept = [line for line in (_for_python(line, facts) for line in lines) if line]
    if facts.get("picamera2") and str(facts.get("system_numpy", "")).startswith("1."):
        kept = [line for line in kept if not line.startswith(("numpy=", "opencv-python-headless"))]
        kept += ["numpy<2", "opencv-python-headless<4.12"]
    return "".join(f"{line}\n" for line in kept)


def _for_python(line: str, facts: Mapping[str, Any]) -> str:
    """A line without its marker, or nothing where the marker does not hold on the device."""
    from pip._vendor.packaging.markers import Marker

    requirement, _, marker = (part.strip() for part in line.partition(";"))
    python = facts["python"]
    there = {
        "python_version": f"{python[0]}.{python[1]}",
        "python_full_version": ".".join(map(str, python)),
        "platform_machine": str(facts["machine"]),
    }
    return requirement if not marker or Marker(marker).evaluate(there) else ""


def platform_tags(facts: Mapping[str, Any]) -> list[str]:
    """What a wheel's file name may end in for this device, the newest first."""
    machine = facts["machine"]
    name, version = facts["libc"]
    if name != "glibc":
        raise DeviceError(
            f"its C library is {name or 'not glibc'}, for which wheels cannot be fetched here; "
            "bring them with --wheels"
        )
    minor = int(version.split(".")[1])
    tags = [f"manylinux_2_{number}_{machine}" for number in range(minor, OLDEST_GLIBC - 1, -1)]
    return [*tags, f"manylinux2014_{machine}", f"linux_{machine}"]


def fetch_wheels(
    facts: Mapping[str, Any], wheel: Path, constraints: str, extras: str = EXTRAS
) -> Path:
    """A folder of all that edgedigits needs on such a device, kept in the cache folder.

    Raises:
        DeviceError: pip could not fetch it.
    """
    import pooch

    tags = platform_tags(facts)
    python = f"{facts['python'][0]}.{facts['python'][1]}"
    with zipfile.ZipFile(wheel) as archive:
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        needs = archive.read(info)
    key = hashlib.sha256(f"{python} {tags} {constraints} {extras}".encode() + needs).hexdigest()[
        :16
    ]
    cache = Path(pooch.os_cache("edgedigits")) / "wheels" / key
    if cache.is_dir():
        return cache
    cache.parent.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix=".fetching-", dir=cache.parent))
    try:
        (own / "constraints").write_text(constraints)
        _download(own, f"{wheel}[{extras}]", python, tags)
        (own / "constraints").unlink()
        own.chmod(0o755)
        if not cache.is_dir():
            own.rename(cache)
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return cache


def _download(folder: Path, wanted: str, python: str, tags: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-input", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--constraint", str(folder / "constraints")]
    command += ["--python-version", python, "--implementation", "cp"]
    for abi in (f"cp{python.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    for tag in tags:
        command += ["--platform", tag]
    result = subprocess.run([*command, wanted], capture_output=True, text=True, check=False)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        told = (lines or result.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise DeviceError(f"wheels cannot be fetched: {told.removeprefix('ERROR: ')[:300]}")
