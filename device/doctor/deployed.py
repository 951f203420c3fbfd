"""What was deployed: the model in place, and the service that runs it."""

from __future__ import annotations

import hashlib
import json

from edgedigits.device.doctor.check import AGAIN, Check
from edgedigits.device.doctor.machine import Machine

UNIT = "edgedigits.service"
PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "StatusText")


def check_model(machine: Machine) -> Check:
    """Whether the model in place is the one that was placed, byte by byte."""
    name, current = "model", machine.prefix / "models" / "current"
    folder = machine.path(current)
    if not folder.is_symlink() and not folder.exists():
        if machine.path(machine.prefix).exists():
            return Check(name, "failure", f"{machine.prefix} holds no model", AGAIN)
        return Check(name, "skipped", f"nothing is deployed to {machine.prefix}")
    try:
        document = json.loads((folder / "manifest.json").read_bytes())
        parts = {part["name"]: part for part in document["parts"]}
        for part in ("model.tflite", "model.json"):
            digest = hashlib.sha256((folder / part).read_bytes()).hexdigest()
            if digest != parts[part]["sha256"]:
                found = f"{current}/{part} is not as it was placed: damaged or changed"
                return Check(name, "failure", found, AGAIN)
        size = (folder / "model.tflite").stat().st_size
        found = f"{document['name']}, {size:,} bytes, as placed, in {folder.resolve().name}"
    except OSError as error:
        return Check(name, "failure", f"{current}: {error.strerror or error}", AGAIN)
    except (ValueError, KeyError, TypeError):
        return Check(name, "failure", f"{current}/manifest.json is damaged", AGAIN)
    return Check(name, "ok", found)


def check_service(machine: Machine) -> Check:
    """What systemd says of the service."""
    name = "service"
    command = ["systemctl", "show", UNIT, *(f"--property={key}" for key in PROPERTIES)]
    done = machine.run(command)
    if done is None or done.code != 0:
        why = "there is no systemctl" if done is None else done.last
        return Check(name, "skipped", f"systemd cannot be asked: {why}")
    pairs = (line.partition("=") for line in done.out.splitlines())
    facts = {key: value.strip() for key, _, value in pairs}
    if facts.get("LoadState") == "not-found":
        if machine.path(machine.prefix).exists():
            if _without_service(machine):
                return Check(name, "skipped", "deployed without a service")
            return Check(name, "failure", f"{UNIT} is not installed", AGAIN)
        return Check(name, "skipped", f"{UNIT} is not installed")
    if facts.get("LoadState") not in ("loaded", None):
        return Check(name, "failure", f"{UNIT} is {facts['LoadState']}", f"systemctl cat {UNIT}")
    return _state(facts)


def _without_service(machine: Machine) -> bool:
    """Whether the last deploy was told that there is to be none."""
    try:
        told = json.loads(machine.path(machine.prefix / "current" / "service.json").read_text())
        return told["service"] is False
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _state(facts: dict[str, str]) -> Check:
    active, status = facts.get("ActiveState", ""), facts.get("StatusText", "")
    restarts = facts.get("NRestarts", "0")
    found = f"{active} ({facts.get('SubState', '')})"
    if restarts not in ("", "0"):
        found += f", restarted {restarts} times"
    if status:
        found += f": {status}"
    log = f"journalctl -u {UNIT} -n 50 --no-pager"
    if active == "active":
        often = restarts.isdigit() and int(restarts) > 0
        return Check("service", "warning" if often else "ok", found, log if often else "")
    if active in ("activating", "reloading", "deactivating"):
        return Check("service", "warning", found, log)
    if active == "inactive":
        return Check("service", "failure", found, f"sudo systemctl enable --now {UNIT}")
    return Check(
        "service",
        "failure",
        f"{found}, {facts.get('Result', '')}",
        f"{log}; then: sudo systemctl reset-failed {UNIT} && sudo systemctl start {UNIT}",
    )
