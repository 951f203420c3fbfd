"""A Coral Edge TPU: whether one is there, its library, and whether the two work together.

Unverified on hardware; ids, groups and rules are those of Google's packages.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgedigits.device.doctor.cameras import join_group
from edgedigits.device.doctor.check import Check
from edgedigits.device.doctor.machine import Machine
from edgedigits.device.nodes import group_of

USB = {("1a6e", "089a"), ("18d1", "9302")}  # before and after its first use
PCI = ("0x1ac1", "0x089a")
NODE = "/dev/apex_0"
LIBRARY = "libedgetpu.so.1"
RULES = "60-libedgetpu*.rules"
SOURCE = (
    "echo 'deb https://packages.cloud.google.com/apt coral-edgetpu-stable main' | "
    "sudo tee /etc/apt/sources.list.d/coral-edgetpu.list && "
    "curl https://packages.cloud.google.com/apt/doc/apt-key.gpg | "
    "sudo tee /etc/apt/trusted.gpg.d/coral-edgetpu.asc >/dev/null && sudo apt update && "
)
INSTALL = f"{SOURCE}sudo apt install -y libedgetpu1-std"
DRIVER = f"{SOURCE}sudo apt install -y gasket-dkms libedgetpu1-std && sudo reboot"


def try_delegate(library: str) -> str | None:
    """Why the library does not run the shipped model, tried in a child; None where it does."""
    from edgedigits.device.delegate import why_not
    from edgedigits.zoo import reader_file

    return why_not(library, reader_file())


def check_accelerator(
    machine: Machine, attempt: Callable[[str], str | None] = try_delegate
) -> Check:
    """An Edge TPU on USB or PCIe. ``attempt``: as :func:`try_delegate`."""
    name = "Edge TPU"
    usb, pci = _on_usb(machine), _on_pci(machine)
    library = find_library(machine)
    if usb is None and not pci:
        found = f"none is connected{'' if library is None else f'; {library} is installed'}"
        return Check(name, "skipped", found)
    where = "on PCIe" if usb is None else "on USB"
    if usb is None and not machine.path(NODE).exists():
        return Check(name, "failure", f"{where}, but no {NODE}: its driver is missing", DRIVER)
    if library is None:
        return Check(name, "failure", f"{where}, but {LIBRARY} is not installed", INSTALL)
    node = machine.path(NODE) if usb is None else usb
    if node.exists() and not machine.may_use(node):
        return Check(name, "failure", *_no_permission(machine, where, node))
    why = attempt(LIBRARY)
    if why is not None:
        return Check(name, "failure", f"{where}, {LIBRARY}: {why}", INSTALL)
    return Check(name, "ok", f"{where}: --delegate {LIBRARY}")


def _no_permission(machine: Machine, where: str, node: Path) -> tuple[str, str]:
    group, shown = group_of(node), machine.shown(node)
    found = f"{where}; {machine.user} may not use {shown}, it belongs to the group {group}"
    if group not in ("root", "0"):
        return found, join_group(machine, group)
    if node.name.startswith("apex"):
        return found, (
            'sudo groupadd -f apex && echo \'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"\' | '
            f"sudo tee /etc/udev/rules.d/65-apex.rules && sudo usermod -aG apex {machine.user} && "
            "sudo reboot"
        )
    if _rules(machine):
        return found, "unplug it and plug it in again: its udev rules came after it"
    return found, INSTALL


def _rules(machine: Machine) -> bool:
    folders = ("/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/etc/udev/rules.d")
    return any(True for folder in folders for _ in machine.path(folder).glob(RULES))


def _on_usb(machine: Machine) -> Path | None:
    """The node of the first one on USB; it may not be there."""
    for device in sorted(machine.path("/sys/bus/usb/devices").glob("*")):
        read = [machine.text(machine.shown(device) + f"/{n}") for n in ("idVendor", "idProduct")]
        if (read[0], read[1]) in USB:
            numbers = [machine.text(machine.shown(device) + f"/{n}") for n in ("busnum", "devnum")]
            return machine.path("/dev/bus/usb/" + "/".join(n.zfill(3) for n in numbers))
    return None


def _on_pci(machine: Machine) -> bool:
    return any(
        (machine.text(f"{shown}/vendor"), machine.text(f"{shown}/device")) == PCI
        for shown in map(machine.shown, machine.path("/sys/bus/pci/devices").glob("*"))
    )


def find_library(machine: Machine) -> str | None:
    """Where Google's library lies, in the folders that Debian's loader looks into."""
    for pattern in ("lib", "usr/lib", "usr/lib/*-linux-gnu*", "usr/local/lib"):
        for found in sorted(machine.path("/").glob(f"{pattern}/{LIBRARY}")):
            return machine.shown(found)
    return None
