"""The small int8 files of ``edgedigits/zoo``: bytes, accuracy, robustness, latency, memory.

    python benchmarks/ladder.py --reference runs/mnist-cnn/exports/int8.tflite [FILE…]

Without FILE every file of the ladder. Beside NAME.tflite, NAME.json says how it was made: ``data``,
``seeds`` (``seed, validation_accuracy, test_accuracy, float_test_accuracy``) and ``shipped_seed``.
The reference is ``mnist-cnn``'s int8 file, whose latency is measured in the same rounds. MNIST and
Fashion-MNIST lie under EDGEDIGITS_DATA. Writes ``benchmarks/results/ladder.json``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import micro
import numpy as np

from edgedigits.convert.arena import plan_arena
from edgedigits.convert.contents import Contents, read_contents
from edgedigits.data.builtin import load_digits
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.data.registry import load_data
from edgedigits.device.classifier import Classifier
from edgedigits.device.interpreter import Kernels
from edgedigits.device.latency import Latency, measure_latency
from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.robustness import DISTORTIONS
from edgedigits.zoo import reader_file

RESULT = Path(__file__).parent / "results" / "ladder.json"
ROUNDS = 50
PICTURES = 64  # for latency, taken in turn
KERNELS: dict[Kernels, str] = {"default": "latency", "built-in": "builtin"}
SEED = 0  # of the distortions
ENOUGH_SEEDS = 3

KIB = 1024
AIMS = (
    ("mnist", 8 * KIB, 0.9925, "mnist-8k"),
    ("mnist", 16 * KIB, 0.9955, "mnist-16k"),
    ("mnist", 32 * KIB, 0.9970, "mnist-32k"),
    ("mnist", 64 * KIB, 0.9975, "mnist-32k"),
    ("mnist", None, 0.9980, "mnist-32k"),
    ("fashion-mnist", 32 * KIB, 0.925, "fashion-32k"),
    ("fashion-mnist", 64 * KIB, 0.935, "fashion-64k"),
    ("fashion-mnist", 256 * KIB, 0.945, "fashion-256k"),
)  # data, bytes at most, mean test accuracy at least, and the file made for it

Document = dict[str, Any]


def ladder_files(folder: Path) -> list[Path]:
    """Every model of a folder but the reader of frames, the smallest first."""
    files = [file for file in folder.glob("*.tflite") if file.name != reader_file().name]
    return sorted(files, key=lambda file: file.stat().st_size)


def data_of(notes: Document, classifier: Classifier) -> str:
    """The data set that a file is for, as its notes or else its metadata say."""
    named = notes.get("data")
    if isinstance(named, dict):
        named = named.get("name")
    if named is None and classifier.metadata is not None:
        named = classifier.metadata.data
    if named not in ("mnist", "fashion-mnist"):
        raise SystemExit(f"{classifier.path}: says it is for {named}, not mnist or fashion-mnist")
    return str(named)


@cache
def data_set(name: str) -> DataSet:
    """``mnist`` or ``fashion-mnist``, read once."""
    folder = os.environ.get("EDGEDIGITS_DATA")
    return load_data(name, data_dir=Path(folder) if folder else None)


def accuracy(classifier: Classifier, pictures: Pictures) -> float:
    """Share of right answers, 0 to 1."""
    answers = classifier.scores(pictures.images).argmax(axis=1)
    return float(np.mean(answers == pictures.labels))


def small_digits() -> Pictures:
    """All 1,797 embedded digits: 8×8 pixels, enlarged by the preprocessor."""
    digits = load_digits()
    assert digits.test is not None
    assert digits.train.labels is not None
    assert digits.test.labels is not None
    return Pictures(
        np.concatenate([digits.train.images, digits.test.images]),
        np.concatenate([digits.train.labels, digits.test.labels]),
    )


def harder_parts(test: Pictures) -> Iterator[tuple[str, Pictures]]:
    """Other digits, and the test pictures distorted, each way from the same seed."""
    yield "digits 8×8", small_digits()
    for name, distort in DISTORTIONS.items():
        rng = np.random.default_rng(SEED)
        yield name, Pictures(distort(test.images, rng), test.labels)


@cache
def harder() -> tuple[tuple[str, Pictures], ...]:
    """The harder parts for MNIST's test pictures."""
    test = data_set("mnist").test
    assert test is not None
    return tuple(harder_parts(test))


def parameters(contents: Contents) -> int:
    """Quantised numbers that the file stores."""
    return sum(math.prod(t.shape) for t in contents.tensors if t.bytes and t.scales)


def micro_arena(file: Path, least: int) -> int | None:
    """The smallest arena in which TensorFlow Lite Micro runs a file here; None: not installed.

    Args:
        file: the model. least: bytes that it needs in any case.
    """
    if not micro.installed():
        return None
    with micro.Micro(file) as runtime:
        return runtime.smallest(least)


def notes_of(file: Path) -> Document:
    """What NAME.json beside the file says; nothing where there is none."""
    beside = file.with_suffix(".json")
    found: Document = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    return found


def row(file: Path, classifier: Classifier) -> Document:
    """Everything about a file but its latency."""
    data, notes = file.read_bytes(), notes_of(file)
    contents = read_contents(data, str(file))
    arena = plan_arena(contents, str(file))
    name = data_of(notes, classifier)
    test = data_set(name).test
    assert test is not None
    own = accuracy(classifier, test)
    seeds, shipped = notes.get("seeds", []), notes.get("shipped_seed")
    for seed in seeds:
        if seed["seed"] == shipped and abs(seed["test_accuracy"] - own) > 1e-4:
            recorded = f"{file.stem}.json says {seed['test_accuracy']:.4f}"
            print(f"{file}: {own:.4f} here, {recorded}", file=sys.stderr)
    return {
        "name": file.stem,
        "data": name,
        "bytes": len(data),
        "parameters": parameters(contents),
        "n": len(test),
        "accuracy": own,
        "robustness": None
        if name != "mnist"
        else {part: accuracy(classifier, pictures) for part, pictures in harder()},
        "arena_head": arena.head,
        "arena_estimate": arena.bytes,
        "arena_micro": micro_arena(file, arena.head),
        "seeds": seeds,
        "shipped_seed": shipped,
    }


def ratio(own: Latency, reference: Latency) -> float:
    """Median of the ratios by round."""
    pairs = zip(own.round_p50_us, reference.round_p50_us, strict=True)
    return statistics.median(a / b for a, b in pairs)


def with_latency(rows: list[Document], files: list[Path], reference: Path | None) -> None:
    """Add to each row its latency, and that of the reference as a ratio; without XNNPACK too."""
    if not rows:
        return
    for kernels, prefix in KERNELS.items():
        measured = [Classifier(file, kernels=kernels) for file in files]
        measured += [] if reference is None else [Classifier(reference, kernels=kernels)]
        latencies = measure_latency(measured, small_digits().images[:PICTURES], rounds=ROUNDS)
        for entry, latency in zip(rows, latencies, strict=False):
            entry[f"{prefix}_us_p50"] = latency.p50_us
            entry[f"{prefix}_ratio"] = None if reference is None else ratio(latency, latencies[-1])


def judged(rows: list[Document]) -> list[Document]:
    """Each aim beside the file that was made for it.

    Named beforehand, not chosen here: the files are not all validated by the same pictures, so that
    their validation accuracies cannot be held against each other. ``met`` is None where the file's
    notes hold fewer than three seeds, or it was not measured.
    """
    by_name = {entry["name"]: entry for entry in rows}
    results = []
    for data, limit, aim, name in AIMS:
        made = by_name.get(name)
        tests = [] if made is None else [seed["test_accuracy"] for seed in made["seeds"]]
        enough = len(tests) >= ENOUGH_SEEDS
        fits = made is not None and (limit is None or made["bytes"] <= limit)
        results.append(
            {
                "data": data,
                "limit": limit,
                "aim": aim,
                "name": None if made is None else name,
                "bytes": None if made is None else made["bytes"],
                "test_accuracies": tests,
                "met": fits and round(statistics.fmean(tests), 6) >= aim if enough else None,
            }
        )
    return results


def measure(files: list[Path], reference: Path | None) -> Document:
    """The whole document."""
    rows = []
    for file in files:
        rows.append(row(file, Classifier(file)))
        print(f"{file.name}: {100 * rows[-1]['accuracy']:.2f} %", file=sys.stderr)
    with_latency(rows, files, reference)
    return {
        "rows": rows,
        "aims": judged(rows),
        "reference": None
        if reference is None
        else {"name": "mnist-cnn int8", "bytes": reference.stat().st_size},
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--reference", type=Path, metavar="FILE", help="mnist-cnn's int8 file")
    parser.add_argument("--out", type=Path, default=RESULT, help="where to write the result")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    files = asked.files or ladder_files(reader_file().parent)
    document = {
        "command": "python benchmarks/ladder.py --reference FILE",
        **measure(files, asked.reference),
        "versions": package_versions("ai-edge-litert", "tflite-micro", "numpy"),
        "host": host_facts(),
    }
    write_json(asked.out, document)
    print(f"written: {asked.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
