"""The main job on MNIST: mnist-cnn at its published settings, every variant, several seeds.

    python benchmarks/mnist_variants.py --runs runs/benchmark

Runs the same commands that a user would type, one run folder a seed. Steps whose result is there
are not done again, so that it can be interrupted.
Writes ``benchmarks/results/mnist-variants.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.run import RunFolder

RESULT = Path(__file__).parent / "results" / "mnist-variants.json"
PACKAGES = (
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "numpy",
)
KEPT = (
    "variant",
    "bytes",
    "gzip_bytes",
    "n",
    "accuracy",
    "drop",
    "drop_low",
    "drop_high",
    "mcnemar_p",
    "agreement",
    "confidence_drift",
    "latency_us_p50",
    "latency_us_p95",
)


def steps(run: Path, seed: int) -> list[tuple[Path, list[str]]]:
    """The commands of one seed, each with a file that is there when it has been done."""
    folder = str(run)
    exports = run / "exports"
    return [
        (
            run / "summary.txt",
            ["train", "mnist-cnn", "--data", "mnist", "--run", folder, "--seed", str(seed)],
        ),
        (run / "pruned.keras", ["prune", folder, "--sparsity", "0.8", "--seed", str(seed)]),
        (
            run / "channels.keras",
            ["prune", folder, "--method", "channels", "--sparsity", "0.5", "--seed", str(seed)],
        ),
        (run / "calibration.json", ["calibrate", folder, "--seed", str(seed)]),
        (exports / "channels-int8.tflite", ["export", folder, "--all"]),
        (exports / "int16x8.tflite", ["export", folder, "--int16x8", "--source", "model"]),
    ]


def edgedigits(*arguments: str) -> str:
    """Run the program; its progress goes to the terminal, its result is returned."""
    command = [sys.executable, "-m", "edgedigits.cli.main", *arguments]
    print("edgedigits", *arguments, file=sys.stderr, flush=True)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def one_seed(run: Path, seed: int) -> dict[str, Any]:
    """Do what is missing for one seed, then compare."""
    for result, arguments in steps(run, seed):
        if not result.exists():
            edgedigits(*arguments)
    comparison = json.loads(edgedigits("compare", str(run), "--json"))
    manifest = RunFolder(run).manifest()
    return {
        "seed": seed,
        "training": manifest["training"]["results"],
        "data_digest": manifest["data"]["digest"],
        "rows": [{key: row[key] for key in KEPT} for row in comparison["rows"]],
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    seeds = [one_seed(arguments.runs / f"mnist-cnn-seed{s}", s) for s in arguments.seeds]
    write_json(
        RESULT,
        {
            "command": "python benchmarks/mnist_variants.py",
            "model": "mnist-cnn",
            "data": "mnist",
            "versions": package_versions(*PACKAGES),
            "host": host_facts(),
            "seeds": seeds,
        },
    )
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
