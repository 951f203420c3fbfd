"""A whole reference system: every setting, every seed, every report, one document."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgedigits.data.csv_writing import BARE_TEST_FILE
from edgedigits.data.look import DataLook, look
from edgedigits.data.registry import load_data
from edgedigits.models.registry import get_model
from edgedigits.predict import Predictions, predict_file
from edgedigits.progress import SILENT, Progress
from edgedigits.reproduce.data import Fraction, prepare_data
from edgedigits.reproduce.one_run import BEFORE, TEACHER, FinishedRun, finish_run, trained_run
from edgedigits.reproduce.shrinking import Shrinking, shrink
from edgedigits.reproduce.systems import System
from edgedigits.train import TrainSettings

LARGE = 10_000_000  # parameters from which on a quick reproduction takes fewer pictures
QUICK, QUICK_LARGE = Fraction(2000, 1000), Fraction(200, 60)
QUICK_EPOCHS = 1
QUICK_VARIANTS = frozenset({"float32", "int8"})  # of a large system, whose files take long to make


@dataclass(frozen=True, eq=False)
class Exploration:
    """What stands in the CSV files of a system: train and test, and test without labels."""

    labelled: DataLook
    unlabelled: DataLook


@dataclass(frozen=True, eq=False)
class Reproduction:
    """Everything that was made of one system.

    Attributes:
        system: what. quick: whether only a fraction of the data was used.
        data: what DATA was. runs: by setting, in the order of the seeds.
        exploration, predictions: where the system works on CSV files.
        shrinking: where the smallest file was looked for.
    """

    system: System
    quick: bool
    data: str
    runs: dict[str, tuple[FinishedRun, ...]]
    exploration: Exploration | None
    predictions: Predictions | None
    shrinking: Shrinking | None


def reproduce(
    system: System,
    folder: Path,
    *,
    quick: bool = False,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Reproduction:
    """Do for one system whatever is not done yet: data, training, all variants, every report.

    Args:
        system: from :data:`edgedigits.reproduce.systems.SYSTEMS`.
        folder: where run folders and data files go; what it holds already is used.
        quick: a fraction of the data, one epoch, one seed: to see it work; figures mean nothing.
        data_dir: where downloaded data lies.
        progress: told of every step.

    Raises:
        EdgedigitsError: as the steps themselves.
    """
    fraction = (QUICK_LARGE if is_large(system) else QUICK) if quick else None
    data = prepare_data(system, folder, fraction, data_dir=data_dir, progress=progress)
    runs: dict[str, tuple[FinishedRun, ...]] = {}
    prefix = "quick-" if quick else ""
    for setting in system.settings:
        finished = []
        teacher = None
        if setting.teacher is not None:
            path = folder / f"{prefix}{system.name}{TEACHER}"
            wanted = _settings(setting.teacher, data, setting.seeds[0], quick)
            trained_run(wanted, path, data_dir=data_dir, progress=progress)
            teacher = str(path)
        for seed in setting.seeds[:1] if quick else setting.seeds:
            path = folder / f"{prefix}{system.name}-{setting.name}-seed{seed}"
            settings = replace(_settings(setting.train, data, seed, quick), teacher=teacher)
            if setting.before is not None and not (quick and is_large(system)):
                first = path.with_name(path.name + BEFORE)
                before = _settings(setting.before, data, seed, quick)
                trained_run(before, first, data_dir=data_dir, progress=progress)
                settings = replace(settings, init=str(first))
            finished.append(
                finish_run(
                    settings,
                    path,
                    # More training would not be the published training any more.
                    trains_further=setting.name != "published",
                    only=QUICK_VARIANTS if quick and is_large(system) else None,
                    data_dir=data_dir,
                    progress=progress,
                )
            )
        runs[setting.name] = tuple(finished)
    best = runs[system.settings[-1].name][0]
    small = None
    if system.shrink:
        sparsities = system.shrink[:1] if quick else system.shrink
        options = {"epochs": QUICK_EPOCHS} if quick else {}
        small = shrink(best.run, sparsities, data_dir=data_dir, progress=progress, **options)
    exploration = predictions = None
    if system.as_csv:
        exploration, predictions = _explore(Path(data), best, progress)
    return Reproduction(
        system=system,
        quick=quick,
        data=data,
        runs=runs,
        exploration=exploration,
        predictions=predictions,
        shrinking=small,
    )


def is_large(system: System) -> bool:
    """Whether a quick reproduction has to leave out more than of the others."""
    return get_model(system.name).parameters > LARGE


def _settings(train: TrainSettings, data: str, seed: int, quick: bool) -> TrainSettings:
    settings = replace(train, data=data, seed=seed)
    return replace(settings, epochs=QUICK_EPOCHS) if quick else settings


def _explore(
    folder: Path, best: FinishedRun, progress: Progress
) -> tuple[Exploration, Predictions]:
    unlabelled = folder / BARE_TEST_FILE
    progress.update("looking into the CSV files", 0, None)
    exploration = Exploration(look(load_data(str(folder))), look(load_data(str(unlabelled))))
    predictions = predict_file(
        best.run.export_file("int8"),
        str(unlabelled),
        best.run.path / "predictions.csv",
        overwrite=True,
        progress=progress,
    )
    return exploration, predictions
