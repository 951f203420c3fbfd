"""Make a run's calibration set, and find it again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgedigits.calibration.choose import DEFAULT_METHOD, DEFAULT_SAMPLES, choose
from edgedigits.calibration.record import (
    CalibrationSet,
    check_disjoint,
    count_classes,
    from_json,
    without_evaluation_content,
)
from edgedigits.data.dataset import Pictures
from edgedigits.errors import RunError
from edgedigits.run import RunFolder, atomic_path, read_json, write_json
from edgedigits.run_data import RunData

FOLDER_METHOD = "folder"


def make_calibration_set(
    data: RunData,
    *,
    samples: int = DEFAULT_SAMPLES,
    method: str = DEFAULT_METHOD,
    seed: int = 0,
) -> CalibrationSet:
    """Choose pictures of the training part that occur in neither validation nor test.

    A picture that also stands among those, pixel for pixel, is left out before the choice.

    Raises:
        UsageError: an unknown method, or more samples than there are pictures.
    """
    evaluation = np.concatenate([data.test.images, data.validation.images])
    free = without_evaluation_content(data.train.images, evaluation)
    pool = data.train.take(free)
    chosen = choose(pool, samples=samples, method=method, seed=seed)
    pictures = pool.take(chosen)
    return CalibrationSet(
        images=pictures.images,
        indices=data.train_indices[free[chosen]],
        class_counts=count_classes(pictures.labels, data.class_names),
        method=method,
        origin=data.dataset.name,
        seed=seed,
        disjoint=check_disjoint(pictures.images, evaluation, len(data.train) - len(pool)),
    )


def calibration_set_from_pictures(
    data: RunData, pictures: Pictures, class_names: tuple[str, ...], origin: str
) -> CalibrationSet:
    """Take all pictures of another origin, such as camera crops, as the calibration set.

    Pictures that also occur in the run's test or validation part are left out.

    Args:
        pictures: uint8 ``[n, 28, 28]``, with or without labels. class_names: of these labels.
        origin: where they come from, for the record.

    Raises:
        RunError: nothing is left.
    """
    evaluation = np.concatenate([data.test.images, data.validation.images])
    free = without_evaluation_content(pictures.images, evaluation)
    if len(free) == 0:
        raise RunError(f"{origin}: every picture in it is also an evaluation picture")
    kept = pictures.take(free)
    return CalibrationSet(
        images=kept.images,
        indices=None,
        class_counts=count_classes(kept.labels, class_names),
        method=FOLDER_METHOD,
        origin=origin,
        seed=0,
        disjoint=check_disjoint(kept.images, evaluation, len(pictures) - len(kept)),
    )


def save_calibration_set(run: RunFolder, calibration: CalibrationSet) -> None:
    """Write ``calibration.json``, and ``calibration.npz`` for pictures of another origin.

    Raises:
        RunError: the run folder cannot be written.
    """
    if calibration.indices is None:
        with atomic_path(_pictures_file(run)) as temporary:
            np.savez_compressed(temporary, images=calibration.images)
    write_json(run.calibration_file, calibration.to_json())


def load_calibration_set(run: RunFolder, data: RunData) -> CalibrationSet:
    """The recorded calibration set with its pictures.

    Raises:
        RunError: it is missing or damaged, or the pictures are not those recorded.
    """
    where = str(run.calibration_file)
    document = read_json(run.calibration_file, "the calibration set")
    indices = document.get("indices")
    if indices is None:
        images = _stored_pictures(run)
    else:
        try:
            positions = np.asarray(indices, dtype=np.int64)
            images = data.dataset.train.images[positions]
        except (IndexError, ValueError, TypeError) as error:
            raise RunError(f"{where}: damaged indices; run 'edgedigits calibrate' again") from error
    return from_json(document, images, where)


def _stored_pictures(run: RunFolder) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    path = _pictures_file(run)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return np.asarray(stored["images"], dtype=np.uint8)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path}: missing or damaged; run 'edgedigits calibrate' again") from error


def _pictures_file(run: RunFolder) -> Path:
    return run.calibration_file.with_suffix(".npz")
