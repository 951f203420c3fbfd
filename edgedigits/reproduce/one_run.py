"""One run of one system, step by step; a step whose result is there is not done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgedigits.calibration.make import calibration_set, save_calibration_set
from edgedigits.compare import Comparison, compare
from edgedigits.convert.export import choose_variants, export
from edgedigits.convert.recipes import Variant
from edgedigits.data.dataset import Images
from edgedigits.errors import RunError
from edgedigits.evaluate import Evaluation
from edgedigits.files import file_digest
from edgedigits.progress import SILENT, Progress
from edgedigits.report.files import save_comparison
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data
from edgedigits.train import TrainSettings, resume, train
from edgedigits.train.settings import plan

BEFORE = "-before"  # ends the name of the run that a training starts from
TEACHER = "-teacher"  # of the run whose answers are learnt
REFUSED = "refused"  # of run.json: variants that this model does not allow, and why


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run with everything done.

    Attributes:
        run: the run folder.
        comparison: every variant on the test part.
        float32: the evaluation of the float32 file, which stands for the trained model.
        images: uint8 ``[n, 28, 28]``, the test pictures.
        refused: variants that could not be made, by name, and why.
    """

    run: RunFolder
    comparison: Comparison
    float32: Evaluation
    images: Images
    refused: dict[str, str]


def finish_run(
    settings: TrainSettings,
    path: Path,
    *,
    trains_further: bool = True,
    only: frozenset[str] | None = None,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> FinishedRun:
    """Train, calibrate, export every variant, compare and report; or what of it is missing.

    Args:
        settings: how to train, data and seed included.
        path: the run folder, new or begun.
        trains_further: whether variants are made that fine-tune the model first.
        only: names of the variants to make; None: all.
        data_dir: where downloaded data lies.
        progress: told of every step.

    Raises:
        UsageError: the folder was begun with other settings.
        EdgedigitsError: as the steps themselves.
    """
    run = trained_run(settings, path, data_dir=data_dir, progress=progress)
    data = load_run_data(run, data_dir=data_dir, progress=progress)
    if not run.calibration_file.is_file():
        progress.say(f"calibrating {path}")
        save_calibration_set(run, calibration_set(data, seed=settings.seed or 0))
    variants = choose_variants(run, [], everything=True, source="model")
    if not trains_further:
        variants = [variant for variant in variants if not variant.recipe.trains]
    if only is not None:
        variants = [variant for variant in variants if variant.name in only]
    refused = export_missing(run, variants, data_dir, progress)
    comparison = compare([run], data_dir=data_dir, progress=progress)
    save_comparison(comparison, [run], data_dir=data_dir, progress=progress)
    float32 = next(e for e in comparison.evaluations if e.variant == "float32")
    return FinishedRun(run, comparison, float32, data.test.images, refused)


def trained_run(
    settings: TrainSettings,
    path: Path,
    *,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> RunFolder:
    """Train a run, go on with it, or find it done; arguments and errors as :func:`finish_run`."""
    run = RunFolder(path)
    if not run.manifest_file.is_file():
        progress.say(f"training {settings.model} into {path}")
        return train(settings, path, data_dir=data_dir, progress=progress).run
    manifest = run.manifest()
    if not manifest.get("training", {}).get("complete"):
        return resume(settings, path, data_dir=data_dir, progress=progress).run
    recorded = manifest.get("settings", {})
    for name, value in plan(settings).to_json().items():
        if name not in ("data", "init", "teacher") and name in recorded and recorded[name] != value:
            raise RunError(
                f"{path}: was trained with {name} {recorded.get(name)}, and would be with {value} "
                "now; move the folder away, or name other --runs"
            )
    progress.say(f"trained already: {path}")
    return run


def export_missing(
    run: RunFolder, variants: Sequence[Variant], data_dir: Path | None, progress: Progress
) -> dict[str, str]:
    """Make the variants that are not there and have not been refused for this very model.

    Returns:
        Of the variants that could not be made, the reason by name.

    Raises:
        ConversionError, RunError: as :func:`edgedigits.convert.export.export`.
    """
    present = {variant.source: file_digest(run.model_file(variant.source)) for variant in variants}
    recorded: dict[str, dict[str, str]] = run.manifest().get(REFUSED, {})
    known = {
        name: entry["message"]
        for name, entry in recorded.items()
        if entry["model"] in present.values()
    }
    missing = [v for v in variants if not run.export_file(v.name).is_file() and v.name not in known]
    if not missing:
        return known
    progress.say(f"exporting {', '.join(variant.name for variant in missing)} of {run.path}")
    data = load_run_data(run, data_dir=data_dir, progress=progress)
    result = export(run, missing, data, data_dir=data_dir, progress=progress)
    sources = {variant.name: variant.source for variant in missing}
    new = {failed.variant: failed.message for failed in result.failed}
    entries = {
        name: {"model": present[sources[name]], "message": message} for name, message in new.items()
    }
    run.update_manifest(**{REFUSED: {**recorded, **entries}})
    return {**known, **new}
