"""The same float weights through other runtimes' int8, beside ours: bytes, accuracy, latency.

    python -m venv peers-env
    peers-env/bin/pip install . -r benchmarks/peers/requirements.txt
    peers-env/bin/python benchmarks/peers/measure.py peers/r3-0 [FOLDER…] --data-dir FOLDER

Each folder is one that ``make.py`` wrote. Everything runs on one core. Writes
``benchmarks/results/peers.json``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from contenders import Contender, contenders
from numpy.typing import NDArray

from edgedigits.data.registry import load_data
from edgedigits.files import write_json
from edgedigits.metrics import compare_paired
from edgedigits.provenance import host_facts, package_versions

RESULT = Path(__file__).parents[1] / "results" / "peers.json"
REFERENCE = "converter-int8"
FLOAT = "float32"
ROUNDS = 30
ROUND_SECONDS = 0.02  # a contender's turn
WHOLE_ROUNDS = 7  # over all pictures
WARM_UP = 20  # calls that do not count
VERSIONS = ("ai-edge-litert", "onnxruntime", "onnx", "openvino", "nncf", "numpy")


def one_at_a_time(entrants: list[Contender], images: NDArray[np.uint8]) -> dict[str, list[float]]:
    """Median microseconds of one picture, by contender and round, in interleaved turns."""
    inputs = {
        entrant.name: [entrant.prepare(image[None]) for image in images] for entrant in entrants
    }
    rounds: dict[str, list[float]] = {entrant.name: [] for entrant in entrants}
    for number in range(ROUNDS + 1):
        for entrant in entrants:
            pictures = inputs[entrant.name]
            times: list[float] = []
            end = time.perf_counter() + ROUND_SECONDS
            while time.perf_counter() < end or len(times) < WARM_UP:
                picture = pictures[len(times) % len(pictures)]
                began = time.perf_counter()
                entrant.run(picture)
                times.append(time.perf_counter() - began)
            if number:  # the first is for warming up
                rounds[entrant.name].append(1e6 * float(np.median(times)))
    return rounds


def all_of_them(
    entrants: list[Contender], images: NDArray[np.uint8]
) -> tuple[dict[str, list[float]], dict[str, NDArray[np.float32]]]:
    """Seconds for all pictures from uint8 to scores, by contender and round, and the scores."""
    seconds: dict[str, list[float]] = {entrant.name: [] for entrant in entrants}
    scores = {}
    for number in range(WHOLE_ROUNDS + 1):
        for entrant in entrants:
            began = time.perf_counter()
            scores[entrant.name] = entrant.scores(images)
            if number:
                seconds[entrant.name].append(time.perf_counter() - began)
    return seconds, scores


def measure(folder: Path, data_dir: Path | None) -> dict[str, Any]:
    """One run's weights, in every contender's form."""
    about = json.loads((folder / "about.json").read_text())
    test = load_data(about["data"], data_dir=data_dir).test
    assert test is not None
    assert test.labels is not None
    entrants = contenders(folder, about["model"])
    latency = one_at_a_time(entrants, test.images[:200])
    seconds, scores = all_of_them(entrants, test.images)
    rows = []
    for entrant in entrants:
        data = b"".join(file.read_bytes() for file in entrant.files)
        against_float = compare_paired(test.labels, scores[FLOAT], scores[entrant.name])
        ours = {
            name: compare_paired(test.labels, scores[entrant.name], scores[name])
            for name in scores
            if name.startswith("ours-")
        }
        rows.append(
            {
                "name": entrant.name,
                "bytes": len(data),
                "gzip_bytes": len(gzip.compress(data, 9, mtime=0)),
                "accuracy": float((scores[entrant.name].argmax(axis=1) == test.labels).mean()),
                "drop": against_float.drop,
                "drop_low": against_float.drop_low,
                "drop_high": against_float.drop_high,
                "ours_behind": {
                    name: {
                        "points": pair.drop,
                        "lost": pair.lost,
                        "gained": pair.gained,
                        "mcnemar_p": pair.mcnemar_p,
                    }
                    for name, pair in ours.items()
                },
                "latency_us": float(np.median(latency[entrant.name])),
                "latency_ratio": _ratio(latency, entrant.name),
                "all_seconds": float(np.median(seconds[entrant.name])),
                "all_ratio": _ratio(seconds, entrant.name),
            }
        )
    return {**about, "pictures": len(test.images), "rows": rows}


def _ratio(by_round: dict[str, list[float]], name: str) -> float:
    return float(np.median(np.asarray(by_round[name]) / np.asarray(by_round[REFERENCE])))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="folders that make.py wrote")
    parser.add_argument("--data-dir", type=Path, help="folder with mnist/ and fashion-mnist/")
    parser.add_argument("--core", type=int, default=0, help="the processor to run on")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    runs = []
    for folder in options.folders:
        runs.append(measure(folder, options.data_dir))
        print(f"measured: {folder}", file=sys.stderr)
    write_json(
        RESULT,
        {
            "command": "python benchmarks/peers/measure.py FOLDER…",
            "reference": REFERENCE,
            "rounds": {"latency": ROUNDS, "all": WHOLE_ROUNDS},
            "versions": package_versions(*VERSIONS),
            "host": host_facts(),
            "python": platform.python_version(),
            "runs": runs,
        },
    )
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
