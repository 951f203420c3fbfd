"""Fine-tuning: a trained model learns crops that its owner has labelled, beside its old pictures.

A model that sees only what is new forgets what it knew (M. McCloskey, N. Cohen, "Catastrophic
interference in connectionist networks", 1989). So each epoch shows all crops and, for each of them,
some old pictures, drawn anew every epoch, at a low learning rate; the epoch kept is the best by the
mean of two accuracies, on old validation pictures and on crops set aside.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.crops import CropSet, for_classes, holds_crops, is_for_choosing, load_crops
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.data.split import stratified_sample
from edgedigits.errors import DataError, RunError, UsageError
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder, open_run
from edgedigits.run_crops import RunCrops, joined, load_run_crops, without
from edgedigits.run_data import RunData, Split, choose_split, load_split
from edgedigits.train.batches import Picked
from edgedigits.train.settings import OLDER, Plan, TrainSettings
from edgedigits.zoo import zoo_files

REPLAY = 10.0  # old pictures for each crop
EPOCHS = 10
SLOWER = 0.1  # of the learning rate that the run was trained with
MOST_CHOOSING = 2_000  # old pictures that the best epoch is chosen by

# Taken over from the run where nothing else is said.
KEPT = ("model", "batch_size", "augment", "augment_strength", "validation", "precision")


def old_run(finetune: str) -> RunFolder:
    """The run behind ``--finetune``.

    Raises:
        UsageError: it is no run folder.
        RunError: the folder is damaged, or its model was not trained here.
    """
    path = Path(finetune)
    if path.is_file() or (not path.exists() and finetune in zoo_files()):
        raise UsageError(
            f"--finetune {finetune}: must be a run folder, as 'edgedigits train --run' makes; a "
            "file alone, shipped or exported, does not say what its model knows already"
        )
    run = open_run(path)
    if not isinstance(run.manifest().get("settings"), dict):
        raise RunError(
            f"{path}: its model was not made by 'edgedigits train', which alone knows how to go on"
        )
    return run


def filled_from_run(settings: TrainSettings) -> TrainSettings:
    """Settings of a fine-tuning with what they leave open: from the run, or this module's.

    Raises:
        UsageError: a setting is missing, or goes with another way of training.
        RunError: the run is damaged.
    """
    assert settings.finetune is not None
    if settings.crops is None:
        raise UsageError("--finetune needs --data FOLDER, a folder of labelled crops")
    for name in ("init", "teacher", "normalise"):
        if getattr(settings, name):
            raise UsageError(f"--finetune and --{name} exclude each other; leave one out")
    run = old_run(settings.finetune)
    manifest = run.manifest()
    recorded = {**OLDER, **run.recorded("settings", *KEPT, "learning_rate")}
    if settings.model not in (None, recorded["model"]):
        raise UsageError(
            f"MODEL is {settings.model}, but {run.path} holds {recorded['model']}; leave it out"
        )
    record = manifest.get("data")
    if not isinstance(record, dict):
        raise RunError(f"{run.manifest_file}: does not say which data the run used; make it again")
    open_ones = {
        **{name: recorded[name] for name in KEPT},
        "data": record.get("location") or record.get("name"),
        "learning_rate": SLOWER * recorded["learning_rate"],
        "epochs": EPOCHS,
        "schedule": "cosine",
        "early_stopping": 0,
        "replay": REPLAY,
        "init": str(run.path),
    }
    given = {field.name: getattr(settings, field.name) for field in fields(settings)}
    said = {name: value for name, value in given.items() if value is not None}
    return TrainSettings(**{**open_ones, **said})


def old_data_dir(made: Plan) -> Path | None:
    """Where downloads lay when the old run was made."""
    record = old_run(made.finetune or "").manifest().get("data", {})
    return Path(record["data_dir"]) if record.get("data_dir") else None


def old_split(made: Plan, dataset: DataSet, progress: Progress = SILENT) -> Split:
    """How the old data is divided: as in the old run, so that nothing it learnt is tested by."""
    run = old_run(made.finetune or "")
    if run.manifest().get("data", {}).get("digest") == dataset.digest:
        return load_split(run)
    progress.say(f"note: {run.path} was trained on other data than {dataset.name}")
    return choose_split(dataset, made.validation, made.seed)


def crops_to_learn(made: Plan, class_names: tuple[str, ...], progress: Progress) -> RunCrops:
    """The folder's labelled crops but those for testing, and what the old run learnt of crops.

    Raises:
        UsageError: the folder is not one of crops.
        DataError: nothing in it can be learnt.
    """
    folder = Path(made.crops or "")
    if not folder.is_dir() or not holds_crops(folder):
        raise UsageError(
            f"--data {made.crops}: is no folder of crops; 'edgedigits label FOLDER' labels what "
            "'camera --save-unsure FOLDER' keeps"
        )
    found: CropSet = for_classes(load_crops(folder, str(folder), progress), class_names)
    for note in found.notes:
        progress.say(f"note: {note}")
    aside = is_for_choosing(found.train.images)
    train = found.train.take(np.flatnonzero(~aside))
    choosing = found.train.take(np.flatnonzero(aside))
    former = load_run_crops(old_run(made.finetune or ""))
    if former is not None:
        train = joined(train, without(former.train, train))
        choosing = joined(choosing, without(former.choosing, choosing))
    if not len(train):
        raise DataError(f"{folder}: too few labelled crops to learn from; label some more")
    return RunCrops(train, choosing, str(folder.resolve()))


def replayed(data: RunData, made: Plan) -> Picked | None:
    """Which pictures an epoch learns from: all crops and a draw of old ones; None without crops."""
    if data.crops is None:
        return None
    new = len(data.crops.train)
    old = len(data.train) - new
    count = min(old, round(made.replay * new))

    def picked(epoch: int) -> NDArray[np.int64]:
        drawn = np.random.default_rng([made.seed, epoch, 1]).choice(old, count, replace=False)
        return np.concatenate([drawn, np.arange(old, old + new)]).astype(np.int64)

    return picked


def choosing_pictures(data: RunData) -> Pictures:
    """What the best epoch is chosen by: the validation part, or half of it and half crops.

    Crops set aside are few; they are repeated until they weigh as much as the old pictures.
    """
    if data.crops is None or not len(data.crops.choosing):
        return data.validation
    old, new = data.validation, data.crops.choosing
    assert old.labels is not None
    if len(old) > MOST_CHOOSING:
        old = old.take(stratified_sample(old.labels, MOST_CHOOSING, 0))
    times = max(1, round(len(old) / len(new)))
    return joined(old, new.take(np.tile(np.arange(len(new)), times)))


def finetuning_record(made: Plan, crops: RunCrops) -> dict[str, Any]:
    """What ``run.json`` says of a fine-tuning."""
    return {"crops": crops.record(), "finetuned_from": str(Path(made.finetune or "").resolve())}
