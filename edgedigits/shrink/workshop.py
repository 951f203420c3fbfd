"""Where candidates become files: one small run folder for each narrowed model, within the run.

``RUN/shrink/DIGEST/f4-u4/`` is a run folder like any other, whose ``model.keras`` is the run's with
a quarter of its filters and units, retrained. All workers that share the run folder share these.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edgedigits.augment import Augmentation
from edgedigits.convert.export import calibration_of, export
from edgedigits.convert.recipes import RECIPES, Variant
from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import NAMES
from edgedigits.errors import ConversionError, TrainingError
from edgedigits.files import file_digest, writing
from edgedigits.keras_files import load_keras
from edgedigits.progress import SILENT, Progress
from edgedigits.prune.channels import narrowed_sizes, prunable, remove, strongest
from edgedigits.prune.counting import count_layers
from edgedigits.prune.retraining import Retraining, retrain
from edgedigits.prune.sequential import Link, assemble, chain
from edgedigits.rejection import knows_digits
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData
from edgedigits.shrink.candidate import Candidate
from edgedigits.shrink.travelling import Parcel, read_parcel
from edgedigits.train import save_model
from edgedigits.train.distillation import Teacher
from edgedigits.train.lessons import FOLDER as LESSONS
from edgedigits.train.lessons import Lessons, lessons
from edgedigits.train.settings import augmentation_for, recorded_augmentation

VERSION = 1  # of how candidates are made: another one begins anew
EPOCHS = 8
STEPS = 1000  # retraining takes at least about as many, in epochs of a small data set
BATCH_SIZE = 128
LEARNING_RATE = 0.003
STRENGTH = 0.5  # of augmentation: narrow networks underfit at full strength
VIEWS = 4
TEACHER_WEIGHT, TEMPERATURE = 0.5, 1.0
OVERHEAD = 2_500  # bytes of a slim file beside its weights, about
BYTES_AN_OUTPUT = 8  # a bias and a scale


@dataclass(frozen=True)
class Settings:
    """How narrowed models are retrained.

    Attributes:
        epochs: None: 8, or more where the data is small. seed: of the order of the pictures.
    """

    epochs: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Layer:
    """A layer with weights: its name, kind (``Conv2D`` or ``Dense``), and sizes."""

    name: str
    kind: str
    weights: int
    outputs: int


@dataclass(frozen=True)
class Facts:
    """What can be done with a model, and what follows without making a file.

    Attributes:
        links: the model as a chain; None: it cannot be taken apart, and ``notes`` say why.
        layers: those with weights, whole. kinds: of the layers whose outputs may be removed.
        qat: whether it can be fine-tuned with quantisation in place.
    """

    links: tuple[Link, ...] | None
    layers: tuple[Layer, ...]
    kinds: frozenset[str]
    qat: bool
    notes: tuple[str, ...]

    @property
    def dense(self) -> tuple[str, ...]:
        """Dense layers, which may take four bits, the largest first."""
        found = [layer for layer in self.layers if layer.kind == "Dense"]
        return tuple(layer.name for layer in sorted(found, key=lambda layer: -layer.weights))

    def estimate(self, candidate: Candidate) -> int:
        """About how many bytes a candidate's slim file will have."""
        layers = self.layers
        if candidate.narrowed and self.links is not None:
            layers = tuple(Layer(*row) for row in narrowed_sizes(self.links, candidate.removed()))
        bits = sum(
            layer.weights * (4 if layer.name in candidate.int4 else 8)
            + layer.outputs * 8 * BYTES_AN_OUTPUT
            for layer in layers
        )
        return OVERHEAD + math.ceil(bits / 8)


class Workshop:
    """Makes the files of candidates of one run."""

    def __init__(
        self,
        run: RunFolder,
        data: RunData,
        settings: Settings,
        *,
        data_dir: Path | None = None,
        progress: Progress = SILENT,
    ) -> None:
        """Nothing is made yet; the calibration set is chosen where the run has none.

        Args:
            run: with a trained model. data: its pictures. data_dir: where they lie.
        """
        self.run = run
        self.data = data
        self.data_dir = data_dir
        self.progress = progress
        self._manifest = run.manifest()
        record = run.recorded("model", "name", "input_shape", "input_range")
        self._shape = tuple(record["input_shape"])
        low, high = record["input_range"]
        self._range = (float(low), float(high))
        self._seed = settings.seed
        steps = math.ceil(len(data.train) / BATCH_SIZE)
        self._epochs = settings.epochs or max(EPOCHS, math.ceil(STEPS / steps))
        calibration = calibration_of(run, data, progress)
        self._calibration = Pictures(calibration.images, None).digest

    @cached_property
    def digest(self) -> str:
        """Of everything that candidates' files follow from."""
        made_of = {
            "version": VERSION,
            "model": file_digest(self.run.model_file()),
            "data": self.run.recorded("data", "digest")["digest"],
            "validation": self.data.validation.digest,
            "calibration": self._calibration,
            "epochs": self._epochs,
            "seed": self._seed,
        }
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """``RUN/shrink/DIGEST``."""
        return self.run.path / "shrink" / self.digest

    @cached_property
    def model(self) -> Any:
        """The run's Keras model."""
        self.progress.update("opening the model", 0, None)
        return load_keras(self.run.model_file())

    @cached_property
    def facts(self) -> Facts:
        """What can be done with the model."""
        links, kinds, notes = None, frozenset[str](), []
        try:
            links = chain(self.model)
            kinds = frozenset(link.kind for link in prunable(links))
        except TrainingError as error:
            links = None
            notes.append(f"nothing is removed from the model: {error}")
        layers = tuple(
            Layer(row.name, _kind(self.model, row.name), row.weights, row.outputs)
            for row in count_layers(self.model)
        )
        qat = type(self.model).__module__.startswith("tf_keras")
        if not qat:
            notes.append("QAT is left out for the whole model: it takes Keras 2 models only")
        return Facts(links, layers, kinds, qat, tuple(notes))

    def small_run(self, candidate: Candidate) -> RunFolder:
        """The run folder of a candidate's Keras model, made and retrained where it is not there.

        Raises:
            TrainingError: the model cannot be narrowed, or retraining diverged.
        """
        small = self._place(candidate)[0]
        with writing(small.path):
            small.path.mkdir(parents=True, exist_ok=True)
        with _only_one(small.path / ".lock"):
            if not small.model_file().is_file():
                self._prepare(small)
                if candidate.narrowed:
                    self._narrow(small, candidate)
                else:
                    shutil.copyfile(self.run.model_file(), small.path / ".whole.keras")
                    (small.path / ".whole.keras").replace(small.model_file())
        return small

    def file(self, candidate: Candidate) -> Path:
        """A candidate's file, made where it is not there.

        Raises:
            TrainingError, ConversionError: it cannot be made so.
        """
        return self._exported(self.small_run(candidate), self._place(candidate)[1])

    def made(self, candidate: Candidate) -> Parcel | None:
        """A candidate's file and what belongs to it; None where it has not been made here."""
        small, variant = self._place(candidate)
        try:
            return read_parcel(small.export_file(variant.name), small.model_file())
        except OSError:
            return None

    def _place(self, candidate: Candidate) -> tuple[RunFolder, Variant]:
        """The small run of a candidate, and the variant there; neither need be there."""
        recipe = "qat-int8" if candidate.qat else "int4" if candidate.int4 else "int8"
        every = set(candidate.int4) == set(self.facts.dense)
        layers = () if every or not candidate.int4 else candidate.int4
        variant = Variant("model", RECIPES[recipe], True, layers, candidate.clusters)
        return RunFolder(self.folder / candidate.model), variant

    def float32(self) -> Path:
        """The float32 file that all are held against."""
        return self._exported(self.small_run(Candidate()), Variant("model", RECIPES["float32"]))

    def finish(self) -> None:
        """Remove what only retraining needs: the teacher's answers."""
        shutil.rmtree(self.folder / "whole" / LESSONS, ignore_errors=True)

    def _exported(self, small: RunFolder, variant: Variant) -> Path:
        file = small.export_file(variant.name)
        with _only_one(small.path / ".lock"):
            if not file.is_file():
                quiet = _Quiet(self.progress)
                result = export(small, [variant], self.data, data_dir=self.data_dir, progress=quiet)
                if result.failed:
                    raise ConversionError(result.failed[0].message)
        return file

    def _prepare(self, small: RunFolder) -> None:
        """All of a run folder but its model."""
        for source in (self.run.split_file, self.run.calibration_file):
            shutil.copyfile(source, small.path / source.name)
        kept = ("command", "model", "data", "seed", "settings", "versions", "host")
        small.update_manifest(**{k: self._manifest[k] for k in kept if k in self._manifest})

    def _narrow(self, small: RunFolder, candidate: Candidate) -> None:
        facts = self.facts
        if facts.links is None:
            raise TrainingError(facts.notes[0])
        model = assemble(
            remove(facts.links, strongest(facts.links, candidate.removed())), self._shape
        )
        augmentation = self._augmentation()
        taught = augmentation is None or self._manifest.get("settings", {}).get("augment")
        how = Retraining(
            epochs=self._epochs,
            batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            seed=self._seed,
            augmentation=augmentation,
            lessons=self._lessons(augmentation) if taught else None,
        )
        results, kept = retrain(
            model,
            self.data,
            how,
            input_shape=self._shape,
            input_range=self._range,
            what=f"retraining {candidate.model}",
            progress=_Quiet(self.progress),
        )
        small.update_manifest(
            shrink={
                **asdict(candidate),
                "source_sha256": file_digest(self.run.model_file()),
                "best_epoch": kept.epoch,
                "history": [result.to_json() for result in results],
            }
        )
        save_model(model, small.model_file())

    def _lessons(self, augmentation: Augmentation | None) -> Lessons:
        """The run's own model as a teacher; asked once for all candidates.

        Not where it never saw changed pictures: for those its answers are worse than the labels.
        """
        whole = self.small_run(Candidate())
        teacher = Teacher(self.model, self._shape, self._range, TEACHER_WEIGHT)
        with _only_one(whole.path / ".lessons"):
            return lessons(
                [whole],
                [teacher],
                self.data.train,
                augmentation,
                views=1 if augmentation is None else VIEWS,
                temperature=TEMPERATURE,
                progress=self.progress,
            )

    def _augmentation(self) -> Augmentation | None:
        """As for training, where it is known what the pictures show; else as the run's training."""
        name = self.data.dataset.name
        if name in NAMES or knows_digits(self.data.class_names):
            return augmentation_for(name).scaled(STRENGTH)
        return recorded_augmentation(self.run, self._manifest.get("settings", {}))


class _Quiet:
    """Passes bars on, and no lines: a trial is one line."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        self._progress.update(what, done, total, note)

    def say(self, line: str) -> None:
        pass


def _kind(model: Any, name: str) -> str:
    return type(model.get_layer(name)).__name__


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """One process at a time, of those that share this folder; ends with the process."""
    with writing(path):
        handle = path.open("w")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
