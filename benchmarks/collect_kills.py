"""Kill collect at random moments: afterwards each crop must be at home, whole, and once.

    python benchmarks/collect_kills.py [--kills 50] [--seed 3]

A real sshd on loopback. Crops are moved: what lies at home is taken away from the device, where new
ones come between two kills. The workstation's program is killed (-9), and every second time all
that runs on the device with it; then it is run again to its end. Writes
``benchmarks/results/collect-kills.json``.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from helpers_sshd import Device, device
from helpers_unsure import fill, pixels

from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions

RESULT = Path(__file__).parent / "results" / "collect-kills.json"
NEW = 100  # crops that come between two kills
PROGRAM = """
import sys
from pathlib import Path
from edgedigits.remote.collecting import collect
from edgedigits.remote.ssh import Ssh
print("ready", flush=True)
home, config, there = sys.argv[1:]
sys.exit(collect(["pi"], Path(home), ssh=Ssh(Path(config)), folder=there, move=True)[0].error)
"""


def measure(pi: Device, folder: Path, kills: int, seed: int, new: int = NEW) -> dict[str, Any]:
    """So many kills, each with a collect after it that nobody kills.

    Args:
        folder: an empty one at home.
    """
    there, home = pi.folder / "unsure", folder / "home"
    command = [sys.executable, "-c", PROGRAM, str(home), str(pi.config), str(there)]
    rng = random.Random(seed)
    made: Counter[str] = Counter()
    lost = doubled = ended = 0
    _add(there, made, new, 0)
    seconds = _whole(command)
    for number in range(1, kills + 1):
        _add(there, made, new, number)
        ended += not _killed(command, rng.uniform(0, seconds), pi if number % 2 else None)
        pi.wait_until_idle()
        doubled += (pixels(home) - made).total()
        come = len(list(home.glob("*-cut.png"))) - made.total() + new
        seconds = max(_whole(command), 0.8 * seconds)  # of fewer crops: those that had not come
        kept = pixels(home)
        lost += (made - kept).total()
        doubled += (kept - made).total()
        print(f"{number}/{kills}: {come} of {new} crops had come", file=sys.stderr)
    return {
        "kills": kills - ended,
        "ended_before": ended,
        "crops": made.total(),
        "lost": lost,
        "doubled": doubled,
        "left_there": len(list(there.glob("*-cut.png"))),
        "left_over": sorted(path.name for path in home.iterdir() if path.name.startswith(".")),
    }


def _add(there: Path, made: Counter[str], new: int, seed: int) -> None:
    """New crops on the device; what they are is read from a second folder of the same."""
    fill(there, new, seed)
    with tempfile.TemporaryDirectory() as same:
        fill(Path(same), new, seed)
        made.update(pixels(Path(same)))


def _whole(command: list[str]) -> float:
    """Seconds that a collect takes which nobody kills."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        began = time.monotonic()
    assert child.returncode == 0
    return time.monotonic() - began


def _killed(command: list[str], seconds: float, pi: Device | None) -> bool:
    """Kill it so long after its start, and the device too; whether it was still at work."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout is not None
    child.stdout.readline()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        if pi is not None:
            pi.cut_power()
        child.kill()
        child.wait()
        return True
    finally:
        child.stdout.close()
    return False


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="edgedigits-kills-") as own,
        device(Path(own) / "pi") as pi,
    ):
        found = measure(pi, Path(own), options.kills, options.seed)
    document = {
        "command": f"python benchmarks/collect_kills.py --kills {options.kills} "
        f"--seed {options.seed}",
        **found,
        "versions": package_versions(),
        "host": host_facts(),
    }
    write_json(RESULT, document)
    print(f"written: {RESULT}", file=sys.stderr)
    sys.exit(bool(found["lost"] or found["doubled"] or found["left_there"] or found["left_over"]))


if __name__ == "__main__":
    main()
