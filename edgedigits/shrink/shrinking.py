"""The smallest file of a run within a limit: search, choose on validation, judge on test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import metadata_of_text
from edgedigits.device.sidecar import sidecar, sidecar_file
from edgedigits.errors import QualityError, RunError, UsageError
from edgedigits.evaluate import Part, answer
from edgedigits.files import write_bytes, write_json
from edgedigits.metrics import compare_paired, wilson_interval
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData, load_run_data
from edgedigits.shrink.candidate import Candidate
from edgedigits.shrink.result import Judged, Limit, Shrunk, Trial, best, nearest
from edgedigits.shrink.searching import Search
from edgedigits.shrink.storage import Heartbeat, load_optuna, open_study
from edgedigits.shrink.travelling import unpack
from edgedigits.shrink.workshop import Settings, Workshop

SHRUNK = "shrunk"  # exports/shrunk.tflite, and shrunk.keras, which it was made of
REPORT = "shrink.json"
TRIALS = 24


def shrink(
    run: RunFolder,
    limit: Limit,
    *,
    trials: int = TRIALS,
    settings: Settings | None = None,
    storage: str | None = None,
    heartbeat: Heartbeat | None = None,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Shrunk:
    """Search, and put the best file within the limit into ``exports/shrunk.tflite``.

    Everything is chosen on the validation part. The same call goes on where one was interrupted;
    nothing is evaluated twice.

    Args:
        run: a finished run.
        limit: what the file may lose and weigh.
        trials: to try at most, those of earlier calls and other workers included.
        settings: of retraining.
        storage: address of a database that workers share; None: a journal in the run folder.
        heartbeat: of these workers.
        data_dir: where downloads lie; None: where they lay when the run was made.
        progress: told of every trial.

    Raises:
        UsageError: an option that does not fit.
        QualityError: nothing tried is within the limit; names the nearest.
        StorageError: the database cannot be reached.
        EdgedigitsError: as training and export.
    """
    settings, heartbeat = settings or Settings(), heartbeat or Heartbeat()
    limit.check()
    if trials < 1:
        raise UsageError(f"--trials {trials}: must be 1 or more")
    if settings.epochs is not None and settings.epochs < 1:
        raise UsageError(f"--epochs {settings.epochs}: must be 1 or more")
    if settings.seed < 0:
        raise UsageError(f"--seed {settings.seed}: must be 0 or more")
    load_optuna()
    data = load_run_data(run, data_dir=data_dir, progress=progress)
    if data.test.labels is None:
        raise UsageError(f"{run.path}: the test part of {data.dataset.name} has no labels")
    workshop = Workshop(run, data, settings, data_dir=data_dir, progress=progress)
    name = f"edgedigits-{workshop.digest}-{limit.key}"
    with open_study(name, workshop.folder, storage, heartbeat) as study:
        search = Search(
            study,
            workshop,
            limit,
            most=trials,
            shared=storage is not None,
            heartbeat=heartbeat,
            progress=progress,
        )
        found = search.run()
        layers = workshop.facts.dense
        chosen = best(found, limit)
        if chosen is None:
            raise QualityError(_nothing(found, limit, layers))
        file = _put_in_place(run, workshop, chosen, study)
    workshop.finish()
    int8 = [trial.bytes for trial in found if trial.candidate == Candidate() and trial.made]
    result = Shrunk(
        limit=limit,
        trials=found,
        layers=layers,
        float32_bytes=search.float32_file.stat().st_size,
        float32_accuracy=search.float32_accuracy,
        int8_bytes=int8[0] if int8 else None,
        chosen=chosen,
        file=file,
        test=_judged(file, search.float32_file, data, progress),
        study=name,
        notes=workshop.facts.notes,
    )
    write_json(run.path / REPORT, result.to_json())
    return result


def _nothing(found: Sequence[Trial], limit: Limit, layers: tuple[str, ...]) -> str:
    close = nearest(found, limit)
    start = f"none of {len(found)} files has {limit.text()} on the validation part"
    if close is None:
        reasons = "; ".join(trial.message for trial in found[:2])
        return f"no file could be made: {reasons}" if found else start
    return (
        f"{start}; the nearest is trial {close.number}, {close.candidate.label(layers)}: "
        f"{close.size(limit):,} bytes, {close.drop:.2f} points lost"
    )


def _put_in_place(run: RunFolder, workshop: Workshop, chosen: Trial, study: Any) -> Path:
    """The chosen file and what is known of it as ``exports/shrunk``, and its Keras model.

    Raises:
        RunError: another worker made it and it is too large to have travelled.
    """
    parcel = workshop.made(chosen.candidate)
    if parcel is None or parcel.sha256 != chosen.sha256:
        attributes = study.get_trials(deepcopy=False)[chosen.number].user_attrs
        parcel = unpack(attributes, chosen.sha256)
    if parcel is None:
        raise RunError(
            f"the file of trial {chosen.number} is too large for the storage and lies with the "
            f"worker that made it, {chosen.worker}; the same command puts it in place there"
        )
    beside = json.loads(parcel.sidecar)["metadata"]
    metadata = metadata_of_text(json.dumps(beside).encode())
    assert metadata is not None
    target = run.export_file(SHRUNK)
    described = replace(metadata, variant=SHRUNK, source=SHRUNK)
    write_bytes(run.model_file(SHRUNK), parcel.model)
    write_json(sidecar_file(target), sidecar(parcel.data, described))
    write_bytes(target, parcel.data)
    return target


def _judged(file: Path, float32: Path, data: RunData, progress: Progress) -> Judged:
    progress.update("judging on the test part", 0, None)
    part = Part(data.test, data.class_names, data.dataset.name, "test")
    truth = data.test.labels
    assert truth is not None
    small, large = (answer(Classifier(path, trust=True), part).scores for path in (file, float32))
    right = int((small.argmax(axis=1) == truth).sum())
    low, high = wilson_interval(right, len(truth))
    return Judged(
        n=len(truth),
        accuracy=right / len(truth),
        accuracy_low=low,
        accuracy_high=high,
        reference_accuracy=float((large.argmax(axis=1) == truth).mean()),
        paired=compare_paired(truth, large, small),
    )
