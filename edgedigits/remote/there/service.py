"""The systemd service on the device: put in place, started again, and watched for a while."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from edgedigits.remote.there.talking import Trouble
from edgedigits.remote.there.tree import UNIT, Tree, make_link

SHOWN = (
    *("ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts", "MainPID"),
    *("ActiveEnterTimestamp", "StatusText"),
)
POLL = 0.2  # seconds
COMMAND_SECONDS = 60
LINES = 5  # of the journal


def systemctl(*words: str) -> str:
    """What systemctl prints. Raises Trouble with its last line where it fails."""
    try:
        result = subprocess.run(
            ["systemctl", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble(f"systemctl {words[0]}: {error}") from error
    if result.returncode:
        told = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
        raise Trouble(f"systemctl {words[0]}: {told}")
    return result.stdout


def check_free(tree: Tree, units: Path) -> None:
    """Refuse a unit of this name that is somebody else's. Raises Trouble."""
    unit = units / UNIT
    if not units.is_dir():
        raise Trouble(f"{units}: no such folder for unit files; name another with --unit-folder")
    if _is_ours(tree, unit):
        return
    if unit.is_symlink() or unit.exists():
        raise Trouble(
            f"{unit} is there and not of this prefix; take it away with "
            f"'systemctl disable --now {UNIT}' and remove it"
        )


def _is_ours(tree: Tree, unit: Path) -> bool:
    return unit.is_symlink() and unit.readlink() == tree.link / UNIT


def end(tree: Tree, units: Path) -> None:
    """Stop the service and take its unit away; nothing where there is none of this prefix.

    Raises:
        Trouble: systemd does not do it.
    """
    unit = units / UNIT
    if not _is_ours(tree, unit):
        return
    systemctl("disable", "--now", UNIT)
    unit.unlink(missing_ok=True)
    systemctl("daemon-reload")


def start(tree: Tree, units: Path, *, settle: float, patience: float) -> str:
    """Link the current release's unit, start it anew, and see whether it stays.

    Args:
        settle: seconds that it must run for. patience: seconds that it may take to be ready.

    Returns:
        What is wrong, in words; empty: it runs.
    """
    try:
        link = units / UNIT
        if not _is_ours(tree, link):
            make_link(link, str(tree.link / UNIT))
        systemctl("daemon-reload")
        systemctl("enable", "--quiet", UNIT)
        systemctl("stop", UNIT)  # so that nothing seen from here on is of the one before
        systemctl("reset-failed", UNIT)
        systemctl("start", "--no-block", UNIT)
        return _watch(settle, patience)
    except Trouble as trouble:
        return str(trouble)
    except OSError as error:
        return f"{units / UNIT}: {error.strerror or error}"


def _watch(settle: float, patience: float) -> str:
    until = time.monotonic() + patience
    since: float | None = None
    while True:
        now = show()
        if now["ActiveState"] == "active" and now["SubState"] == "running":
            since = time.monotonic() if since is None else since
            if time.monotonic() - since >= settle:
                return ""
        elif since is not None or now["ActiveState"] == "failed":
            return f"the service ended ({_how(now)}){_last_words(now)}"
        if now["NRestarts"] not in ("", "0"):
            return f"the service ended ({_how(now)}){_last_words(now)}"
        if time.monotonic() > until + (settle if since is not None else 0):
            return f"the service is not ready after {patience:.0f} s{_last_words(now)}"
        time.sleep(POLL)


def _how(now: dict[str, str]) -> str:
    if now["Result"] not in ("", "success"):
        code = f" {now['ExecMainStatus']}" if now["Result"] == "exit-code" else ""
        return now["Result"] + code
    return now["SubState"] or now["ActiveState"]


def _last_words(now: dict[str, str]) -> str:
    lines = journal()
    ours = [line for line in lines if line.startswith("edgedigits:")]
    text = (ours or lines or [now["StatusText"]])[-1].removeprefix("edgedigits: ")
    return f": {text}" if text else ""


def show() -> dict[str, str]:
    """The service's state, as systemd shows it."""
    found = dict.fromkeys(SHOWN, "")
    for line in systemctl("show", UNIT, f"--property={','.join(SHOWN)}").splitlines():
        key, _, value = line.partition("=")
        if key in found:
            found[key] = value
    return found


def journal() -> list[str]:
    """The last lines the service printed; none where the journal cannot be read."""
    try:
        result = subprocess.run(
            ["journalctl", "--unit", UNIT, "--lines", str(LINES), "--output=cat", "--no-pager"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in result.stdout.splitlines() if line.strip()]


def service_state() -> dict[str, Any]:
    """The service's state for people and programs."""
    try:
        now = show()
    except Trouble:
        return {"state": "unknown", "since": "", "restarts": None, "status": "", "said": []}
    text = now["ActiveState"]
    if now["SubState"] not in ("", "running", text):
        text += f" ({now['SubState']})"
    restarts = int(now["NRestarts"]) if now["NRestarts"].isdigit() else None
    return {
        "state": text,
        "since": now["ActiveEnterTimestamp"],
        "restarts": restarts,
        "status": now["StatusText"],
        "said": journal(),
    }
