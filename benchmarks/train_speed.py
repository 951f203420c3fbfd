"""What a training step of the 82-million-parameter model costs in float32 and in bfloat16.

    python benchmarks/train_speed.py

Both take turns in one process, a few steps a round. Needs about 4 GB.
Writes ``benchmarks/results/train-speed.json``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgedigits.files import write_json
from edgedigits.models.build import build
from edgedigits.models.registry import get_model
from edgedigits.provenance import host_facts, package_versions
from edgedigits.tf_loader import import_tf_keras

RESULT = Path(__file__).parent / "results" / "train-speed.json"
MODEL, BATCH = "alexnet-number", 128
ROUNDS, STEPS = 6, 2


def ways() -> dict[str, Any]:
    """A compiled model a precision, both of the same layers."""
    tf_keras = import_tf_keras("training")
    models = {}
    for precision in ("float32", "bfloat16"):
        model = build(get_model(MODEL), precision)  # type: ignore[arg-type]
        model.compile(tf_keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
        models[precision] = model
    return models


def main() -> None:
    """Entry point."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, 28, 28, 1), dtype=np.float32)
    y = rng.integers(0, 10, BATCH)
    models = ways()
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for round_number in range(ROUNDS + 1):  # the first builds the graphs
        for name, model in models.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                model.train_on_batch(x, y)
            if round_number:
                seconds[name].append((time.perf_counter() - began) / STEPS)
        print(f"round {round_number} of {ROUNDS}", file=sys.stderr)
    base = seconds["float32"]
    rows = [
        {
            "way": name,
            "seconds": statistics.median(values),
            "ratio": statistics.median(v / b for v, b in zip(values, base, strict=True)),
        }
        for name, values in seconds.items()
    ]
    write_json(
        RESULT,
        {
            "command": "python benchmarks/train_speed.py",
            "model": MODEL,
            "batch_size": BATCH,
            "rounds": ROUNDS,
            "rows": rows,
            "versions": package_versions("tensorflow", "tf-keras", "numpy"),
            "host": host_facts(),
        },
    )
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
