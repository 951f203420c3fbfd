"""Whether a device can take edgedigits: its facts against what is needed, before any change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from edgedigits.errors import DeviceError
from edgedigits.remote.ssh import Ssh, connect

OLDEST = (3, 10)
NEWEST = (3, 14)
CLOCK_SECONDS = 600.0  # a clock further off than that breaks certificates and every log
NEW_BYTES = 450 << 20  # an environment, its wheels beside it, and the release
UPDATE_BYTES = 64 << 20

Facts = Mapping[str, Any]


def look(ssh: Ssh, host: str, prefix: str, units: str) -> dict[str, Any]:
    """Facts of a device, as ``there/checking.py`` gives them, and ``clock_off``, seconds.

    Raises:
        DeviceError: it cannot be reached, or has no Python that could tell.
    """
    with connect(ssh, host, "checking", prefix, units) as connection:
        began = time.time()
        facts: dict[str, Any] = connection.read()["facts"]
        ended = time.time()
    # It looked at its clock at some moment between the two.
    clock = float(facts["clock"])
    facts["clock_off"] = min(clock - began, 0.0) if clock < began else max(clock - ended, 0.0)
    return facts


def needs_root(facts: Facts, *, service: bool) -> bool:
    """Whether the work needs more than the user that ssh logs in."""
    runs = bool(facts.get("told", {}).get("service"))  # one that runs has to be ended
    return not facts["root"] and (service or runs or not facts["writable"])


def problems(
    facts: Facts, *, service: bool, new: bool = True, any_clock: bool = False, back: bool = False
) -> list[str]:
    """Everything that is in the way, each with its fix.

    Args:
        service: whether a systemd service is wanted. new: whether an environment must be made.
        any_clock: whether the clock may be wrong. back: only a rollback, which needs no room.
    """
    found = []
    python = tuple(facts["python"])
    said = ".".join(map(str, python))
    if python[:2] < OLDEST:
        found.append(
            f"its Python is {said}, 3.10 or newer is needed; upgrade to Raspberry Pi OS Bookworm "
            "or later, or name another Python with --python"
        )
    elif python[:2] > NEWEST and not back:
        found.append(f"its Python is {said}, which is too new; name another with --python")
    if facts["system"] != "Linux":
        found.append(f"it runs {facts['system']}, Linux is needed")
    if facts["bits"] != 64:
        found.append(
            f"its system is of {facts['bits']} bits ({facts['machine']}); LiteRT and OpenCV come "
            "for 64 bits only, install the 64-bit Raspberry Pi OS"
        )
    if not facts["venv"] and not back:
        found.append("its Python has no venv; run 'sudo apt install python3-venv' there")
    needed = NEW_BYTES if new else UPDATE_BYTES
    if facts["free_bytes"] < needed and not back:
        found.append(
            f"{facts['place']} has {facts['free_bytes'] >> 20:,} MB free, {needed >> 20:,} MB "
            "are needed; free some, or name another --prefix"
        )
    if service and not facts["systemd"]:
        found.append("no systemd runs there; with --no-service only environment and model go there")
    if needs_root(facts, service=service) and not facts["sudo"]:
        runs = bool(facts.get("told", {}).get("service"))
        what = "install a service" if service else "end the service" if runs else ""
        what = what or f"write {facts['prefix']}"
        found.append(
            f"{facts['user']} may not {what}: allow it sudo without a password, log in as root, "
            "or deploy to a --prefix in its home with --no-service"
        )
    if abs(facts["clock_off"]) > CLOCK_SECONDS and not any_clock:
        found.append(
            f"its clock is {_duration(facts['clock_off'])}; run 'sudo timedatectl set-ntp true' "
            "there, or add --any-clock"
        )
    return found


def require(host: str, facts: Facts, **wanted: bool) -> None:
    """Raise DeviceError, one line, where anything is in the way."""
    if found := problems(facts, **wanted):
        raise DeviceError(f"{host}: {'; '.join(found)}")


def _duration(seconds: float) -> str:
    size = abs(seconds)
    units = ((86400 * 365, "years"), (86400, "days"), (3600, "hours"), (60, "minutes"))
    for unit, name in units:
        if size >= 2 * unit:
            return f"{size / unit:.0f} {name} {'fast' if seconds > 0 else 'slow'}"
    return f"{size:.0f} seconds {'fast' if seconds > 0 else 'slow'}"
