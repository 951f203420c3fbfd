"""What ``edgedigits inspect`` costs on a large file: seconds and peak memory of whole processes.

    python benchmarks/inspect_speed.py runs/alexnet-number/exports/int8.tflite

Each run is a process of its own, as a user starts it, printing text. A file as edgedigits wrote it
is opened at once; any other is first opened in a child process, so a copy with one byte changed is
measured too. Writes ``benchmarks/results/inspect-speed.json``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from edgedigits.device.metadata import DIGEST_FIELD
from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions

RESULT = Path(__file__).parent / "results" / "inspect-speed.json"
ROUNDS = 7
SECONDS_ALLOWED, BYTES_ALLOWED = 2.0, 400 * 10**6
START = (
    "import sys; from edgedigits.cli.main import run; sys.argv[0] = 'edgedigits'; sys.exit(run())"
)


def one_run(file: Path) -> dict[str, float]:
    """Seconds by the clock and of the processor, and peak resident bytes, of one process."""
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", START, "inspect", str(file)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"inspect {file} ended with {child.returncode}")
    return {
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }


def measure(file: Path, what: str, rounds: int) -> dict[str, Any]:
    """Medians over several processes; the first warms the file cache and is not counted."""
    one_run(file)
    found = [one_run(file) for _ in range(rounds)]
    return {
        "what": what,
        "bytes": file.stat().st_size,
        "runs": rounds,
        "seconds_median": median(row["seconds"] for row in found),
        "seconds_min": min(row["seconds"] for row in found),
        "processor_seconds_median": median(row["processor_seconds"] for row in found),
        "peak_bytes": max(row["peak_bytes"] for row in found),
    }


def main() -> None:
    """Entry point; exits with 1 where it is slower or larger than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        foreign = Path(folder) / "foreign.tflite"
        # One digit of the digest inside is changed: now it is a file that others may have made.
        data = asked.file.read_bytes()
        place = data.index(DIGEST_FIELD) + len(DIGEST_FIELD)
        digit = b"1" if data[place : place + 1] == b"0" else b"0"
        foreign.write_bytes(data[:place] + digit + data[place + 1 :])
        rows = [
            measure(asked.file, "as edgedigits wrote it", asked.rounds),
            measure(foreign, "of unknown origin, tried in a child process first", asked.rounds),
        ]
    write_json(
        RESULT,
        {
            "command": "python benchmarks/inspect_speed.py FILE",
            "rows": rows,
            "load": os.getloadavg()[0],
            "seconds_allowed": SECONDS_ALLOWED,
            "bytes_allowed": BYTES_ALLOWED,
            "versions": package_versions("ai-edge-litert", "flatbuffers", "numpy", "rich"),
            "host": host_facts(),
        },
    )
    print(f"written: {RESULT}", file=sys.stderr)
    for row in rows:
        print(row, file=sys.stderr)
    if rows[0]["seconds_median"] > SECONDS_ALLOWED or rows[0]["peak_bytes"] > BYTES_ALLOWED:
        sys.exit(f"over {SECONDS_ALLOWED} s or {BYTES_ALLOWED:,} bytes")


if __name__ == "__main__":
    main()
