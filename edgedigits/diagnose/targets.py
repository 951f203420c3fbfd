"""What can be diagnosed: the exports of a run, or a foreign file with its float model."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedigits.calibration.make import load_calibration_set
from edgedigits.compare import export_files, load_part, present_digests, stale_notes
from edgedigits.convert.as_float import needs_equalising, to_float_file
from edgedigits.convert.recipes import SLIM, recipe_of_variant
from edgedigits.data.dataset import Images
from edgedigits.data.registry import load_data
from edgedigits.data.split import stratified_sample
from edgedigits.device.classifier import Classifier
from edgedigits.diagnose.diagnosing import Reference, diagnose_variant
from edgedigits.diagnose.result import Diagnosis, VariantDiagnosis
from edgedigits.errors import RunError, UsageError, called
from edgedigits.evaluate import Part, choose_part
from edgedigits.files import file_digest
from edgedigits.keras_files import layer_kinds
from edgedigits.model_input import Range, picture_shape
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data

DEFAULT_PICTURES = 500
FLOAT = "float32"


@dataclass(frozen=True, eq=False)
class Diagnosed:
    """A diagnosis and its pictures.

    Attributes:
        images: uint8 ``[n, 28, 28]``. indices: int64 ``[n]``, the place of each in its part.
    """

    diagnosis: Diagnosis
    images: Images
    indices: NDArray[np.int64]


def diagnose_run(
    run: RunFolder,
    *,
    only: Sequence[str] = (),
    split: str = "validation",
    limit: int = DEFAULT_PICTURES,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Diagnosed:
    """Diagnose the exported variants of a run against their float models.

    The float model is the run's own float32 export; where that is missing, out of date, or its
    scales are moved before quantisation, it is converted from the Keras model.

    Args:
        only: names of variants; empty: all but the float ones.
        split: ``validation``, because what is done about it is a choice; or ``test``.
        limit: pictures at most, chosen by class share.

    Raises:
        UsageError: nothing to diagnose, or an unknown variant or split.
        RunError, DataError, ModelFileError, ConversionError: something cannot be used.
    """
    _check_limit(limit)
    files = _chosen(run, only)
    part, indices = _limited(load_part(run, split, data_dir, progress), limit)
    present = present_digests(run)
    found = []
    with tempfile.TemporaryDirectory(prefix="edgedigits-") as folder:
        references = References(run, Path(folder), data_dir, progress)
        for file in files:
            classifier = Classifier(file)
            reference = references.of(classifier)
            result = diagnose_variant(
                classifier, reference, part.pictures, indices, progress=progress
            )
            notes = (*result.notes, *_trained_note(file), *stale_notes(classifier, present))
            found.append(replace(result, notes=notes))
    return Diagnosed(_diagnosis(part, found), part.pictures.images, indices)


def diagnose_file(
    file: Path,
    reference: Path,
    data: str,
    *,
    split: str | None = None,
    limit: int = DEFAULT_PICTURES,
    input_range: Range | None = None,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Diagnosed:
    """Diagnose any ``.tflite`` file against the float model it was made of.

    Args:
        file: the quantised file. reference: a float ``.tflite`` file, or ``.keras`` or ``.h5``.
        data: as for ``load_data``. split: see ``evaluate.choose_part``.
        limit: pictures at most. input_range: of files that do not say it: the model's values for
            pixel 0 and pixel 255; None: 0 to 1.

    Raises:
        UsageError, DataError, ModelFileError, ConversionError: something cannot be used.
    """
    _check_limit(limit)
    classifier = Classifier(file, input_range=input_range)
    whole = choose_part(load_data(data, data_dir=data_dir, progress=progress), classifier, split)
    part, indices = _limited(whole, limit)
    with tempfile.TemporaryDirectory(prefix="edgedigits-") as folder:
        float_file, layers = reference, dict[str, str]()
        if reference.suffix.lower() != ".tflite":
            layers = layer_kinds(reference)
            progress.update("convert", 0, None, str(reference))
            float_file = to_float_file(reference, Path(folder) / f"{FLOAT}.tflite")
        with called(float_file, reference):
            opened = Classifier(
                float_file, input_range=classifier.input_range, trust=float_file is not reference
            )
        _check_inputs(classifier, opened, reference)
        result = diagnose_variant(
            classifier,
            Reference(opened, str(reference), layers),
            part.pictures,
            indices,
            progress=progress,
        )
    return Diagnosed(_diagnosis(part, [result]), part.pictures.images, indices)


class References:
    """The float models of a run, each opened once."""

    def __init__(
        self, run: RunFolder, folder: Path, data_dir: Path | None, progress: Progress
    ) -> None:
        self._run, self._folder = run, folder
        self._data_dir, self._progress = data_dir, progress
        self._known: dict[str, Reference] = {}

    def of(self, classifier: Classifier) -> Reference:
        """The float model that a file was quantised from."""
        recipe = recipe_of_variant(classifier.path.stem)
        source = "model" if classifier.metadata is None else classifier.metadata.source
        keras_file = self._run.model_file(source)
        if not keras_file.is_file():
            raise RunError(f"{classifier.path}: was made of {keras_file}, which is not there")
        moves = recipe is not None and "int" in recipe.weights and not recipe.trains
        equalised = moves and needs_equalising(keras_file)
        name = f"{source}.keras, scales equalised" if equalised else f"{source}.keras"
        if name not in self._known:
            file = self._equalised(source) if equalised else self._as_it_is(source)
            self._known[name] = Reference(
                Classifier(file, input_range=classifier.input_range, trust=True),
                name,
                layer_kinds(keras_file),
            )
        return self._known[name]

    def _as_it_is(self, source: str) -> Path:
        name = FLOAT if source == "model" else f"{source}-{FLOAT}"
        exported, keras_file = self._run.export_file(name), self._run.model_file(source)
        if exported.is_file():
            metadata = Classifier(exported).metadata
            made_of = None if metadata is None else metadata.digests.get("model")
            if made_of == file_digest(keras_file):
                return exported
        self._progress.update("convert", 0, None, f"{keras_file} as float32")
        return to_float_file(keras_file, self._folder / f"{source}.tflite")

    def _equalised(self, source: str) -> Path:
        data = load_run_data(self._run, data_dir=self._data_dir)
        self._progress.update("convert", 0, None, f"{source}.keras as float32, scales equalised")
        low, high = self._run.recorded("model", "input_range")["input_range"]
        return to_float_file(
            self._run.model_file(source),
            self._folder / f"{source}-equalised.tflite",
            calibration=load_calibration_set(self._run, data).images,
            input_range=(float(low), float(high)),
        )


def _chosen(run: RunFolder, only: Sequence[str]) -> list[Path]:
    files = export_files(run)
    names = [file.stem for file in files]
    if missing := sorted(set(only) - set(names)):
        raise UsageError(
            f"--variant {missing[0]}: {run.path} has none of that name; there is {', '.join(names)}"
        )
    wanted = only or [name for name in names if not name.removesuffix(SLIM).endswith(FLOAT)]
    if not wanted:
        raise UsageError(
            f"{run.path}: holds no quantised export; run 'edgedigits export {run.path} --int8'"
        )
    return [file for file in files if file.stem in wanted]


def _trained_note(file: Path) -> tuple[str, ...]:
    recipe = recipe_of_variant(file.stem)
    if recipe is None or not recipe.trains:
        return ()
    return ("its weights were trained on: what differs from float is not rounding alone",)


def _check_inputs(classifier: Classifier, opened: Classifier, reference: Path) -> None:
    """Pictures are scaled to what each file takes, so nothing else would notice."""
    ours, theirs = ("×".join(map(str, picture_shape(one.shape))) for one in (classifier, opened))
    if ours != theirs:
        raise UsageError(
            f"--float {reference}: takes pictures of {theirs}, but {classifier.path} takes {ours}; "
            "name the model it was made of"
        )


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise UsageError(f"--limit {limit}: must be 1 or more")


def _limited(part: Part, limit: int) -> tuple[Part, NDArray[np.int64]]:
    """A stratified choice of a part, and the place of each picture in it."""
    labels = part.pictures.labels
    assert labels is not None
    if limit >= len(labels):
        return part, np.arange(len(labels), dtype=np.int64)
    chosen = stratified_sample(labels, limit, 0)
    return Part(part.pictures.take(chosen), part.class_names, part.data, part.split), chosen


def _diagnosis(part: Part, found: list[VariantDiagnosis]) -> Diagnosis:
    return Diagnosis(
        data=part.data,
        split=part.split,
        n=len(part.pictures),
        data_digest=part.pictures.digest,
        class_names=part.class_names,
        variants=tuple(found),
    )
