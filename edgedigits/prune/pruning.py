"""Pruning the model of a run, retraining it, and writing down what it cost and saved."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from edgedigits.augment import Augmentation
from edgedigits.errors import TrainingError, UsageError
from edgedigits.keras_files import facts_of, load_keras
from edgedigits.model_input import Range, Shape
from edgedigits.progress import SILENT, Progress
from edgedigits.prune import magnitude
from edgedigits.prune.channels import remove, strongest
from edgedigits.prune.counting import count_layers
from edgedigits.prune.retraining import Retraining, retrain
from edgedigits.prune.sequential import assemble, chain
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData, load_run_data
from edgedigits.train import EpochResult, measure, save_model
from edgedigits.train.settings import above_0, augmentation_for, recorded_augmentation

Method = Literal["magnitude", "channels"]

FILES: dict[Method, str] = {"magnitude": "pruned", "channels": "channels"}
SPARSITY: dict[Method, float] = {"magnitude": 0.8, "channels": 0.5}
EPOCHS = 4
STEPS = 400  # retraining takes at least about as many, in epochs of a small data set
LEARNING_RATE = 0.001
BATCH_SIZE = 32


@dataclass(frozen=True)
class PruneSettings:
    """How to prune.

    Attributes:
        method: ``"magnitude"``: single weights become zero; ``"channels"``: whole filters and
            units go.
        sparsity: share of the weights, or of the filters and units of each layer, above 0 and
            below 1; None: 0.8 of the weights, 0.5 of the filters and units.
        epochs: of retraining; None: 4, or more where the data is small.
        learning_rate: Adam's at the start; it falls to 0 on a cosine.
        seed: of the order of the pictures.
        batch_size: pictures a step; None: as the run was trained, or 32.
        augment: whether pictures are changed while retraining, as the run's own training would;
            None: as its training did.
        augment_strength: how far, above 0 to 1; None: as far as its training went, or 1.
    """

    method: Method = "magnitude"
    sparsity: float | None = None
    epochs: int | None = None
    learning_rate: float = LEARNING_RATE
    seed: int = 0
    batch_size: int | None = None
    augment: bool | None = None
    augment_strength: float | None = None


@dataclass(frozen=True)
class PrunedLayer:
    """One layer before and after.

    Attributes:
        outputs_before, outputs_after: filters or units.
        weights_before, weights_after: values of its kernel.
        zeros: how many of ``weights_after`` are exactly zero.
    """

    name: str
    outputs_before: int
    outputs_after: int
    weights_before: int
    weights_after: int
    zeros: int

    @property
    def sparsity(self) -> float:
        """Share of its weights that are exactly zero."""
        return self.zeros / self.weights_after


@dataclass(frozen=True)
class Measured:
    """A model's size, arithmetic and accuracy (0 to 1; None where the test part has no labels)."""

    parameters: int
    macs: int
    validation_accuracy: float
    test_accuracy: float | None


@dataclass(frozen=True)
class PruneResult:
    """A model pruned, retrained and written.

    Attributes:
        file: the new ``.keras`` file.
        method, sparsity: what was asked for.
        layers: every layer with weights; before, after: the whole model.
        epochs: of retraining; best: the one that ``file`` holds.
    """

    file: Path
    method: Method
    sparsity: float
    layers: tuple[PrunedLayer, ...]
    before: Measured
    after: Measured
    epochs: tuple[EpochResult, ...]
    best: EpochResult

    @property
    def measured_sparsity(self) -> float:
        """Share of all kernel weights in the file that are exactly zero."""
        return sum(row.zeros for row in self.layers) / sum(row.weights_after for row in self.layers)

    def to_json(self) -> dict[str, Any]:
        """As in ``run.json`` under ``pruning``, and as ``edgedigits prune --json`` prints it."""
        return {
            "file": self.file.name,
            "method": self.method,
            "sparsity": self.sparsity,
            "measured_sparsity": self.measured_sparsity,
            "layers": [{**asdict(row), "sparsity": row.sparsity} for row in self.layers],
            "before": asdict(self.before),
            "after": asdict(self.after),
            "best_epoch": self.best.epoch,
            "history": [epoch.to_json() for epoch in self.epochs],
        }


def prune(
    run: RunFolder,
    settings: PruneSettings = PruneSettings(),
    *,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> PruneResult:
    """Prune a run's ``model.keras`` into ``pruned.keras`` or ``channels.keras``, and retrain it.

    Of the epochs of retraining the one with the best validation accuracy is kept. Nothing is
    written before the end.

    Args:
        run: a run folder with a model.
        settings: how to prune.
        data_dir: where downloads lie; None: where they lay when the run was made.
        progress: told of every step and epoch.

    Raises:
        UsageError: a setting does not fit.
        TrainingError: the model cannot be pruned so (said before anything starts), or retraining
            diverged.
        ModelFileError, RunError, DataError: what the run holds cannot be used.
        MissingPackageError: the extra ``train`` is not installed.
    """
    sparsity = _check(settings)
    record = run.recorded("model", "input_shape", "input_range")
    shape, span = tuple(record["input_shape"]), tuple(record["input_range"])
    path = run.model_file()
    model = load_keras(path)
    framework = facts_of(path, model).framework
    try:
        shrunk = _shrunk(model, shape, sparsity) if settings.method == "channels" else None
        # tensorflow-model-optimization takes Keras 2 models only.
        plain = model if framework == 2 else assemble(chain(model), shape)
        if shrunk is None:  # tried before anything starts, whatever the schedule will be
            magnitude.wrap(plain, sparsity, magnitude.ramp(1, 1))
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}{_way_out(settings.method, framework)}") from error
    data = load_run_data(run, data_dir=data_dir, progress=progress)
    recorded = run.manifest().get("settings", {})
    batch_size = settings.batch_size or int(recorded.get("batch_size", BATCH_SIZE))
    augmentation = _augmentation(run, settings, recorded, data.dataset.name)
    steps = math.ceil(len(data.train) / batch_size)
    epochs = settings.epochs or max(EPOCHS, math.ceil(STEPS / steps))

    progress.update("measuring the model before pruning", 0, None)
    before = _measured(plain, data, shape, span)
    counts = count_layers(plain)
    if shrunk is not None:
        work = _Work(shrunk, (), 1)
    else:
        schedule = magnitude.ramp(epochs, steps)
        wrapped, callback = magnitude.wrap(plain, sparsity, schedule)
        work = _Work(wrapped, (callback,), schedule.first_full_epoch(steps))
    results, best = retrain(
        work.model,
        data,
        Retraining(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=settings.learning_rate,
            seed=settings.seed,
            augmentation=augmentation,
            callbacks=work.callbacks,
            first_epoch=work.first_epoch,
        ),
        input_shape=shape,
        input_range=span,
        what=f"pruning ({settings.method})",
        progress=progress,
    )
    finished = work.model if shrunk is not None else magnitude.unwrap(work.model)
    result = PruneResult(
        file=run.model_file(FILES[settings.method]),
        method=settings.method,
        sparsity=sparsity,
        layers=tuple(
            PrunedLayer(old.name, old.outputs, new.outputs, old.weights, new.weights, new.zeros)
            for old, new in zip(counts, count_layers(finished), strict=True)
        ),
        before=before,
        after=_measured(finished, data, shape, span),
        epochs=results,
        best=best,
    )
    save_model(finished, result.file)
    pruning = run.manifest().get("pruning", {})
    run.update_manifest(pruning={**pruning, FILES[settings.method]: result.to_json()})
    return result


def _check(settings: PruneSettings) -> float:
    """The sparsity asked for, or the method's own."""
    if settings.method not in FILES:
        raise UsageError(f"--method is {settings.method}; it must be {' or '.join(FILES)}")
    sparsity = SPARSITY[settings.method] if settings.sparsity is None else settings.sparsity
    if not 0 < sparsity < 1:
        raise UsageError(f"--sparsity is {sparsity:g}; it must lie between 0 and 1, as 0.8 does")
    if settings.epochs is not None and settings.epochs < 1:
        raise UsageError(f"--epochs is {settings.epochs}; it must be 1 or more")
    if settings.batch_size is not None and settings.batch_size < 1:
        raise UsageError(f"--batch-size is {settings.batch_size}; it must be 1 or more")
    strength = settings.augment_strength
    if strength is not None and not 0 < strength <= 1:
        raise UsageError(f"--augment-strength is {strength:g}; it must be above 0, 1 at most")
    if not 0 < settings.learning_rate < math.inf:
        must = above_0(settings.learning_rate)
        raise UsageError(f"--learning-rate is {settings.learning_rate:g}; it must be {must}")
    if settings.seed < 0:
        raise UsageError(f"--seed is {settings.seed}; it must be 0 or more")
    return sparsity


def _augmentation(
    run: RunFolder, settings: PruneSettings, recorded: dict[str, Any], data: str
) -> Augmentation | None:
    amounts = recorded_augmentation(run, recorded)
    if settings.augment is False or (settings.augment is None and amounts is None):
        return None
    if settings.augment_strength is not None:
        return augmentation_for(data).scaled(settings.augment_strength)
    return augmentation_for(data) if amounts is None else amounts


def _way_out(method: Method, framework: int) -> str:
    """What else could be tried where a model was refused."""
    if framework == 3:
        return "; save it as a Keras 2 model (tf_keras) and use --method magnitude"
    return "; use --method magnitude" if method == "channels" else ""


def _shrunk(model: Any, shape: Shape, sparsity: float) -> Any:
    links = chain(model)
    return assemble(remove(links, strongest(links, sparsity)), shape)


@dataclass(frozen=True)
class _Work:
    """A model to retrain, what watches it, and the first epoch that may be kept."""

    model: Any
    callbacks: tuple[Any, ...]
    first_epoch: int


def _measured(model: Any, data: RunData, shape: Shape, span: Range) -> Measured:
    test = None if data.test.labels is None else measure(model, data.test, shape, span)[1]
    return Measured(
        parameters=int(model.count_params()),
        macs=sum(row.macs for row in count_layers(model)),
        validation_accuracy=measure(model, data.validation, shape, span)[1],
        test_accuracy=test,
    )
