"""Calibrate twice with different pictures, and measure how much that matters."""

from __future__ import annotations

from pathlib import Path

from edgedigits.calibration.choose import DEFAULT_METHOD
from edgedigits.calibration.make import calibration_set
from edgedigits.calibration.record import CalibrationSet
from edgedigits.calibration.stability import Stability, compare_calibrations
from edgedigits.convert.contents import read_contents
from edgedigits.convert.export import run_child, save_pictures, work_folder
from edgedigits.convert.worker import Task
from edgedigits.device.classifier import Classifier
from edgedigits.errors import ConversionError
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData


def calibration_stability(
    run: RunFolder,
    data: RunData,
    calibration: CalibrationSet,
    *,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Stability:
    """Convert the model to int8 on the recorded set and on another draw of the same size.

    Answers are compared on the validation pictures.

    Args:
        calibration: the recorded set. The other is drawn in the same way with the next seed; for
            pictures of a folder, stratified from the training part, at most half of it.

    Raises:
        ConversionError: a conversion failed.
    """
    method, samples = calibration.method, len(calibration.images)
    if calibration.indices is None:
        method, samples = DEFAULT_METHOD, min(samples, max(1, len(data.train) // 2))
    other = calibration_set(data, samples=samples, method=method, seed=calibration.seed + 1)
    with work_folder(run) as folder:
        tasks = []
        for name, chosen in (("first", calibration), ("second", other)):
            tasks.append(
                Task(
                    variant=name,
                    source="model",
                    recipe="int8",
                    calibration=str(save_pictures(folder / f"{name}.npz", chosen)),
                    target=str(folder / f"{name}.tflite"),
                )
            )
        for event in run_child(run, tasks, folder, data_dir=data_dir, progress=progress):
            if event["event"] == "failed":
                raise ConversionError(event["message"])
        files = [Classifier(Path(task.target), trust=True) for task in tasks]
        scales = [read_contents(file.path.read_bytes(), str(file.path)) for file in files]
    answers = [file.scores(data.validation.images).argmax(axis=1) for file in files]
    assert data.validation.labels is not None
    return compare_calibrations(
        (scales[0].activation_scales(), scales[1].activation_scales()),
        (answers[0], answers[1]),
        data.validation.labels,
        (len(calibration.images), len(other.images)),
        (calibration.seed, other.seed),
    )
