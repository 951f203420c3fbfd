"""Export a run's models as ``.tflite`` files, through a child process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgedigits.calibration.make import (
    calibration_set,
    load_calibration_set,
    save_calibration_set,
)
from edgedigits.calibration.record import CalibrationSet
from edgedigits.child import child_environment
from edgedigits.convert.clustering import cluster
from edgedigits.convert.qat import QatSettings
from edgedigits.convert.recipes import SOURCES, Variant, plan
from edgedigits.convert.slim import slim
from edgedigits.convert.stamp import stamp
from edgedigits.convert.worker import Task
from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import read_metadata
from edgedigits.device.sidecar import sidecar, sidecar_file
from edgedigits.errors import ConversionError, UsageError, called
from edgedigits.files import file_digest, write_json, writing
from edgedigits.progress import SILENT, Progress
from edgedigits.rejection import FIT_SEED, knows_digits, rejection_of
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData

WORK_PREFIX = ".export-"  # then the process: work folders of those that were killed are removed


@dataclass(frozen=True)
class Exported:
    """One file that was made."""

    variant: str
    file: Path
    bytes: int
    sha256: str
    seconds: float


@dataclass(frozen=True)
class Failed:
    """One variant that could not be made, and why."""

    variant: str
    message: str


@dataclass(frozen=True)
class ExportResult:
    """What an export made, what it could not make, and on which calibration set."""

    exported: tuple[Exported, ...]
    failed: tuple[Failed, ...]
    calibration: CalibrationSet


def choose_variants(
    run: RunFolder,
    names: list[str],
    *,
    everything: bool,
    source: str | None = None,
    slim: bool = False,
) -> list[Variant]:
    """What to make of which of the run's Keras models.

    Args:
        names: recipes asked for. everything: also all recipes that run at speed.
        source: one of ``SOURCES``; None: every one that the run holds.
        slim: leave names and metadata out of the files.

    Raises:
        UsageError: nothing or something unknown was asked for, or the run lacks the source.
    """
    if source is not None and source not in SOURCES:
        raise UsageError(f"--source {source}: unknown; choose one of {', '.join(SOURCES)}")
    if source is not None and not run.model_file(source).is_file():
        raise UsageError(f"--source {source}: {run.path} holds no {source}.keras; prune it first")
    present = [name for name in SOURCES if run.model_file(name).is_file()]
    sources = present if source is None else [source]
    return plan(names, sources, everything=everything, slim=slim)


def export(
    run: RunFolder,
    variants: list[Variant],
    data: RunData,
    *,
    qat: QatSettings | None = None,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> ExportResult:
    """Make the variants; each file takes its place only when it is whole and checked.

    A run without a calibration set gets the default one first. A slim file has what is known of it
    in a JSON file beside it.

    Args:
        variants: from ``recipes.plan``.
        data: the run's data. data_dir: where it lies, for the child.
        qat: how ``qat-int8`` is fine-tuned.

    Raises:
        ConversionError: the child process ended early. RunError: the run cannot be written.
    """
    calibration = calibration_of(run, data, progress)
    with work_folder(run) as folder:
        pictures = save_pictures(folder / "calibration.npz", calibration)
        tasks = [
            Task(
                variant=variant.name,
                source=variant.source,
                recipe=variant.recipe.name,
                calibration=str(pictures),
                target=str(folder / f"{variant.name}.tflite"),
                layers=variant.layers,
            )
            for variant in variants
        ]
        clusters = {variant.name: variant.clusters for variant in variants}
        slimmed = {variant.name for variant in variants if variant.slim}
        exported, failed = [], []
        for event in run_child(run, tasks, folder, qat=qat, data_dir=data_dir, progress=progress):
            if event["event"] == "failed":
                message = event["message"].replace(str(folder), str(run.exports))
                failed.append(Failed(event["variant"], message))
                progress.say(f"not exported: {message}")
            else:
                file = folder / f"{event['variant']}.tflite"
                with called(folder, run.exports):
                    if clusters[event["variant"]]:
                        _cluster(file, clusters[event["variant"]])
                    _set_threshold(file, data)
                    if event["variant"] in slimmed:
                        _slim_with_sidecar(file)
                made = _put_in_place(run, file, event)
                exported.append(made)
                progress.say(f"{made.file}  {made.bytes:,} bytes")
    return ExportResult(tuple(exported), tuple(failed), calibration)


def calibration_of(run: RunFolder, data: RunData, progress: Progress) -> CalibrationSet:
    """The run's calibration set; where there is none, the default one is chosen and recorded."""
    if run.calibration_file.is_file():
        return load_calibration_set(run, data)
    calibration = calibration_set(data)
    save_calibration_set(run, calibration)
    progress.say(
        f"no calibration set yet: chose {len(calibration.images)} pictures "
        f"({calibration.method}, seed {calibration.seed}) → {run.calibration_file}"
    )
    return calibration


def save_pictures(path: Path, calibration: CalibrationSet) -> Path:
    """Put calibration pictures where the child finds them."""
    with writing(path):
        np.savez(path, images=calibration.images)
    return path


@contextlib.contextmanager
def work_folder(run: RunFolder) -> Iterator[Path]:
    """A folder inside the run for files in the making, removed at the end.

    Raises:
        RunError: the run cannot be written.
    """
    with writing(run.path):
        for left_over in run.path.glob(f"{WORK_PREFIX}*"):
            if not _is_running(left_over.name.split("-")[1]):
                shutil.rmtree(left_over, ignore_errors=True)
        prefix = f"{WORK_PREFIX}{os.getpid()}-"
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=run.path))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def run_child(
    run: RunFolder,
    tasks: list[Task],
    folder: Path,
    *,
    qat: QatSettings | None = None,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Iterator[dict[str, Any]]:
    """Run tasks in one child process, and yield its ``done`` and ``failed`` events as they come.

    Raises:
        ConversionError: the child ended before its work was done; the message names its log.
    """
    job = folder / "job.json"
    document = {
        "run": str(run.path),
        "data_dir": None if data_dir is None else str(data_dir),
        "qat": asdict(qat or QatSettings()),
        "tasks": [asdict(task) for task in tasks],
    }
    log = run.path / "export.log"
    with writing(log):
        job.write_text(json.dumps(document))
        log_file = log.open("wb")
    command = [sys.executable, "-m", "edgedigits.convert.worker", str(job)]
    with log_file:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # closes when this process ends, and the child with it
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
            env=child_environment(),
            start_new_session=True,  # Ctrl-C is for the parent to act on
        )
    assert child.stdout is not None
    finished = 0
    try:
        for line in child.stdout:
            event = json.loads(line)
            if event["event"] == "fatal":
                raise ConversionError(event["message"])
            if event["event"] in ("done", "failed"):
                finished += 1
                yield event
            else:
                _show(event, finished, len(tasks), progress)
        code = child.wait()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        if child.stdin is not None:
            child.stdin.close()
    if finished < len(tasks):
        raise ConversionError(
            f"the conversion process ended early ({_ending(code)}) after {finished} of "
            f"{len(tasks)} files; its log is {log}"
        )


def _show(event: dict[str, Any], finished: int, total: int, progress: Progress) -> None:
    if event["event"] == "start":
        progress.update("export", finished, total, event["variant"])
    elif event["event"] == "progress":
        progress.update(event["what"], event["done"], event["total"], event["note"])
    elif event["event"] == "say":
        progress.say(event["line"])


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, often a sign of too little memory" if name == "SIGKILL" else name


def _cluster(file: Path, clusters: int) -> None:
    """Leave fewer distinct weights in a stamped file, and stamp it again."""
    data = file.read_bytes()
    metadata = read_metadata(data)
    assert metadata is not None
    with writing(file):
        file.write_bytes(stamp(cluster(data, clusters), metadata))


def _set_threshold(file: Path, data: RunData) -> None:
    """Fit when an answer of this file counts, and put it into its metadata; digits only."""
    if not knows_digits(data.class_names):
        return
    classifier = Classifier(file, trust=True)
    assert classifier.metadata is not None
    fitted = rejection_of(classifier, data.validation, seed=FIT_SEED)
    metadata = replace(classifier.metadata, rejection=fitted)
    with writing(file):
        file.write_bytes(stamp(file.read_bytes(), metadata))


def _slim_with_sidecar(file: Path) -> None:
    """Slim a stamped file; its metadata goes into the JSON file beside it."""
    data = file.read_bytes()
    metadata = read_metadata(data)
    assert metadata is not None
    data = slim(data, str(file))
    with writing(file):
        file.write_bytes(data)
    write_json(sidecar_file(file), sidecar(data, metadata))


def _put_in_place(run: RunFolder, made: Path, event: dict[str, Any]) -> Exported:
    target = run.export_file(event["variant"])
    with writing(target):
        target.parent.mkdir(exist_ok=True)
        if sidecar_file(made).is_file():
            sidecar_file(made).replace(sidecar_file(target))
        made.replace(target)
    return Exported(
        variant=event["variant"],
        file=target,
        bytes=target.stat().st_size,
        sha256=file_digest(target),
        seconds=event["seconds"],
    )
