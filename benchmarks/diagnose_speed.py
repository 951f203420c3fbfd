"""What ``diagnose`` costs: 500 pictures, one variant, in this process and as a whole command.

    python benchmarks/diagnose_speed.py runs/benchmark/mnist-cnn-seed0

RUN holds float32 and int8 exports. Writes ``benchmarks/results/diagnose-speed.json``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgedigits.diagnose import DEFAULT_PICTURES, diagnose_run
from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.run import RunFolder, open_run

RESULT = Path(__file__).parent / "results" / "diagnose-speed.json"
ROUNDS = 3
PROGRAM = [sys.executable, "-m", "edgedigits.cli.main"]

Cost = tuple[float, float]  # seconds, and those of them that a processor worked


def in_this_process(run: RunFolder) -> Cost:
    """The library call, data read and pictures chosen within; everything is imported already."""
    began, worked = time.perf_counter(), time.process_time()
    diagnose_run(run, only=["int8"])
    return time.perf_counter() - began, time.process_time() - worked


def whole_command(run: RunFolder) -> Cost:
    """The command from start to end, pictures drawn."""
    began, before = time.perf_counter(), os.times()
    command = [*PROGRAM, "diagnose", str(run.path), "--variant", "int8", "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    worked = after.children_user - before.children_user
    return time.perf_counter() - began, worked + after.children_system - before.children_system


def median(what: str, measure: Callable[[RunFolder], Cost], run: RunFolder) -> dict[str, Any]:
    """Medians over several rounds."""
    costs = np.asarray([measure(run) for _ in range(ROUNDS)])
    return {
        "what": what,
        "rounds": ROUNDS,
        "seconds_median": float(np.median(costs[:, 0])),
        "seconds_min": float(costs[:, 0].min()),
        "processor_seconds_median": float(np.median(costs[:, 1])),
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run with exports float32 and int8")
    source = open_run(parser.parse_args().run)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        shutil.copytree(source.path, run.path)
        in_this_process(run)  # the first call imports what is left
        rows = [
            median("after start: data read, 500 pictures, five layers", in_this_process, run),
            median("`edgedigits diagnose RUN --variant int8`, pictures drawn", whole_command, run),
        ]
        run.export_file("float32").unlink()
        rows.append(
            median("the same without a float32 export: TensorFlow converts", whole_command, run)
        )
    write_json(
        RESULT,
        {
            "command": "python benchmarks/diagnose_speed.py RUN",
            "model": source.manifest()["model"]["name"],
            "pictures": DEFAULT_PICTURES,
            "versions": package_versions("ai-edge-litert", "tensorflow", "numpy"),
            "host": host_facts() | {"load": [load, os.getloadavg()[0]]},
            "rows": rows,
        },
    )
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
