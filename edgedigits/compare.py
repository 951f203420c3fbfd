"""Hold the variants of one or more runs against each other: accuracy, size, speed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgedigits.bench import DeviceSpeed, device_speeds
from edgedigits.camera_check import check_camera, found_scenes
from edgedigits.convert.recipes import RECIPES, SLIM, SOURCES, recipe_of_variant
from edgedigits.data.split import stratified_sample
from edgedigits.device.classifier import Classifier
from edgedigits.device.latency import Latency, measure_latency
from edgedigits.errors import UsageError
from edgedigits.evaluate import Answers, Evaluation, Part, answer, evaluate, take_at_most
from edgedigits.files import DAMAGED_NPZ, atomic_path, file_digest, read_json
from edgedigits.metrics import PairedComparison, compare_paired, pareto_line
from edgedigits.progress import SILENT, Progress
from edgedigits.provenance import host_facts
from edgedigits.rejection import DIGITS, LARGE, knows_digits
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data

REFERENCE = "float32"
SLOW_PICTURES = 1000  # a recipe without a fast kernel is evaluated on a part of this size
LATENCY_PICTURES = 64


@dataclass(frozen=True)
class ComparisonRow:
    """One variant of one run.

    Attributes:
        run, variant, file: what it is. bytes, gzip_bytes: its size.
        n: pictures it was evaluated on; accuracy (0 to 1) with its 95 % Wilson interval.
        drop: accuracy lost against the run's float32 variant on the same pictures, in percentage
            points, with its 95 % interval; None for a run without float32.
        mcnemar_p, agreement, confidence_drift: see ``metrics.PairedComparison``.
        latency_us_p50, latency_us_p95: microseconds a picture at batch 1, interleaved rounds.
        pareto: whether no other row is as small and as accurate, and better in one.
        note: what the reader should know about this row.
        camera_f1: of readings of synthetic camera frames, 0 to 1; None: not tried.
        devices: what the very same file did on devices, by ``bench --host``.
    """

    run: str
    variant: str
    file: Path
    bytes: int
    gzip_bytes: int
    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    drop: float | None
    drop_low: float | None
    drop_high: float | None
    mcnemar_p: float | None
    agreement: float | None
    confidence_drift: float | None
    latency_us_p50: float
    latency_us_p95: float
    pareto: bool
    note: str = ""
    camera_f1: float | None = None
    devices: tuple[DeviceSpeed, ...] = ()


@dataclass(frozen=True, eq=False)
class Comparison:
    """All rows, what they were measured on, and the evaluations behind them."""

    rows: tuple[ComparisonRow, ...]
    data: str
    split: str
    threads: int
    processor: str
    evaluations: tuple[Evaluation, ...]


def compare(
    runs: list[RunFolder],
    *,
    split: str = "test",
    threads: int = 1,
    only: set[str] | None = None,
    latency: bool = True,
    scenes: int = 0,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Comparison:
    """Evaluate every exported variant of the runs, measure them side by side, and mark the best.

    Answers are kept in ``evaluations/VARIANT.npz`` and used again while file and pictures are the
    same; latency is measured anew each time.

    Args:
        runs: runs with exports, all on the same data.
        split: ``test`` for reporting, ``validation`` for choosing.
        threads: processor threads for latency.
        only: names of variants, each of which some run has; None: all.
        latency: whether to measure it; 0 is put down where not.
        scenes: synthetic camera frames to read with every file of digits; large files are left out.
        data_dir: where downloaded data lies.

    Raises:
        UsageError: a run without exports, an unknown split, or runs on different data.
        RunError, ModelFileError, DataError: a file or the data cannot be used.
    """
    if threads < 1:
        raise UsageError(f"--threads {threads}: must be 1 or more")
    if scenes < 0:
        raise UsageError(f"--scenes {scenes}: must be 0 or more")
    part = None
    for run in runs:
        part = load_part(run, split, data_dir, progress, part)
    assert part is not None
    files = {run.path: export_files(run) for run in runs}
    _check_names(runs, files, only)
    evaluations: list[tuple[RunFolder, Evaluation]] = []
    classifiers: list[Classifier] = []
    for run in runs:
        present = present_digests(run)
        for file in files[run.path]:
            if only is not None and file.stem not in only:
                continue
            progress.update("evaluate", len(evaluations), None, f"{run.name} {file.stem}")
            classifier = Classifier(file, threads=threads)
            evaluation = _evaluate_once(run, classifier, part)
            notes = (*evaluation.notes, *stale_notes(classifier, present))
            evaluations.append((run, replace(evaluation, notes=notes)))
            classifiers.append(classifier)
    if latency:
        progress.update("latency", 0, None, f"{len(classifiers)} variants in interleaved rounds")
        latencies = measure_latency(classifiers, part.pictures.images[:LATENCY_PICTURES])
    else:
        latencies = [Latency(0.0, 0.0, 0, ())] * len(classifiers)
    camera = _camera(classifiers, part, scenes, progress)
    references = {run.path: e for run, e in evaluations if e.variant == REFERENCE}
    rows = [
        replace(
            _row(run, evaluation, references.get(run.path), speed),
            camera_f1=f1,
            devices=device_speeds(run, file_digest(evaluation.file), threads),
        )
        for (run, evaluation), speed, f1 in zip(evaluations, latencies, camera, strict=True)
    ]
    on_line = pareto_line([(row.bytes, row.accuracy) for row in rows])
    return Comparison(
        rows=tuple(replace(row, pareto=mark) for row, mark in zip(rows, on_line, strict=True)),
        data=part.data,
        split=split,
        threads=threads,
        processor=str(host_facts()["processor"]),
        evaluations=tuple(evaluation for _, evaluation in evaluations),
    )


def _camera(
    classifiers: list[Classifier], part: Part, scenes: int, progress: Progress
) -> list[float | None]:
    labels = part.pictures.labels
    if scenes == 0 or labels is None or not knows_digits(part.class_names):
        return [None] * len(classifiers)
    digits = part.pictures.take(np.flatnonzero(labels < len(DIGITS)))
    progress.update("camera", 0, None, f"{scenes} synthetic frames")
    found = found_scenes(digits, scenes)
    return [
        None if classifier.path.stat().st_size > LARGE else check_camera(classifier, found).f1
        for classifier in classifiers
    ]


def load_part(
    run: RunFolder,
    split: str,
    data_dir: Path | None,
    progress: Progress,
    former: Part | None = None,
) -> Part:
    """The pictures of a run's ``test`` or ``validation`` part, with labels.

    Raises:
        UsageError: another split, no labels, or not the pictures of ``former``.
    """
    if split not in ("test", "validation"):
        raise UsageError(f"--split {split}: must be test or validation")
    data = load_run_data(run, data_dir=data_dir, progress=progress)
    pictures = data.test if split == "test" else data.validation
    if pictures.labels is None:
        raise UsageError(f"{run.path}: the {split} part of {data.dataset.name} has no labels")
    if former is not None and former.pictures.digest != pictures.digest:
        raise UsageError(
            f"{run.path}: its {split} pictures are not those of the runs before it "
            f"({data.dataset.name}, {former.data}); compare runs on the same data"
        )
    return Part(pictures, data.class_names, data.dataset.name, split)


def _check_names(
    runs: list[RunFolder], files: dict[Path, list[Path]], only: set[str] | None
) -> None:
    present = {file.stem: None for found in files.values() for file in found}
    missing = sorted((only or set()) - present.keys())
    if missing:
        where = ", ".join(str(run.path) for run in runs)
        raise UsageError(f"{where}: no variant {', '.join(missing)}; there is {', '.join(present)}")


def export_files(run: RunFolder) -> list[Path]:
    """The exported files of a run, in the order of the recipes. Raises UsageError without any."""
    order = {name: i for i, name in enumerate(RECIPES)}

    def place(file: Path) -> tuple[bool, str, int, str]:
        recipe = recipe_of_variant(file.stem)
        source = file.stem.removesuffix(SLIM).removesuffix("" if recipe is None else recipe.name)
        return recipe is None, source, 0 if recipe is None else order[recipe.name], file.stem

    found = run.exports.glob("*.tflite")
    files = sorted((file for file in found if not file.name.startswith(".")), key=place)
    if not files:
        raise UsageError(f"{run.path}: holds no exports; run 'edgedigits export {run.path} --all'")
    return files


def _evaluate_once(run: RunFolder, classifier: Classifier, part: Part) -> Evaluation:
    """Evaluate a file, or take its kept answers while file and pictures are the same."""
    name = classifier.path.stem
    recipe = recipe_of_variant(name)
    part = take_at_most(part, SLOW_PICTURES if recipe is not None and recipe.slow else None)
    key = f"{file_digest(classifier.path)}/{part.pictures.digest}"
    kept = run.evaluations / f"{name}-{part.split}.npz"
    answers = _kept_answers(kept, key)
    if answers is None:
        answers = answer(classifier, part)
        with atomic_path(kept) as temporary:
            np.savez_compressed(temporary, key=key, **vars(answers))
    return replace(evaluate(classifier, part, answers), variant=name)


def present_digests(run: RunFolder) -> dict[str, str]:
    """SHA-256 of each Keras model that the run holds now, and of its calibration set."""
    digests = {
        source: file_digest(run.model_file(source))
        for source in SOURCES
        if run.model_file(source).is_file()
    }
    if run.calibration_file.is_file():
        record = read_json(run.calibration_file, "the calibration set")
        digests["calibration"] = str(record.get("digest"))
    return digests


def stale_notes(classifier: Classifier, present: dict[str, str]) -> tuple[str, ...]:
    """That a file was made of something the run no longer holds."""
    metadata = classifier.metadata
    if metadata is None:
        return ()
    made_of = {
        "model": (metadata.source, f"{metadata.source}.keras"),
        "calibration": ("calibration", "calibration set"),
    }
    return tuple(
        f"made with another {name} than the run holds now; export it again"
        for what, (key, name) in made_of.items()
        if what in metadata.digests and metadata.digests[what] != present.get(key)
    )


def _kept_answers(kept: Path, key: str) -> Answers | None:
    try:
        with np.load(kept, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            return Answers(stored["scores"].astype(np.float32), float(stored["seconds"]))
    except DAMAGED_NPZ:
        return None  # never written, or damaged: it is only a copy


def _row(
    run: RunFolder, evaluation: Evaluation, reference: Evaluation | None, latency: Latency
) -> ComparisonRow:
    pair = None if reference is None else _paired(evaluation, reference)
    report = evaluation.report
    return ComparisonRow(
        run=run.name,
        variant=evaluation.variant,
        file=evaluation.file,
        bytes=evaluation.bytes,
        gzip_bytes=evaluation.gzip_bytes,
        n=report.n,
        accuracy=report.accuracy,
        accuracy_low=report.accuracy_low,
        accuracy_high=report.accuracy_high,
        drop=None if pair is None else pair.drop,
        drop_low=None if pair is None else pair.drop_low,
        drop_high=None if pair is None else pair.drop_high,
        mcnemar_p=None if pair is None else pair.mcnemar_p,
        agreement=None if pair is None else pair.agreement,
        confidence_drift=None if pair is None else pair.confidence_drift,
        latency_us_p50=latency.p50_us,
        latency_us_p95=latency.p95_us,
        pareto=False,
        note="; ".join(evaluation.notes),
    )


def _paired(evaluation: Evaluation, reference: Evaluation) -> PairedComparison:
    """Hold a variant against the reference on the very same pictures."""
    reference_scores = reference.scores
    n = len(evaluation.truth)
    if n != len(reference.truth):
        reference_scores = reference_scores[stratified_sample(reference.truth, n, 0)]
    return compare_paired(evaluation.truth, reference_scores, evaluation.scores)
