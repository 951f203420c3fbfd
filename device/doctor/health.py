"""Heat, power, disk, memory and clock."""

from __future__ import annotations

import datetime
import re

from edgedigits.device.doctor.cameras import join_group
from edgedigits.device.doctor.check import Check, State
from edgedigits.device.doctor.machine import Machine
from edgedigits.device.temperature import read_temperature

WARM, HOT = 80.0, 85.0  # °C: from the first on a Pi slows its processor, at the second all of it
# Bits of 'vcgencmd get_throttled', as documented; those 16 higher say that it was so since boot.
UNDER_VOLTAGE, CAPPED, THROTTLED, SOFT_LIMIT = range(4)
SINCE_BOOT = 16
MEANINGS = {
    UNDER_VOLTAGE: ("under-voltage", "under-voltage has occurred"),
    CAPPED: ("processor frequency capped", "frequency capping has occurred"),
    THROTTLED: ("throttled", "throttling has occurred"),
    SOFT_LIMIT: ("soft temperature limit active", "the soft temperature limit was reached"),
}
SUPPLY = (
    "use the power supply made for this Pi (5.1 V; 3 A for a Pi 4, 5 A for a Pi 5), a short cable, "
    "and a hub with its own supply for what hangs on USB"
)
COOLING = "give it a heat sink or a fan, and air"
SPACE_WARNING, SPACE_FAILURE = 1_000_000_000, 300_000_000  # bytes; a version takes up to 250 MB
MEMORY_WARNING, MEMORY_FAILURE = 250_000_000, 150_000_000  # bytes; the camera takes up to 130 MB
FIRST_YEAR, LAST_YEAR = 2025, 2100  # outside them the clock has not been set


def check_temperature(machine: Machine) -> Check:
    """Of the processor."""
    celsius = read_temperature(machine.root)
    if celsius is None:
        return Check("temperature", "skipped", "the kernel knows none")
    state: State = "failure" if celsius >= HOT else "warning" if celsius >= WARM else "ok"
    return Check("temperature", state, f"{celsius:.1f} °C", "" if state == "ok" else COOLING)


def throttled(bits: int) -> tuple[str, ...]:
    """What the documented bits of ``get_throttled`` mean, what is so now first."""
    now = [texts[0] for bit, texts in MEANINGS.items() if bits >> bit & 1]
    before = [texts[1] for bit, texts in MEANINGS.items() if bits >> (bit + SINCE_BOOT) & 1]
    return (*now, *before)


def check_throttling(machine: Machine) -> Check:
    """Power and heat by the firmware of a Pi."""
    name = "power"
    if not machine.is_pi:
        return Check(name, "skipped", "no Raspberry Pi")
    done = machine.run(["vcgencmd", "get_throttled"])
    if done is None:
        return Check(name, "warning", "there is no vcgencmd", "sudo apt install -y raspi-utils")
    match = re.search(r"throttled=0x([0-9a-fA-F]+)", done.out)
    if match is None:
        fix = join_group(machine, "video") if "/dev/vcio" in done.out + done.error else ""
        return Check(name, "warning", f"vcgencmd says: {done.last}", fix)
    bits = int(match[1], 16)
    found = ", ".join(throttled(bits))
    if not found:
        return Check(name, "ok", "never throttled, never under voltage since it started")
    low = bits >> UNDER_VOLTAGE & 1 or bits >> (UNDER_VOLTAGE + SINCE_BOOT) & 1
    now = bits & (1 << UNDER_VOLTAGE | 1 << CAPPED | 1 << THROTTLED)
    shown = f"{found} (0x{bits:x})"
    return Check(name, "failure" if now else "warning", shown, SUPPLY if low else COOLING)


def check_disk(machine: Machine) -> Check:
    """Room for another version, and whether anything can be written at all."""
    place = machine.prefix
    if _read_only(machine, str(place)):
        return Check(
            "disk",
            "failure",
            f"{place} lies on a file system that is mounted read-only; a card that fails ends so",
            "sudo dmesg --level=err | tail; sudo mount -o remount,rw /",
        )
    free, total = machine.space(machine.path(place))
    found = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free for {place}"
    if free >= SPACE_WARNING:
        return Check("disk", "ok", found)
    state: State = "failure" if free < SPACE_FAILURE else "warning"
    return Check("disk", state, found, "sudo apt clean && sudo journalctl --vacuum-size=50M")


def _read_only(machine: Machine, place: str) -> bool:
    """Whether the mount that holds a path is read-only; the last one of a place counts."""
    mounts: dict[str, bool] = {}
    for line in machine.text("/proc/mounts").splitlines():
        fields = line.split()
        if len(fields) >= 4:
            mounts[fields[1].rstrip("/")] = "ro" in fields[3].split(",")
    parts = place.rstrip("/").split("/")
    above = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((mounts[folder] for folder in above if folder in mounts), False)


def check_memory(machine: Machine) -> Check:
    """What programs can still get."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", machine.text("/proc/meminfo"), re.MULTILINE))
    if "MemAvailable" not in found or "MemTotal" not in found:
        return Check("memory", "skipped", "the kernel does not say")
    available, total = (1024 * int(found[name]) for name in ("MemAvailable", "MemTotal"))
    shown = f"{available / 1e6:,.0f} of {total / 1e6:,.0f} MB available"
    if available >= MEMORY_WARNING:
        return Check("memory", "ok", shown)
    state: State = "failure" if available < MEMORY_FAILURE else "warning"
    return Check("memory", state, shown, "ps -eo rss,comm --sort=-rss | head, and stop the largest")


def check_clock(machine: Machine) -> Check:
    """Whether the clock can be right."""
    now = datetime.datetime.fromtimestamp(machine.seconds, datetime.timezone.utc)
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    on = "sudo timedatectl set-ntp true"
    if not FIRST_YEAR <= now.year <= LAST_YEAR:
        found = f"{shown} cannot be: certificates are refused, and times of readings are wrong"
        return Check("clock", "failure", found, f"{on}; with no network: sudo date -s 'YYYY-MM-DD'")
    command = ["timedatectl", "show", "--property=NTP", "--property=NTPSynchronized"]
    done = machine.run(command)
    if done is None or done.code != 0:
        return Check("clock", "skipped", f"{shown}; no timedatectl to say whether it is kept")
    lines = done.out.split()
    if "NTPSynchronized=yes" in lines:
        return Check("clock", "ok", f"{shown}, kept by a time server")
    if "NTP=no" in lines:
        return Check("clock", "warning", f"{shown}; kept by no time server", on)
    found = f"{shown}; no time server has answered"
    return Check("clock", "warning", found, "timedatectl timesync-status")
