"""What each technique adds to one rung of the ladder, ``mnist-8k``.

    python benchmarks/ablations.py --teacher runs/teacher-mnist [--epochs 40] [--seed 0 --seed 1]

Each variant differs from the recipe in one thing. It is trained with the same seeds for the same
number of epochs, far fewer than the shipped file's, converted to a slim int8 file, and judged by
the teacher's validation part: the test pictures are not looked at. MNIST lies under
EDGEDIGITS_DATA. Writes ``benchmarks/results/ablations.json`` after each training; what is in it
already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgedigits.augment import DIGITS
from edgedigits.calibration.choose import choose
from edgedigits.convert.qat import QatSettings, quantisation_aware
from edgedigits.convert.recipes import RECIPES
from edgedigits.convert.slim import slim
from edgedigits.convert.tflite import to_tflite
from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data
from edgedigits.device.classifier import Classifier
from edgedigits.files import write_json
from edgedigits.model_input import model_input
from edgedigits.models.build import Precision, build
from edgedigits.models.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Depthwise,
    Flatten,
    GlobalPool,
    Layer,
    MaxPool,
)
from edgedigits.models.registry import get_model
from edgedigits.models.spec import ModelSpec
from edgedigits.progress import SILENT
from edgedigits.provenance import host_facts, package_versions
from edgedigits.prune.channels import remove, strongest
from edgedigits.prune.sequential import assemble, chain
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData, apply_split
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train.averaging import averaged
from edgedigits.train.batches import statistics_inputs
from edgedigits.train.distillation import Teacher, load_teacher, mean_targets, teachers_split
from edgedigits.train.fitting import fit
from edgedigits.train.lessons import lessons
from edgedigits.train.measuring import measure
from edgedigits.train.schedules import Schedule
from edgedigits.train.state import save_model

RESULT = Path(__file__).parent / "results" / "ablations.json"
RUNG = "mnist-8k"
SPAN = (0.0, 1.0)
BATCH, RATE, STRENGTH, VIEWS = 128, 0.004, 0.5, 10
CALIBRATION = 500  # pictures

Document = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """The recipe of the rung with one thing changed.

    Attributes:
        name: what is changed.
        layers: None: the rung's.
        strength: of the augmentation; None: pictures as they are.
        taught: by the teacher's answer to each changed copy, by its mean answer, or by labels.
        pruned: share of the filters that are removed half way.
        aware: epochs of quantisation-aware training after the others.
    """

    name: str
    layers: tuple[Layer, ...] | None = None
    strength: float | None = STRENGTH
    taught: str = "views"
    temperature: float = 2.0
    schedule: Schedule = "cosine"
    average: bool = False
    precision: Precision = "float32"
    pruned: float = 0.0
    aware: int = 0

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        rung = get_model(RUNG)
        return rung if self.layers is None else replace(rung, layers=self.layers)


def conv(filters: int, kernel: int = 3) -> tuple[Layer, ...]:
    """A convolution with normalisation."""
    return (Conv(filters, kernel, activation=None), BatchNorm(0.9), Activation())


def separable(filters: int) -> tuple[Layer, ...]:
    """A convolution of each channel, then one across them."""
    return (Depthwise(activation=None), BatchNorm(0.9), Activation(), *conv(filters, 1))


def blocks(*sizes: tuple[int, ...]) -> tuple[Layer, ...]:
    """Plain convolutions with pooling between the blocks."""
    layers: list[Layer] = []
    for number, filters in enumerate(sizes):
        layers += [MaxPool()] if number else []
        layers += [layer for count in filters for layer in conv(count)]
    return tuple(layers)


HEAD = (GlobalPool(), Dense(10, activation="softmax"))
SEPARABLE = (
    *conv(12), MaxPool(), *separable(24), MaxPool(), *separable(32), *separable(32), *HEAD
)  # fmt: skip
SHALLOW = (*blocks((8,), (12,), (16, 16)), *HEAD)
FLATTENED = (
    *blocks((6, 6), (10, 12), (12,)),
    MaxPool(),
    Flatten(),
    Dense(10, activation="softmax"),
)
WIDER = (*blocks((9, 9), (15, 18), (18, 18)), *HEAD)
VARIANTS = (
    Variant("the recipe"),
    Variant("no augmentation", strength=None),
    Variant("augmentation at full strength", strength=1.0),
    Variant("labels only, no teacher", taught="labels"),
    Variant("teacher's mean answer for a picture", taught="mean"),
    Variant("teacher at temperature 1", temperature=1.0),
    Variant("constant learning rate", schedule="constant"),
    Variant("learning rate with restarts", schedule="restarts"),
    Variant("mean of the weights", average=True),
    Variant("bfloat16", precision="bfloat16"),
    Variant("four wider convolutions, not six", layers=SHALLOW),
    Variant("depthwise-separable convolutions", layers=SEPARABLE),
    Variant("flattened, not the mean of each channel", layers=FLATTENED),
    Variant("wider, a third of the filters pruned half way", layers=WIDER, pruned=1 / 3),
    Variant("two epochs of quantisation-aware training", aware=2),
)


@dataclass(frozen=True)
class Lesson:
    """What all variants learn from."""

    run: RunFolder
    teacher: Teacher
    data: RunData


def lesson(run: RunFolder) -> Lesson:
    """The teacher, and MNIST divided as it was."""
    folder = os.environ.get("EDGEDIGITS_DATA")
    dataset = load_data("mnist", data_dir=Path(folder) if folder else None)
    spec = get_model(RUNG)
    teacher = load_teacher(run, spec.input_shape, spec.classes)
    return Lesson(run, teacher, apply_split(dataset, teachers_split([run], dataset)))


def material(variant: Variant, given: Lesson) -> Document:
    """What :func:`fit` learns from: lessons, or targets with augmentation, or labels with it."""
    change = None if variant.strength is None else DIGITS.scaled(variant.strength)
    train = given.data.train
    if variant.taught == "labels":
        return {"augmentation": change}
    if variant.taught == "mean":
        targets = mean_targets([given.teacher], train, change)
        return {"augmentation": change, "targets": targets}
    views = 1 if change is None else VIEWS
    taught = lessons(
        [given.run], [given.teacher], train, change, views=views, temperature=variant.temperature
    )
    return {"lessons": taught}


def trained(variant: Variant, given: Lesson, epochs: int, seed: int) -> Any:
    """The model after all epochs: none is chosen, so that chance chooses none either."""
    import_tf_keras().utils.set_random_seed(seed)
    spec = variant.spec
    model = build(spec, variant.precision)
    common = {
        "batch_size": BATCH,
        "learning_rate": RATE,
        "schedule": variant.schedule,
        "average": variant.average,
        "input_shape": spec.input_shape,
        **material(variant, given),
    }
    parts = (given.data.train, given.data.validation)
    if variant.pruned:
        first = epochs // 2
        fit(model, *parts, epochs=first, seed=seed, **common)
        links = chain(model)
        model = assemble(remove(links, strongest(links, variant.pruned)), spec.input_shape)
        epochs -= first
    fit(model, *parts, epochs=epochs, seed=seed, **common)
    if variant.average:
        change = None if variant.strength is None else DIGITS.scaled(variant.strength)
        inputs = statistics_inputs(
            given.data.train, seed=seed, augmentation=change, input_shape=spec.input_shape
        )
        with averaged(model, inputs):
            kept = model.get_weights()
        model.set_weights(kept)
    return model


def as_int8(variant: Variant, model: Any, data: RunData, folder: Path) -> tuple[Any, bytes]:
    """The float model that is kept, and its slim int8 file."""
    run = RunFolder(folder)
    save_model(model, run.model_file())
    kept = import_tf_keras().models.load_model(run.model_file())
    shape = variant.spec.input_shape
    chosen = choose(data.train, samples=CALIBRATION, method="stratified", seed=0)
    inputs = model_input(data.train.images[chosen], shape, SPAN)
    recipe, source = RECIPES["int8"], kept
    if variant.aware:
        write_json(run.manifest_file, {})  # where the fine-tuning is recorded
        settings = QatSettings(epochs=variant.aware, batch_size=BATCH)
        source = quantisation_aware(kept, run, data, settings, SPAN, inputs, SILENT)
        recipe = RECIPES["qat-int8"]
    return kept, slim(to_tflite(source, recipe, input_shape=shape, representative=inputs))


def measured(variant: Variant, given: Lesson, epochs: int, seed: int) -> Document:
    """One training and its file, by the validation part."""
    model = trained(variant, given, epochs, seed)
    validation: Pictures = given.data.validation
    assert validation.labels is not None
    with tempfile.TemporaryDirectory() as folder:
        kept, data = as_int8(variant, model, given.data, Path(folder))
        file = Path(folder) / "int8.tflite"
        file.write_bytes(data)
        answers = Classifier(file, trust=True).scores(validation.images).argmax(axis=1)
    loss, right = measure(kept, validation, variant.spec.input_shape)
    return {
        "variant": variant.name,
        "seed": seed,
        "bytes": len(data),
        "parameters": int(kept.count_params()),
        "float_validation_accuracy": right,
        "float_validation_loss": loss,
        "validation_accuracy": float((answers == validation.labels).mean()),
    }


def document(rows: list[Document], epochs: int, n: int) -> Document:
    """As written."""
    settings = {v.name: {k: x for k, x in asdict(v).items() if k != "layers"} for v in VARIANTS}
    return {
        "command": "python benchmarks/ablations.py --teacher RUN",
        "rung": RUNG,
        "epochs": epochs,
        "n": n,
        "settings": settings,
        "rows": rows,
        "versions": package_versions("tensorflow", "tf-keras", "ai-edge-litert", "numpy"),
        "host": host_facts(),
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teacher", type=Path, required=True, metavar="RUN")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, action="append", help="may be repeated; default: 0")
    parser.add_argument("--out", type=Path, default=RESULT, help="where to write the result")
    asked = parser.parse_args()
    given = lesson(RunFolder(asked.teacher))
    rows: list[Document] = []
    if asked.out.is_file():
        before = json.loads(asked.out.read_text(encoding="utf-8"))
        rows = before["rows"] if before["epochs"] == asked.epochs else []
    done = {(row["variant"], row["seed"]) for row in rows}
    for seed in asked.seed or [0]:
        for variant in VARIANTS:
            if (variant.name, seed) in done:
                continue
            rows.append(measured(variant, given, asked.epochs, seed))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            write_json(asked.out, document(rows, asked.epochs, len(given.data.validation)))


if __name__ == "__main__":
    main()
