"""What evaluating costs: seconds and memory of the whole process, and inference beside a bare loop.

    python benchmarks/evaluate_speed.py runs/benchmark/mnist-cnn-seed0

Also shows what the evaluation loop of the TFLite guide says about the same int8 file. Writes
``benchmarks/results/evaluate-speed.json``.
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
from numpy.typing import NDArray

from edgedigits.device.classifier import BATCH, Classifier
from edgedigits.device.interpreter import load_runtime
from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data

RESULT = Path(__file__).parent / "results" / "evaluate-speed.json"
PROCESS_ROUNDS = 5
LOOP_ROUNDS = 7
PROGRAM = [sys.executable, "-m", "edgedigits.cli.main"]


def whole_process(arguments: list[str]) -> tuple[float, int]:
    """Seconds, and peak resident bytes of the largest process, of one command."""
    began = time.perf_counter()
    child = subprocess.Popen(
        [*PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"edgedigits {' '.join(arguments)} ended with {child.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss * 1024


def median_process(arguments: list[str], rounds: int) -> dict[str, Any]:
    """Medians over several runs."""
    runs = [whole_process(arguments) for _ in range(rounds)]
    return {
        "command": "edgedigits " + " ".join(arguments),
        "runs": rounds,
        "seconds_median": float(np.median([seconds for seconds, _ in runs])),
        "seconds_min": min(seconds for seconds, _ in runs),
        "peak_bytes": max(peak for _, peak in runs),
    }


def bare_loop(data: bytes, values: NDArray[Any], batch: int) -> NDArray[np.int64]:
    """The shortest loop over the interpreter that answers all inputs; ``n`` a multiple of batch."""
    interpreter = load_runtime().Interpreter(model_content=data, num_threads=1)
    source = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(source["index"], [batch, *values.shape[1:]])
    interpreter.allocate_tensors()
    target = interpreter.get_output_details()[0]["index"]
    answers = []
    for start in range(0, len(values), batch):
        interpreter.set_tensor(source["index"], values[start : start + batch])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(target).argmax(axis=1))
    return np.concatenate(answers)


def guide_loop(data: bytes, images: NDArray[np.float32]) -> NDArray[np.int64]:
    """The logic of the TFLite guide's evaluation: rescales for uint8 inputs, and for no other."""
    interpreter = load_runtime().Interpreter(model_content=data)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    target = interpreter.get_output_details()[0]
    answers = np.zeros(len(images), dtype=np.int64)
    for i, image in enumerate(images):
        if source["dtype"] == np.uint8:
            scale, zero_point = source["quantization"]
            image = image / scale + zero_point
        interpreter.set_tensor(source["index"], image[None, ..., None].astype(source["dtype"]))
        interpreter.invoke()
        answers[i] = interpreter.get_tensor(target["index"])[0].argmax()
    return answers


def loops(file: Path, images: NDArray[np.uint8]) -> dict[str, Any]:
    """Our inference and bare loops in interleaved rounds; ratios round by round."""
    data = file.read_bytes()
    classifier = Classifier(file)
    values = classifier.inputs(images)
    whole = len(values) // BATCH * BATCH
    contenders: dict[str, Callable[[], NDArray[np.int64]]] = {
        "edgedigits": lambda: classifier.scores(images[:whole]).argmax(axis=1),
        "bare_batch_1": lambda: bare_loop(data, values[:whole], 1),
        "bare_batch_32": lambda: bare_loop(data, values[:whole], BATCH),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    answers = {}
    for _ in range(LOOP_ROUNDS):
        for name, contender in contenders.items():
            began = time.perf_counter()
            answers[name] = contender()
            seconds[name].append(time.perf_counter() - began)
    if any((answers[name] != answers["edgedigits"]).any() for name in answers):
        raise SystemExit("the loops do not agree on the answers")
    ours = np.asarray(seconds["edgedigits"])
    return {
        "pictures": whole,
        "rounds": LOOP_ROUNDS,
        "seconds_median": {name: float(np.median(times)) for name, times in seconds.items()},
        "ratio_to_bare_batch_1": float(np.median(ours / np.asarray(seconds["bare_batch_1"]))),
        "ratio_to_bare_batch_32": float(np.median(ours / np.asarray(seconds["bare_batch_32"]))),
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run with exports/int8.tflite")
    run = RunFolder(parser.parse_args().run)
    int8 = run.export_file("int8")
    test = load_run_data(run).test
    assert test.labels is not None
    evaluate = median_process(["evaluate", str(int8), "--data", "mnist", "--json"], PROCESS_ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        shutil.copytree(run.path, copy)
        export = median_process(["export", str(copy), "--int8"], 1)
        export_all = median_process(["export", str(copy), "--all"], 1)
    guide = guide_loop(int8.read_bytes(), test.images.astype(np.float32) / np.float32(255))
    ours = Classifier(int8).scores(test.images).argmax(axis=1)
    for document in (evaluate, export, export_all):
        words = document["command"].split()
        document["command"] = " ".join(w if not Path(w).is_absolute() else "RUN" for w in words)
    write_json(
        RESULT,
        {
            "command": "python benchmarks/evaluate_speed.py RUN",
            "model": run.manifest()["model"]["name"],
            "versions": package_versions("ai-edge-litert", "tensorflow", "numpy"),
            "host": host_facts(),
            "evaluate": evaluate,
            "export_int8": export,
            "export_all": export_all,
            "inference": loops(int8, test.images),
            "guide_loop_accuracy": float((guide == test.labels).mean()),
            "edgedigits_accuracy": float((ours == test.labels).mean()),
        },
    )
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
