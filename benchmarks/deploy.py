"""How long a deploy takes, and what it takes on the device, against a loopback sshd.

    python benchmarks/deploy.py [--rounds 3]

A real sshd with a real virtual environment of this machine's Python; the wheels of the plain
install are fetched once by pip and brought along, as for a device without a network. The systemd
that starts the service is the tests' fake one, which really runs it, on a stream of one page of
digits. Writes ``benchmarks/results/deploy.json``.
"""

from __future__ import annotations

import argparse
import compileall
import os
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers_camera import Stream
from helpers_frames import mjpeg_server
from helpers_sshd import Device, device

from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.remote.deploying import deploy
from edgedigits.remote.judging import look
from edgedigits.remote.packages import constraints_for, fetch_wheels
from edgedigits.remote.plan import Plan, Wish
from edgedigits.remote.rolling import rollback, status
from edgedigits.remote.there.environment import trim
from edgedigits.remote.wheels import own_wheel

RESULT = Path(__file__).parent / "results" / "deploy.json"
TARGETS = {"from nothing": 60.0, "update": 10.0}
LARGEST = 250_000_000  # bytes that it is meant to take at most
UNIT = "edgedigits.service"


class Steps:
    """When each line of progress came."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        """Ignore."""

    def say(self, line: str) -> None:
        """Note the time."""
        self.times.append((line.partition(": ")[2], time.monotonic()))

    def seconds(self, ended: float) -> dict[str, float]:
        """How long each step took."""
        ends = [at for _, at in self.times[1:]] + [ended] * bool(self.times)
        return {name: end - at for (name, at), end in zip(self.times, ends, strict=True)}


def plain_python(pi: Device) -> None:
    """A device whose Python has nothing but itself."""
    own = Path("/usr/bin") / f"python3.{sys.version_info[1]}"
    real = own if own.exists() else Path(sys.base_prefix) / "bin" / own.name
    pi.program("python3", f'#!/bin/sh\nunset PIP_NO_DEPS\nexec {real} "$@"\n')


def bytes_below(folder: Path) -> int:
    """What files take on the disk, each counted once."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def largest(site: Path) -> dict[str, int]:
    """Bytes of the largest packages."""
    sizes = {path.name: bytes_below(path) for path in site.iterdir() if path.is_dir()}
    return dict(sorted(sizes.items(), key=lambda pair: -pair[1])[:8])


def on_a_pi(folder: Path) -> dict[str, Any]:
    """What the wheels for a Raspberry Pi take, unpacked and trimmed as on one, compiled."""
    facts = {"python": [3, 11, 2], "machine": "aarch64", "libc": ["glibc", "2.36"]}
    wheel = own_wheel(folder)
    wheels = fetch_wheels(facts, wheel, constraints_for(facts))
    site = folder / "site"
    for path in [wheel, *(p for p in wheels.glob("*.whl") if not p.name.startswith("edgedigits-"))]:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(site)
    trim(site)
    compileall.compile_dir(str(site), quiet=2)
    return {
        "wheel_bytes": sum(path.stat().st_size for path in wheels.glob("*.whl")),
        "installed_bytes": bytes_below(site),
        "packages": largest(site),
    }


def one_round(pi: Device, plan: Plan) -> list[dict[str, Any]]:
    """From nothing, another model, the same edgedigits; back; and what is there."""
    rows = []
    jobs: dict[str, Any] = {
        "from nothing": lambda steps: deploy(["pi"], None, plan, ssh=pi.ssh(), progress=steps),
        "update": lambda steps: deploy(["pi"], "mnist-16k", plan, ssh=pi.ssh(), progress=steps),
        "rollback": lambda steps: rollback(["pi"], plan, ssh=pi.ssh(), progress=steps),
        "status": lambda steps: status(["pi"], plan, ssh=pi.ssh(), progress=steps),
    }
    for name, job in jobs.items():
        steps = Steps()
        began = time.monotonic()
        (outcome,) = job(steps)
        ended = time.monotonic()
        if outcome.error is not None:
            raise SystemExit(f"{name}: {outcome.error}")
        rows.append({"what": name, "seconds": ended - began, "steps": steps.seconds(ended)})
        print(f"{name}: {ended - began:.1f} s", file=sys.stderr)
    return rows


def resident(pi: Device) -> int:
    """Bytes that the service holds in memory at most so far."""
    pid = pi.systemctl("show", UNIT, "--property=MainPID").strip().partition("=")[2]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def measure(rounds: int, wheels: Path | None) -> dict[str, Any]:
    """All rounds, each on a device of its own."""
    rows: list[dict[str, Any]] = []
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory(prefix="edgedigits-deploy-") as folder,
            mjpeg_server(Stream()) as stream,
            device(Path(folder) / "pi") as pi,
        ):
            plain_python(pi)
            pi.use_systemd()
            if wheels is None:
                facts = look(pi.ssh(), "pi", str(pi.prefix), str(pi.units))
                wheels = fetch_wheels(facts, own_wheel(Path(folder)), constraints_for(facts))
            rows += one_round(pi, pi.plan(wish=Wish(source=stream), wheels=wheels))
            memory = resident(pi)
            installed = bytes_below(pi.prefix)
            (site,) = pi.prefix.glob("venvs/*/lib/python*/site-packages")
            packages = largest(site)
    assert wheels is not None
    return {
        "wheel_bytes": sum(path.stat().st_size for path in wheels.glob("*.whl")),
        "installed_bytes": installed,
        "packages": packages,
        "resident_bytes": memory,
        "rows": [
            {
                "what": name,
                "seconds": statistics.median(taken),
                "most": max(taken),
                "target": TARGETS.get(name),
                "steps": next(row["steps"] for row in rows if row["what"] == name),
            }
            for name in dict.fromkeys(row["what"] for row in rows)
            if (taken := [row["seconds"] for row in rows if row["what"] == name])
        ],
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wheels", type=Path, help="a folder that holds them already")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]  # of this machine, before: others' work makes all of it slower
    with tempfile.TemporaryDirectory(prefix="edgedigits-aarch64-") as folder:
        pi = on_a_pi(Path(folder))
    document = {
        "command": f"python benchmarks/deploy.py --rounds {arguments.rounds}",
        "aarch64": pi,
        **measure(arguments.rounds, arguments.wheels),
        "largest_bytes": LARGEST,
        "load": load,
        "versions": package_versions("ai-edge-litert", "opencv-python-headless", "numpy", "pip"),
        "host": host_facts(),
    }
    write_json(RESULT, document)
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
