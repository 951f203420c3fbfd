"""How many calibration pictures int8 needs, how they are best chosen, and whether clipping helps.

    python benchmarks/calibration_study.py RUN…

Each RUN holds a trained model. Every file is judged on the run's validation pictures, because the
default is a choice. Writes ``benchmarks/results/calibration-study.json`` after each run, and the
pictures ``docs/images/calibration-study.png``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.calibration.make import calibration_set
from edgedigits.convert.as_float import to_float_file
from edgedigits.convert.contents import read_contents
from edgedigits.convert.mixed import Ranges, to_quantised
from edgedigits.convert.worker import with_full_range
from edgedigits.device.classifier import Classifier
from edgedigits.device.interpreter import Interpreter
from edgedigits.diagnose.diagnosing import Reference
from edgedigits.diagnose.study import Choice, Judge, study_calibration
from edgedigits.files import write_json
from edgedigits.keras_files import layer_kinds
from edgedigits.model_input import model_input
from edgedigits.provenance import host_facts, package_versions
from edgedigits.run import RunFolder, open_run
from edgedigits.run_data import RunData, load_run_data

RESULT = Path(__file__).parent / "results" / "calibration-study.json"
SAMPLES = (1, 10, 30, 100, 500, 1000)
SEEDS = (0, 1, 2)
# With one seed, stratified and random share most of their pictures.
METHODS = {"stratified": SEEDS, "random": (3, 4, 5), "diverse": SEEDS}
CLIP_SAMPLES = (10, 500)
BINS = 128  # candidates of an end for the least squared error

Values = NDArray[np.float32]
Rule = Callable[[Values], tuple[float, float]]


def lowest_and_highest(values: Values) -> tuple[float, float]:
    """The range of all values."""
    return float(values.min()), float(values.max())


def percentile(share: float) -> Rule:
    """A range beyond which ``100 − share`` per cent of the values lie, half at either end."""

    def rule(values: Values) -> tuple[float, float]:
        low, high = np.percentile(values, [(100 - share) / 2, 100 - (100 - share) / 2])
        return min(0.0, float(low)), max(0.0, float(high))

    return rule


def least_squares(values: Values) -> tuple[float, float]:
    """The range, the true one times a factor, with the least squared error of rounding to int8."""
    low, high = (min(0.0, float(values.min())), max(0.0, float(values.max())))
    sample = values[:: max(1, len(values) // 200_000)]
    errors = []
    factors = np.arange(BINS // 4, BINS + 1) / BINS
    for factor in factors:
        step = (high - low) * factor / 255 or 1.0
        stored = np.clip(np.rint(sample / step), np.rint(low * factor / step), None)
        stored = np.minimum(stored, np.rint(low * factor / step) + 255)
        errors.append(float(((sample - stored * step) ** 2).sum()))
    best = float(factors[int(np.argmin(errors))])
    return low * best, high * best


RULES: dict[str, Rule] = {
    "lowest and highest": lowest_and_highest,
    "99.99 %": percentile(99.99),
    "99.9 %": percentile(99.9),
    "99 %": percentile(99),
    "least squared error": least_squares,
}


def ranges_by_rule(float_file: bytes, inputs: NDArray[np.float32]) -> dict[str, Ranges]:
    """The range of every computed tensor over the inputs, by each rule; the input's is kept."""
    contents = read_contents(float_file, "float32")
    interpreter = Interpreter(float_file, "float32", inside=True)
    computed = [t for t in contents.tensors if t.bytes == 0 and t.name]
    seen: dict[str, list[Values]] = {tensor.name: [] for tensor in computed}
    for picture in inputs:
        interpreter.run(picture[None])
        for tensor in computed:
            seen[tensor.name].append(interpreter.values(tensor.index).reshape(-1))
    entry = contents.tensors[contents.inputs[0]].name
    whole = {name: np.concatenate(values) for name, values in seen.items()}
    return {
        name: {
            tensor: lowest_and_highest(values) if tensor == entry else rule(values)
            for tensor, values in whole.items()
        }
        for name, rule in RULES.items()
    }


def clipping(run: RunFolder, data: RunData) -> Iterator[dict[str, Any]]:
    """int8 and int4 files whose activation ranges follow each rule."""
    with tempfile.TemporaryDirectory(prefix="edgedigits-") as folder:
        keras_file = run.model_file()
        exact = to_float_file(keras_file, Path(folder) / "float32.tflite")
        reference = Reference(Classifier(exact, trust=True), "model.keras", layer_kinds(keras_file))
        judge = Judge(reference, data.validation)
        shape = reference.classifier.shape
        for samples in CLIP_SAMPLES:
            for seed in SEEDS:
                chosen = calibration_set(data, samples=samples, seed=seed)
                inputs = model_input(with_full_range(chosen.images), shape)
                for rule, ranges in ranges_by_rule(exact.read_bytes(), inputs).items():
                    file = Path(folder) / "clipped.tflite"
                    file.write_bytes(to_quantised(exact.read_bytes(), inputs, ranges, four_bits=()))
                    studied = judge.measure(Classifier(file, trust=True))
                    yield {"rule": rule, "samples": samples, "seed": seed} | asdict(studied)


def sets(run: RunFolder, data: RunData) -> Iterator[dict[str, Any]]:
    """int8 files calibrated with sets of each size, chosen in each way."""
    choices = [
        Choice(method, n, seed)
        for n in SAMPLES
        for method, seeds in METHODS.items()
        for seed in seeds
    ]
    for choice, studied in study_calibration(run, data, choices):
        yield asdict(choice) | asdict(studied)


def study(run: RunFolder) -> dict[str, Any]:
    """Both parts, for one run."""
    data = load_run_data(run)
    manifest = run.manifest()
    document: dict[str, Any] = {
        "model": manifest["model"]["name"],
        "data": data.dataset.name,
        "pictures": len(data.validation),
    }
    for name, part in (("sets", sets), ("clipping", clipping)):
        document[name] = []
        for row in part(run, data):
            document[name].append(row)
            print(manifest["model"]["name"], row, file=sys.stderr, flush=True)
    return document


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    found = []
    for path in parser.parse_args().runs:
        found.append(study(open_run(path)))
        write_json(
            RESULT,
            {
                "command": "python benchmarks/calibration_study.py RUN…",
                "versions": package_versions("tensorflow", "ai-edge-quantizer", "ai-edge-litert"),
                "host": host_facts(),
                "runs": found,
            },
        )
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
