"""What a training step of the 82-million-parameter model costs: Adam and precision, in turns.

    python benchmarks/train_speed.py

Four ways take turns in one process, each a few steps a round: Keras's own Adam and the fused one,
inner arithmetic in float32 and in bfloat16. Needs about 8 GB.
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

from edgedigits.models.build import build
from edgedigits.models.registry import get_model
from edgedigits.run import host_facts, package_versions, write_json
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train.adam import fused_adam

RESULT = Path(__file__).parent / "results" / "train-speed.json"
MODEL, BATCH = "alexnet-number", 128
ROUNDS, STEPS = 5, 2


def ways() -> dict[str, Any]:
    """A compiled model a way, all of the same layers."""
    tf_keras = import_tf_keras("training")
    models = {}
    for precision in ("float32", "bfloat16"):
        for name, optimiser in (("Keras", tf_keras.optimizers.Adam), ("fused", fused_adam)):
            model = build(get_model(MODEL), precision)  # type: ignore[arg-type]
            model.compile(optimiser(0.001), "sparse_categorical_crossentropy")
            models[f"{name} Adam, {precision}"] = model
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
    base = seconds["Keras Adam, float32"]
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
