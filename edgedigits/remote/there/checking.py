"""What a device is. Runs by any Python 3.5 or newer, to tell of old ones too: hence its style."""

import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import time

NOT_RUNNING = ("offline", "unknown", "")
MARK = "@edgedigits "  # a line of ours, whatever a login script prints


def facts(prefix: str, units: str) -> "dict[str, object]":
    """What decides whether edgedigits can live here.

    Args:
        prefix: the folder that is to hold it; "~/" is this user's home. units: of unit files.
    """
    prefix = os.path.expanduser(prefix)
    place = _nearest(prefix)
    return {
        "prefix": prefix,
        "python": list(sys.version_info[:3]),
        "program": sys.executable,
        "bits": struct.calcsize("P") * 8,
        "machine": platform.machine(),
        "system": platform.system(),
        "libc": list(platform.libc_ver()),
        "venv": _has("venv"),
        "free_bytes": shutil.disk_usage(place).free,
        "place": place,
        "environments": _environments(prefix),
        "told": _told(prefix),
        "user": _user(),
        "root": os.geteuid() == 0,
        "writable": os.access(place, os.W_OK),
        "units_writable": os.access(_nearest(units), os.W_OK),
        "sudo": os.geteuid() == 0 or _runs(["sudo", "-n", "true"]),
        "systemd": _systemd(),
        "system_numpy": _version("numpy"),
        "picamera2": _has("picamera2"),
        "clock": time.time(),
    }


def _environments(prefix: str) -> "list[str]":
    """Names of the environments that are there, whole."""
    venvs = os.path.join(prefix, "venvs")
    try:
        names = os.listdir(venvs)
    except OSError:
        return []
    return [name for name in names if os.path.isfile(os.path.join(venvs, name, "ready.json"))]


def _told(prefix: str) -> "dict[str, object]":
    """What an earlier deploy was told; empty where there was none."""
    try:
        with open(os.path.join(prefix, "service.json"), "rb") as file:
            told = json.loads(file.read().decode("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _nearest(path: str) -> str:
    """The path, or the nearest folder above it that is there."""
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _has(name: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _version(name: str) -> str:
    """The version of a package of the system, or an empty text."""
    try:
        from importlib.metadata import version

        return version(name)
    except Exception:  # no such package, or a Python without importlib.metadata
        return ""


def _output(command: "list[str]") -> "subprocess.CompletedProcess[bytes] | None":
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result


def _runs(command: "list[str]") -> bool:
    result = _output(command)
    return result is not None and result.returncode == 0


def _systemd() -> int:
    """The version of the systemd that runs here; 0 where none does."""
    state = _output(["systemctl", "is-system-running"])
    if state is None or state.stdout.decode("ascii", "replace").strip() in (
        "offline",
        "",
        "unknown",
    ):
        return 0
    told = _output(["systemctl", "--version"])
    words = [] if told is None else told.stdout.decode("ascii", "replace").split()
    number = words[1].split(".")[0].split("-")[0] if len(words) > 1 else ""
    return int(number) if number.isdigit() else 0


def main() -> None:
    """Say the facts as one line of JSON."""
    sys.stdout.write(MARK + json.dumps({"facts": facts(sys.argv[1], sys.argv[2])}) + "\n")


if __name__ == "__main__":
    main()
