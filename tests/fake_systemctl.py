"""A fake of systemctl and journalctl where no systemd runs: it really runs the unit.

Put on a PATH as ``systemctl`` and ``journalctl``; ``FAKE_SYSTEMD`` names a folder for its state,
and ``FAKE_UNITS`` the folder of unit files. What it enforces, after systemd's own documents:

- A unit is known from the moment it is first named, or from the last ``daemon-reload``; a file that
  changed since is not what runs.
- ``ExecStart=`` runs with ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``Environment=``; the unit is
  ``activating`` until ``READY=1`` came from it.
- Without ``WATCHDOG=1`` in time it is killed; what ends is started again after ``RestartSec=``, and
  ``NRestarts`` counts.
- ``start --no-block`` returns at once; ``stop`` sends SIGTERM, and SIGKILL after a while.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STATE = Path(os.environ["FAKE_SYSTEMD"])
UNITS = Path(os.environ["FAKE_UNITS"])
STOP_SECONDS = 10.0
SPECIFIERS = {
    "%S": str(STATE / "lib"),
    "%C": str(STATE / "cache"),
    "%d": str(STATE / "credentials"),
}
FRESH = {"ActiveState": "inactive", "SubState": "dead", "Result": "success", "NRestarts": 0}


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)(s|ms|min)?", text)
    assert found is not None, text
    return int(found[1]) * {"s": 1.0, "ms": 1e-3, "min": 60.0}[found[2] or "s"]


def loaded(unit: str) -> list[tuple[str, str]] | None:
    """The unit as it was last loaded; it is loaded when it is first named."""
    copy = STATE / f"{unit}.loaded"
    if not copy.exists():
        load(unit)
    if not copy.exists():
        return None
    pairs = (line.partition("=") for line in copy.read_text().splitlines() if "=" in line)
    return [(key, value) for key, _, value in pairs if not key.startswith("#")]


def load(unit: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        (STATE / f"{unit}.loaded").write_text((UNITS / unit).read_text())


def expand(text: str) -> str:
    for specifier, value in SPECIFIERS.items():
        text = re.sub(rf"(?<!%){specifier}", value, text)
    return text.replace("%%", "%").replace("$$", "$")


def state(unit: str) -> dict[str, Any]:
    try:
        found = json.loads((STATE / f"{unit}.json").read_text())
    except FileNotFoundError:
        found = {}
    assert isinstance(found, dict)
    return {**FRESH, "MainPID": 0, "ExecMainStatus": 0, "StatusText": "", **found}


class Supervisor:
    """What systemd's own process does for one unit."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        pairs = loaded(unit)
        assert pairs is not None
        self.keys = dict(pairs)
        self.pairs = pairs
        self.now = {**state(unit), "NRestarts": 0, "supervisor": os.getpid()}
        self.stopping = False
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def set(self, **facts: Any) -> None:
        self.now |= facts
        aside = STATE / f"{self.unit}.{os.getpid()}"
        aside.write_text(json.dumps(self.now))
        aside.replace(STATE / f"{self.unit}.json")

    def run(self) -> None:
        while True:
            result, status = self.once()
            if self.stopping:
                self.set(ActiveState="inactive", SubState="dead", Result="success", MainPID=0)
                return
            if self.keys.get("Restart") != "always":
                self.set(ActiveState="failed", SubState="failed", Result=result, MainPID=0)
                return
            self.set(
                **{"ActiveState": "activating", "SubState": "auto-restart", "MainPID": 0},
                **{"Result": result, "ExecMainStatus": status},
                NRestarts=self.now["NRestarts"] + 1,
            )
            until = time.monotonic() + seconds(self.keys.get("RestartSec", "100ms"))
            while time.monotonic() < until and not self.stopping:
                time.sleep(0.05)
            if self.stopping:
                self.set(ActiveState="inactive", SubState="dead", MainPID=0)
                return

    def once(self) -> tuple[str, int]:
        """One life of the process: how it ended, and its exit code or signal."""
        address = STATE / f"{self.unit}.notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(address))
            notify.settimeout(0.05)
            child = self.start(str(address))
            ready = False
            limit = time.monotonic() + seconds(self.keys["TimeoutStartSec"])
            watchdog = seconds(self.keys.get("WatchdogSec", "0"))
            while child.poll() is None:
                if self.stopping:
                    self.set(ActiveState="deactivating", SubState="stop-sigterm")
                    self.end(child)
                    break
                lines: list[str] = []
                with contextlib.suppress(TimeoutError):
                    lines = notify.recv(65536).decode().split("\n")
                for line in lines:
                    if line.startswith("STATUS="):
                        self.set(StatusText=line.removeprefix("STATUS="))
                if "READY=1" in lines and not ready:
                    ready = True
                    self.set(ActiveState="active", SubState="running", ActiveEnterTimestamp="now")
                    limit = time.monotonic() + watchdog
                elif "WATCHDOG=1" in lines:
                    limit = time.monotonic() + watchdog
                if time.monotonic() > limit and (watchdog or not ready):
                    child.send_signal(signal.SIGABRT)
                    child.wait()
                    return ("watchdog" if ready else "timeout"), signal.SIGABRT
        code = child.wait()
        if code < 0:
            return "signal", -code
        return ("exit-code" if code else "success"), code

    def start(self, address: str) -> subprocess.Popen[bytes]:
        assert self.keys["Type"] == "notify"
        words = [expand(word) for word in shlex.split(self.keys["ExecStart"])]
        own = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": address}
        if "WatchdogSec" in self.keys:
            own["WATCHDOG_USEC"] = str(round(1e6 * seconds(self.keys["WatchdogSec"])))
        for key, value in self.pairs:
            if key == "Environment":
                own |= dict(word.split("=", 1) for word in shlex.split(expand(value)))
        folder = STATE / "S" / self.keys["StateDirectory"]
        folder.mkdir(parents=True, exist_ok=True)
        with (STATE / "journal").open("ab") as journal:
            child = subprocess.Popen(
                words, env=own, cwd=folder, stdin=subprocess.DEVNULL, stdout=journal, stderr=journal
            )
        self.set(ActiveState="activating", SubState="start", MainPID=child.pid, Result="success")
        return child

    def end(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()


def stop(unit: str) -> None:
    pid = state(unit).get("supervisor")
    if not isinstance(pid, int):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    return False


def in_background(*words: str) -> None:
    subprocess.Popen(
        [sys.executable, __file__, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(STATE / "errors").open("ab"),
        start_new_session=True,
    )


def systemctl(words: list[str]) -> int:
    verb, options = words[0], [word for word in words[1:] if word.startswith("--")]
    units = [word for word in words[1:] if not word.startswith("--")]
    if verb == "--version":
        print("systemd 252 (252.99-fake)")
        return 0
    if verb == "is-system-running":
        print("running")
        return 0
    if verb == "daemon-reload":
        for copy in STATE.glob("*.loaded"):
            unit = copy.name.removesuffix(".loaded")
            copy.unlink()
            load(unit)
        return 0
    (unit,) = units
    if verb == "show":
        (wanted,) = [word.removeprefix("--property=").split(",") for word in options]
        now = state(unit)
        print("\n".join(f"{key}={now.get(key, '')}" for key in wanted))
        return 0
    if loaded(unit) is None:
        sys.stderr.write(f"Failed to {verb} {unit}: Unit {unit} not found.\n")
        return 5
    if verb in ("enable", "disable"):
        link = UNITS / "multi-user.target.wants" / unit
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        if verb == "enable":
            link.symlink_to(UNITS / unit)
        if "--now" in options:
            stop(unit)
        return 0
    if verb == "stop":
        stop(unit)
        return 0
    if verb == "reset-failed":
        now = state(unit)
        if now["ActiveState"] == "failed":
            now |= {"ActiveState": "inactive", "SubState": "dead", "Result": "success"}
        (STATE / f"{unit}.json").write_text(json.dumps({**now, "NRestarts": 0}))
        return 0
    if verb == "start":
        assert "--no-block" in options
        if state(unit)["ActiveState"] not in ("active", "activating"):
            in_background("start-now", unit)
        return 0
    sys.stderr.write(f"Unknown command verb {verb}.\n")
    return 1


def main() -> int:
    STATE.mkdir(parents=True, exist_ok=True)
    words = sys.argv[1:]
    if Path(sys.argv[0]).name == "journalctl":
        if (STATE / "journal").exists():
            print("\n".join((STATE / "journal").read_text().splitlines()[-5:]))
        return 0
    if words[0] == "start-now":
        Supervisor(words[1]).run()
        return 0
    return systemctl(words)


if __name__ == "__main__":
    sys.exit(main())
