"""How far below int8 one can go: ``edgedigits shrink`` on a trained run, by its own command.

    python benchmarks/shrink.py runs/benchmark/mnist-cnn-seed0

The run is copied, so that the search begins anew and leaves nothing in it. With ``--work FOLDER``
the copy stays there, and an interrupted search goes on. Writes ``benchmarks/results/shrink.json``;
its ``seconds`` are the sum of the trials'.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.run import RunFolder, open_run

RESULT = Path(__file__).parent / "results" / "shrink.json"
PROGRAM = [sys.executable, "-m", "edgedigits.cli.main"]
ASIDE = ("shrink", "shrink.json", "shrunk.*", "lessons")


def searched(run: RunFolder, options: list[str]) -> dict[str, Any]:
    """What the command prints."""
    ended = subprocess.run(
        [*PROGRAM, "shrink", str(run.path), *options, "--json"],
        stdout=subprocess.PIPE,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"edgedigits shrink ended with {ended.returncode}")
    return dict(json.loads(ended.stdout))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a trained run with an int8 export")
    parser.add_argument("--max-drop", type=float, default=0.1)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--work", type=Path, help="a folder to keep the copy in")
    arguments = parser.parse_args()
    run = open_run(arguments.run)
    manifest = run.manifest()
    options = ["--max-drop", f"{arguments.max_drop:g}", "--trials", str(arguments.trials)]
    with contextlib.ExitStack() as stack:
        folder = arguments.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        copy = RunFolder(folder / run.name)
        if not copy.path.exists():
            shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns(*ASIDE))
        document = searched(copy, options)
    for absolute in ("file", "run", "schema_version"):
        document.pop(absolute)
    for trial in document["trials"]:
        trial.pop("worker")
    versions = ("tensorflow", "tf-keras", "ai-edge-quantizer", "optuna", "ai-edge-litert", "numpy")
    write_json(
        RESULT,
        {
            "command": f"edgedigits shrink RUN {' '.join(options)}",
            "model": manifest["model"]["name"],
            "data": manifest["data"]["name"],
            "exported_int8_bytes": run.export_file("int8").stat().st_size,
            "seconds": sum(trial["seconds"] for trial in document["trials"]),
            **document,
            "host": host_facts(),
            "versions": package_versions(*versions),
        },
    )


if __name__ == "__main__":
    main()
