"""The whole main job on the embedded digits: train, prune, calibrate, export, compare, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgedigits.calibration.make import calibration_set, save_calibration_set
from edgedigits.compare import Comparison, compare
from edgedigits.convert.export import choose_variants, export
from edgedigits.errors import ConversionError
from edgedigits.progress import SILENT, Progress
from edgedigits.prune import PruneSettings, prune
from edgedigits.report.files import save_comparison
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data
from edgedigits.train import TrainSettings, train

MODEL = "tiny-cnn"
DATA = "digits"
STEPS = 6
PRUNE_EPOCHS = 6  # of retraining: less than the default, so that the demo stays near a minute


@dataclass(frozen=True)
class DemoResult:
    """What the demo made: the run, its comparison, and the page (None without matplotlib)."""

    run: RunFolder
    comparison: Comparison
    page: Path | None


def run_demo(
    path: Path, *, seed: int = 0, overwrite: bool = False, progress: Progress = SILENT
) -> DemoResult:
    """Do every step that a user would type, one after the other, and say which.

    Args:
        path: the run folder to make. seed: of training, pruning and the calibration set.
        overwrite: move an existing run at ``path`` aside.

    Raises:
        EdgedigitsError: as the steps themselves.
    """

    def step(number: int, command: str) -> None:
        progress.say(f"[{number}/{STEPS}] edgedigits {command}")

    step(1, f"train {MODEL} --data {DATA} --run {path}")
    settings = TrainSettings(MODEL, data=DATA, seed=seed)
    run = train(settings, path, overwrite=overwrite, progress=progress).run
    step(2, f"prune {path} --sparsity 0.8; prune {path} --method channels --sparsity 0.5")
    prune(run, PruneSettings("magnitude", epochs=PRUNE_EPOCHS, seed=seed), progress=progress)
    prune(run, PruneSettings("channels", epochs=PRUNE_EPOCHS, seed=seed), progress=progress)
    step(3, f"calibrate {path}")
    data = load_run_data(run, progress=progress)
    save_calibration_set(run, calibration_set(data, seed=seed))
    step(4, f"export {path} --all")
    result = export(run, choose_variants(run, [], everything=True), data, progress=progress)
    if result.failed:
        raise ConversionError("; ".join(failed.message for failed in result.failed))
    step(5, f"compare {path}")
    comparison = compare([run], progress=progress)
    step(6, "report")
    page = save_comparison(comparison, [run], progress=progress)
    return DemoResult(run, comparison, page)
