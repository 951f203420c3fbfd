"""int8 of a large model by either tool, with equalisation and without: memory, time, answers.

    python benchmarks/convert_large.py runs/reproduce/alexnet-number-ours-seed0

Each conversion runs in a process of its own, from the same Keras model and calibration set.
Writes ``benchmarks/results/convert-large.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgedigits.convert.recipes import RECIPES, Tool
from edgedigits.evaluate import evaluate_file
from edgedigits.files import write_json
from edgedigits.metrics import compare_paired
from edgedigits.provenance import host_facts, package_versions
from edgedigits.run import RunFolder

RESULT = Path(__file__).parent / "results" / "convert-large.json"
TOOLS = ("tflite-converter", "ai-edge-quantizer")
PACKAGES = ("tensorflow", "tf-keras", "ai-edge-litert", "ai-edge-quantizer", "numpy")


def convert(run: RunFolder, tool: Tool, plain: bool, target: Path) -> dict[str, float]:
    """Convert with one tool in this process; seconds and peak memory of all of it."""
    from edgedigits.calibration.make import load_calibration_set
    from edgedigits.convert import worker
    from edgedigits.convert.export import save_pictures
    from edgedigits.run_data import load_run_data

    calibration = load_calibration_set(run, load_run_data(run))
    with tempfile.TemporaryDirectory() as folder:
        pictures = save_pictures(Path(folder) / "calibration.npz", calibration)
        task = worker.Task("int8", "model", "int8", str(pictures), str(target))
        document: dict[str, Any] = {"run": str(run.path), "data_dir": None, "qat": {}, "tasks": []}
        job = worker.Job(document, worker.Events(sys.stderr))
        if plain:
            job.equalised = lambda source, calibration: job.model(source)  # type: ignore[method-assign]
        began = time.perf_counter()
        data = worker.convert(job, task, replace(RECIPES["int8"], tool=tool))
        seconds = time.perf_counter() - began
    target.write_bytes(data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak_bytes": peak}


def in_child(run: Path, tool: str, plain: bool, target: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, str(run), "--tool", tool, "--target", str(target)]
    command += ["--plain"] if plain else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--tool", choices=TOOLS)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--target", type=Path)
    arguments = parser.parse_args()
    run = RunFolder(arguments.run)
    if arguments.tool:
        print(json.dumps(convert(run, arguments.tool, arguments.plain, arguments.target)))
        return
    reference, _ = evaluate_file(run.export_file("float32"), None, threads=2)
    recorded = run.manifest()["data"]["data_dir"]
    data_dir = None if recorded is None else Path(recorded)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for tool, plain in itertools.product(TOOLS, (True, False)):
            target = Path(folder) / "int8.tflite"
            row = in_child(arguments.run, tool, plain, target)
            name = run.manifest()["data"]["name"]
            evaluation, _ = evaluate_file(target, name, data_dir=data_dir, threads=2)
            paired = compare_paired(reference.truth, reference.scores, evaluation.scores)
            rows.append(
                {
                    "tool": tool,
                    "equalised": not plain,
                    **row,
                    "bytes": evaluation.bytes,
                    "accuracy": evaluation.report.accuracy,
                    "drop": paired.drop,
                    "drop_low": paired.drop_low,
                    "drop_high": paired.drop_high,
                    "agreement": paired.agreement,
                    "confidence_drift": paired.confidence_drift,
                }
            )
            print(rows[-1], file=sys.stderr)
    write_json(
        RESULT,
        {
            "command": "python benchmarks/convert_large.py RUN",
            "model": run.manifest()["model"]["name"],
            "float32_accuracy": reference.report.accuracy,
            "float32_bytes": reference.bytes,
            "rows": rows,
            "versions": package_versions(*PACKAGES),
            "host": host_facts(),
        },
    )
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
