"""Whether an export that is killed at any moment leaves a whole file: the old one or the new one.

    python benchmarks/export_kills.py RUN [--kills 50] [--seed 0]

Works on a copy of the run. Exports of two calibration sets take turns, so that each one that ends
changes the file's bytes. Writes ``benchmarks/results/export-kills.json``.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgedigits.device.classifier import Classifier
from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.run import RunFolder

RESULT = Path(__file__).parent / "results" / "export-kills.json"
PROGRAM = [sys.executable, "-m", "edgedigits.cli.main"]
SAMPLES = (100, 500)  # of the two calibration sets


def edgedigits(*words: str | Path) -> None:
    """Run a command to its end."""
    subprocess.run([*PROGRAM, *words], check=True, stdout=subprocess.DEVNULL)


def killed_export(run: Path, seconds: float) -> bool:
    """Begin an export and kill it after some time; whether it was still at work."""
    child = subprocess.Popen(
        [*PROGRAM, "export", run, "--int8"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        _until_gone(child.pid)
        return True
    return False


def _until_gone(group: int) -> None:
    """The process that converts ends by itself once its parent is gone."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    os.killpg(group, signal.SIGKILL)
    raise SystemExit("the conversion process outlived its parent by a minute")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run with a trained model")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        shutil.copytree(options.run, run, ignore=shutil.ignore_patterns("exports", "evaluations"))
        file = RunFolder(run).export_file("int8")
        whole, sets = [], []
        for samples in SAMPLES:
            edgedigits("calibrate", run, "--samples", str(samples))
            sets.append(RunFolder(run).calibration_file.read_bytes())
            began = time.monotonic()
            edgedigits("export", run, "--int8")
            seconds = time.monotonic() - began
            whole.append(file.read_bytes())
        found = {"old": 0, "new": 0, "damaged": 0}
        ended = 0
        for number in range(options.kills):
            wanted = number % len(sets)
            before = file.read_bytes()
            RunFolder(run).calibration_file.write_bytes(sets[wanted])
            ended += not killed_export(run, draw.uniform(0, 1.1 * seconds))
            after = file.read_bytes()
            if after not in whole:
                found["damaged"] += 1
            else:
                Classifier(file)
                found["old" if after == before and after != whole[wanted] else "new"] += 1
            print(f"{number + 1}/{options.kills}: {found}", file=sys.stderr, flush=True)
        edgedigits("export", run, "--int8")
        left = sorted(path.name for path in run.iterdir() if path.name.startswith("."))
        host, versions = host_facts(), package_versions("tensorflow", "ai-edge-litert")
        write_json(
            options.out,
            {
                "command": f"python benchmarks/export_kills.py RUN --kills {options.kills} "
                f"--seed {options.seed}",
                "kills": options.kills - ended,
                "ended_before": ended,
                "file": found,
                "left_over": left,
                "right_at_the_end": file.read_bytes() == whole[wanted],
                "host": host,
                "versions": versions,
            },
        )
    print(f"written: {options.out}", file=sys.stderr)
    sys.exit(bool(found["damaged"] or left))


if __name__ == "__main__":
    main()
