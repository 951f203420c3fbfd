"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgedigits.device.doctor.accelerator import check_accelerator, try_delegate
from edgedigits.device.doctor.cameras import check_cameras, check_picamera
from edgedigits.device.doctor.check import Check, Examination
from edgedigits.device.doctor.deployed import check_model, check_service
from edgedigits.device.doctor.health import (
    check_clock,
    check_disk,
    check_memory,
    check_temperature,
    check_throttling,
)
from edgedigits.device.doctor.machine import Machine
from edgedigits.device.doctor.software import (
    check_bits,
    check_environment,
    check_packages,
    check_python,
    check_runtime,
)

Look = Callable[[Machine], Check | Sequence[Check]]


def examine(machine: Machine, attempt: Callable[[str], str | None] = try_delegate) -> Examination:
    """Look at everything; nothing is changed.

    Args:
        machine: to look at.
        attempt: tries an accelerator's library; why it does not work, or None.
    """
    looks: dict[str, Look] = {
        "64 bits": check_bits,
        "Python": check_python,
        "environment": check_environment,
        "packages": check_packages,
        "runtime": check_runtime,
        "USB camera": check_cameras,
        "ribbon camera": check_picamera,
        "Edge TPU": lambda there: check_accelerator(there, attempt),
        "temperature": check_temperature,
        "power": check_throttling,
        "disk": check_disk,
        "memory": check_memory,
        "clock": check_clock,
        "model": check_model,
        "service": check_service,
    }
    checks: list[Check] = []
    for name, look in looks.items():
        found = _looked(name, look, machine)
        checks.extend([found] if isinstance(found, Check) else found)
    device = f"{machine.model or machine.kernel}, {machine.system}"
    return Examination(device, tuple(checks))


def _looked(name: str, look: Look, machine: Machine) -> Check | Sequence[Check]:
    """A check that cannot be made is a finding too, and keeps no other from being made."""
    try:
        return look(machine)
    except (OSError, ValueError, ImportError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        return Check(name, "failure", f"cannot be examined: {why}")
