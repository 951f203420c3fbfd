"""The child process of an export: loads the models once, makes one file after another.

Conversion runs apart from the program because the converter leaks memory with every call and can
end the process. Told by a job file what to do, the child answers with one JSON line an event on
standard output; TensorFlow's own output goes to standard error, which the parent keeps as a log.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from edgedigits.convert.recipes import RECIPES, Recipe
from edgedigits.errors import ConversionError, EdgedigitsError
from edgedigits.files import file_digest, writing
from edgedigits.provenance import package_versions
from edgedigits.run import RunFolder

VERSIONED = (
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
    "ai-edge-quantizer",
    "numpy",
)
LARGE = 20_000_000  # parameters; see docs/benchmarks.md, "int8 of a large model"


@dataclass(frozen=True)
class Task:
    """One file to make: by which recipe, of which Keras model, calibrated on which pictures.

    ``layers`` are the Dense layers that ``int4`` gives four bits; empty: all of them.
    """

    variant: str
    source: str
    recipe: str
    calibration: str
    target: str
    layers: tuple[str, ...] = ()


class Events:
    """Writes one JSON line an event. It is also the Progress of what runs in the child."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def send(self, **event: Any) -> None:
        """Write an event."""
        self._stream.write(json.dumps(event) + "\n")
        self._stream.flush()

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        """Pass progress on."""
        self.send(event="progress", what=what, done=done, total=total, note=note)

    def say(self, line: str) -> None:
        """Pass a line on."""
        self.send(event="say", line=line)


class Job:
    """What the job file asks for, and what its tasks share."""

    def __init__(self, document: dict[str, Any], events: Events) -> None:
        self.run = RunFolder(Path(document["run"]))
        self.data_dir = None if document["data_dir"] is None else Path(document["data_dir"])
        self.qat = document["qat"]
        self.tasks = [Task(**task) for task in document["tasks"]]
        self.events = events
        self.manifest = self.run.manifest()
        model = self.run.recorded("model", "name", "input_shape", "input_range")
        low, high = model["input_range"]
        self.input_range = (float(low), float(high))
        self.input_shape = tuple(model["input_shape"])
        self._models: dict[str, Any] = {}
        self._equalised: dict[tuple[str, str], Any] = {}
        self._float_files: dict[int, bytes] = {}  # by the model's identity
        self._ranges: dict[tuple[str, str], Any] = {}

    @cached_property
    def data(self) -> Any:
        """The run's data, for recipes that train."""
        from edgedigits.run_data import load_run_data

        return load_run_data(self.run, data_dir=self.data_dir)

    def model(self, source: str) -> Any:
        """One of the run's Keras models, loaded once."""
        if source not in self._models:
            from edgedigits.keras_files import load_keras

            self._models[source] = load_keras(self.run.model_file(source))
        return self._models[source]

    def inputs(self, calibration: str) -> NDArray[np.float32]:
        """The calibration set as model inputs."""
        from edgedigits.model_input import model_input

        with np.load(calibration, allow_pickle=False) as stored:
            images = np.array(stored["images"], dtype=np.uint8)
        return model_input(with_full_range(images), self.input_shape, self.input_range)

    def equalised(self, source: str, calibration: str) -> Any:
        """A model with its scales moved so that eight bits hold its weights; made once."""
        if (source, calibration) not in self._equalised:
            from edgedigits.convert.equalise import equalise, pairs

            model = self.model(source)
            if type(model).__name__ == "Sequential" and pairs(model):
                copy = type(model).from_config(model.get_config())
                copy.set_weights(model.get_weights())
                equalise(copy, self.inputs(calibration))
                model = copy
            self._equalised[source, calibration] = model
        return self._equalised[source, calibration]

    def float_file(self, source: str, calibration: str = "") -> bytes:
        """The float32 conversion of a model, or of the equalised one; made once."""
        model = self.equalised(source, calibration) if calibration else self.model(source)
        if id(model) not in self._float_files:
            from edgedigits.convert.tflite import to_tflite

            self._float_files[id(model)] = to_tflite(
                model, RECIPES["float32"], input_shape=self.input_shape
            )
        return self._float_files[id(model)]

    def ranges(self, source: str, calibration: str) -> Any:
        """Ranges of the equalised model's tensors over the calibration set, found once."""
        if (source, calibration) not in self._ranges:
            from edgedigits.convert.mixed import true_ranges

            self._ranges[source, calibration] = true_ranges(
                self.float_file(source, calibration), self.inputs(calibration), self.input_range
            )
        return self._ranges[source, calibration]


def with_full_range(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pictures with one pixel at 0 and one at 255 somewhere among them.

    The input's scale follows from the range seen. With the whole range of a byte it is 1/255 and
    the device can feed ``pixel − 128``; without, each model would ask for its own arithmetic.

    Args:
        images: uint8 ``[n, h, w]``.
    """
    images = images.copy()
    flat = images.reshape(-1)
    if flat.max() < 255:
        flat[flat.argmax()] = 255
    if flat.min() > 0:
        flat[flat.argmin()] = 0
    return images


def recipe_for(job: Job, task: Task) -> Recipe:
    """The recipe of a task; int8 of a large model by the tool that needs less memory."""
    recipe = RECIPES[task.recipe]
    if task.layers:
        return replace(recipe, weights=f"int4 ({', '.join(task.layers)}), int8")
    if recipe.name == "int8" and job.model(task.source).count_params() > LARGE:
        return replace(recipe, tool="ai-edge-quantizer")
    return recipe


def convert(job: Job, task: Task, recipe: Recipe) -> bytes:
    """Make one file, without metadata."""
    from edgedigits.convert.tflite import to_tflite

    if recipe.weights == "float32":
        return job.float_file(task.source)
    if recipe.tool == "ai-edge-quantizer":
        from edgedigits.convert.mixed import to_quantised

        return to_quantised(
            job.float_file(task.source, task.calibration),
            job.inputs(task.calibration),
            job.ranges(task.source, task.calibration),
            four_bits=() if recipe.name == "int8" else task.layers or None,
        )
    if recipe.weights == "int8" and not recipe.trains:
        model = job.equalised(task.source, task.calibration)
    else:
        model = job.model(task.source)
    if recipe.trains:
        from edgedigits.convert.qat import QatSettings, quantisation_aware

        model = quantisation_aware(
            model,
            job.run,
            job.data,
            QatSettings(**job.qat),
            job.input_range,
            job.inputs(task.calibration),
            job.events,
        )
    representative = job.inputs(task.calibration) if recipe.calibrated else None
    return to_tflite(model, recipe, input_shape=job.input_shape, representative=representative)


def check(data: bytes, recipe: Recipe, variant: str) -> None:
    """Refuse a file that is not what its recipe says.

    Raises:
        ConversionError: an integer recipe left a float tensor inside, or a Dense layer has scales
            by channel where one was asked for; names the operation.
    """
    from edgedigits.convert.contents import read_contents

    contents = read_contents(data, variant)
    if not recipe.integer:
        return
    floats = contents.floats()
    if floats:
        op, tensor = floats[0]
        raise ConversionError(
            f"{variant}: not an integer model: {op.name} (operation {op.index}) uses the "
            f"{tensor.dtype.lower()} tensor '{tensor.name}'; {len(floats)} such tensors in all"
        )
    if not recipe.dense_per_tensor:
        return
    for op in contents.ops:
        if op.name == "FULLY_CONNECTED" and len(contents.tensors[op.inputs[1]].scales) > 1:
            raise ConversionError(
                f"{variant}: {op.name} (operation {op.index}) has weights with a scale a channel, "
                "although one was asked for"
            )


def finish(job: Job, task: Task, data: bytes) -> bytes:
    """Put labels, preprocessing and digests into the file."""
    from edgedigits.convert.stamp import stamp
    from edgedigits.device.metadata import Metadata
    from edgedigits.preprocess import Preprocessing

    recipe = recipe_for(job, task)
    digests = {
        "model": file_digest(job.run.model_file(task.source)),
        "data": job.manifest["data"]["digest"],
    }
    if recipe.calibrated:
        digests["calibration"] = _calibration_digest(task.calibration)
    low, high = job.input_range
    return stamp(
        data,
        Metadata(
            variant=task.variant,
            source=task.source,
            model=job.manifest["model"]["name"],
            recipe=recipe.to_json(),
            labels=tuple(job.manifest["data"]["class_names"]),
            preprocessing=Preprocessing(low=low, high=high),
            output=_output_kind(job, task),
            data=job.manifest["data"]["name"],
            digests=digests,
            versions=package_versions(*VERSIONED),
        ),
    )


def _calibration_digest(calibration: str) -> str:
    from edgedigits.data.dataset import Pictures

    with np.load(calibration, allow_pickle=False) as stored:
        return Pictures(np.array(stored["images"], dtype=np.uint8), None).digest


def _output_kind(job: Job, task: Task) -> str:
    from edgedigits.train.measuring import are_probabilities

    values = job.inputs(task.calibration)[:32]
    outputs = np.asarray(job.model(task.source)(values, training=False), dtype=np.float32)
    return "probabilities" if are_probabilities(outputs) else "logits"


def work(job: Job) -> None:
    """All tasks, one after the other; one that fails does not stop the rest."""
    for task in job.tasks:
        job.events.send(event="start", variant=task.variant)
        began = time.perf_counter()
        try:
            data = convert(job, task, recipe_for(job, task))
            check(data, RECIPES[task.recipe], task.variant)
            finished = finish(job, task, data)
            with writing(Path(task.target)):
                Path(task.target).write_bytes(finished)
        except EdgedigitsError as error:
            job.events.send(event="failed", variant=task.variant, message=str(error))
            continue
        except Exception as error:
            traceback.print_exc()  # to the log; the user gets one line
            reason = " ".join(str(error).split())[:200]
            message = f"{task.variant}: {type(error).__name__}: {reason}"
            job.events.send(event="failed", variant=task.variant, message=message)
            continue
        seconds = time.perf_counter() - began
        job.events.send(event="done", variant=task.variant, seconds=seconds)


def _end_with_parent() -> None:
    """End when the parent does: its end of standard input closes then, however it ended."""

    def watch() -> None:
        os.read(0, 1)  # not sys.stdin: its lock would be held when the interpreter ends
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    """Entry point of the child: ``python -m edgedigits.convert.worker JOB.json``."""
    events = Events(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)  # whatever else writes to standard output must not mix with the events
    _end_with_parent()
    try:
        document = json.loads(Path(sys.argv[1]).read_text())
        from edgedigits.tf_loader import import_tf_keras

        events.send(event="progress", what="loading TensorFlow", done=0, total=None, note="")
        import_tf_keras("export")
        work(Job(document, events))
    except EdgedigitsError as error:
        events.send(event="fatal", message=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
