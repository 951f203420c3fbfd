"""The run folder: the names of its files, and its manifest.

Each step of the work reads and writes named files of one folder::

    runs/NAME/
      run.json             command, model, data and its digests, seed, settings, versions, host
      split.json           indices of the validation (and held-out test) pictures
      model.keras          the float model; pruned.keras and channels.keras beside it
      history.json         loss and accuracy by epoch
      crops.npz            crops that the model was fine-tuned on
      calibration.json     the calibration set: indices, class counts, method, seed, digest
      edgetpu/VARIANT_edgetpu.tflite  compiled for an Edge TPU, with the compiler's log
      exports/VARIANT.tflite  and VARIANT-slim.json beside VARIANT-slim.tflite;
                          VARIANT_model.c and VARIANT_model.h, with --c-array
      evaluations/VARIANT.json
      devices/HOST.json    what 'bench --host' measured there
      diagnosis/           diagnosis.json and pictures
      report/              pictures and report.html
      shrink/              what searches for the smallest file keep; shrink.json the last result
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.errors import RunError, UsageError
from edgedigits.files import read_json, write_json
from edgedigits.run_manifest import check_manifest


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run. Nothing is read or written by asking for a path."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @property
    def manifest_file(self) -> Path:
        """``run.json``."""
        return self.path / "run.json"

    @property
    def split_file(self) -> Path:
        """``split.json``."""
        return self.path / "split.json"

    @property
    def history_file(self) -> Path:
        """``history.json``."""
        return self.path / "history.json"

    @property
    def crops_file(self) -> Path:
        """``crops.npz``."""
        return self.path / "crops.npz"

    @property
    def calibration_file(self) -> Path:
        """``calibration.json``."""
        return self.path / "calibration.json"

    @property
    def exports(self) -> Path:
        """Folder of the ``.tflite`` files."""
        return self.path / "exports"

    @property
    def evaluations(self) -> Path:
        """Folder of the evaluation results."""
        return self.path / "evaluations"

    @property
    def report(self) -> Path:
        """Folder of pictures and ``report.html``."""
        return self.path / "report"

    @property
    def diagnosis(self) -> Path:
        """Folder of what ``diagnose`` found."""
        return self.path / "diagnosis"

    @property
    def devices(self) -> Path:
        """Folder of what ``bench --host`` brought home, ``HOST.json`` each."""
        return self.path / "devices"

    def model_file(self, source: str = "model") -> Path:
        """``SOURCE.keras``; source is ``model``, ``pruned`` or ``channels``."""
        return self.path / f"{source}.keras"

    @property
    def edgetpu(self) -> Path:
        """``edgetpu``, the folder of files compiled for an Edge TPU."""
        return self.path / "edgetpu"

    def export_file(self, variant: str) -> Path:
        """``exports/VARIANT.tflite``."""
        return self.exports / f"{variant}.tflite"

    def manifest(self) -> dict[str, Any]:
        """The content of ``run.json``.

        Raises:
            RunError: the file is missing, is not a manifest, or holds a value of another kind than
                is written there.
        """
        manifest = read_json(self.manifest_file, "the run's manifest")
        check_manifest(manifest, self.manifest_file)
        return manifest

    def recorded(self, part: str, *names: str) -> dict[str, Any]:
        """A part of ``run.json``, as ``model`` or ``data``, that must hold these names.

        Raises:
            RunError: as :meth:`manifest`, or the part or one of the names is missing.
        """
        found: dict[str, Any] = self.manifest().get(part, {})
        missing = next((name for name in names if name not in found), None)
        if missing is not None:
            raise RunError(f"{self.manifest_file}: lacks {part}.{missing}; make the run again")
        return found

    def update_manifest(self, **fields: Any) -> dict[str, Any]:
        """Set top-level fields of ``run.json``, keeping all others; returns the new content."""
        manifest = self.manifest() if self.manifest_file.exists() else {}
        manifest.update(fields)
        write_json(self.manifest_file, manifest)
        return manifest


def open_run(path: Path) -> RunFolder:
    """The run at a path.

    Raises:
        UsageError: there is no such folder.
        RunError: the folder is not a run, or holds no model.
    """
    run = RunFolder(path)
    if not path.is_dir():
        raise UsageError(f"{path}: {_no_folder(path)}")
    if not run.manifest_file.is_file():
        raise RunError(
            f"{path}: not a run folder, it holds no run.json; see 'edgedigits train --help'"
        )
    if not run.model_file().is_file():
        if unfinished(path):
            raise RunError(
                f"{path}: the run holds no model.keras yet; go on with its training by "
                f"{resume_command(path)}"
            )
        raise RunError(
            f"{path}: the run holds no model.keras yet; run 'edgedigits train … --run {path}'"
        )
    return run


def _no_folder(path: Path) -> str:
    """What to do about a path that is wanted as a run and is no folder."""
    kind = path.suffix.lower()
    if not path.exists() or kind not in (".keras", ".h5", ".tflite"):
        wrong = "no such run folder" if not path.exists() else "is a file, not a run folder"
        return f"{wrong}; make one with 'edgedigits train --run RUN'"
    around = path.resolve().parent
    if kind == ".tflite" and RunFolder(around.parent).manifest_file.is_file():
        return f"is a file, not a run folder; name the run that it lies in, {around.parent}"
    model = path if kind != ".tflite" else "MODEL.keras"
    of = "" if kind != ".tflite" else " of the Keras model it was made of"
    return (
        f"is a file, not a run folder; make one{of} with "
        f"'edgedigits import {model} --data DATA --run RUN'"
    )


def unfinished(path: Path) -> bool:
    """Whether a folder holds a training that ``train --resume`` would go on with."""
    try:
        manifest = RunFolder(path).manifest()
    except RunError:
        return False
    return isinstance(manifest.get("settings"), dict) and manifest.get("training") == {
        "complete": False
    }


def resume_command(path: Path) -> str:
    """How to go on with an interrupted training, for a message."""
    return f"'edgedigits train --run {path} --resume'"
