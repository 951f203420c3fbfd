"""Make a run's calibration set, and find it again."""

from __future__ import annotations

from collections import Counter
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
from edgedigits.data.crop_labels import NAMES, read_crop_labels
from edgedigits.data.crops import crop_names, holds_crops, is_held_out, read_crops
from edgedigits.data.folder import read_pictures
from edgedigits.errors import DataError, RunError, UsageError
from edgedigits.files import DAMAGED_NPZ, atomic_path, read_json, write_json
from edgedigits.picture_files import SUFFIXES
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData

FOLDER_METHOD, CROPS_METHOD = "folder", "crops"


def calibration_set(
    data: RunData, *, samples: int | None = None, method: str | None = None, seed: int = 0
) -> CalibrationSet:
    """Choose pictures of the training part that occur in neither validation nor test.

    A picture that also stands among those, pixel for pixel, is left out before the choice.

    Args:
        samples: how many; None: 500, or half of the training part where that is less.
        method: a key of ``choose.METHODS``; None: stratified.
        seed: of the choice.

    Raises:
        UsageError: an unknown method, or more samples than there are pictures.
    """
    evaluation = np.concatenate([data.test.images, data.validation.images])
    free = without_evaluation_content(data.train.images, evaluation)
    pool = data.train.take(free)
    samples = min(DEFAULT_SAMPLES, max(1, len(pool) // 2)) if samples is None else samples
    method = DEFAULT_METHOD if method is None else method
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


def calibration_set_from_folder(
    data: RunData, folder: Path, progress: Progress = SILENT
) -> CalibrationSet:
    """Take all pictures of a folder, such as camera crops, as the calibration set.

    The pictures may lie in the folder itself or in sub-folders, one a class. Of a folder of unsure
    crops, labelled or not, those of 28×28 are taken as the network saw them, but for the fifth that
    is held out for testing. Pictures that also occur in the run's test or validation part are left
    out.

    Raises:
        UsageError: there is no such folder.
        DataError: it holds no pictures, one that cannot be read, or only evaluation pictures.
    """
    if not folder.is_dir():
        raise UsageError(f"--from {folder}: no such folder")
    if holds_crops(folder):
        return _set_from_crops(data, folder, progress)
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise DataError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    images, notes = read_pictures(tuple(paths), folder.name, progress)
    for note in notes:
        progress.say(note)
    evaluation = np.concatenate([data.test.images, data.validation.images])
    free = without_evaluation_content(images, evaluation)
    if len(free) == 0:
        raise DataError(f"{folder}: every picture in it is also an evaluation picture")
    classes = Counter(paths[i].parent.name for i in free if paths[i].parent != folder)
    return CalibrationSet(
        images=images[free],
        indices=None,
        class_counts=dict(sorted(classes.items())),
        method=FOLDER_METHOD,
        origin=str(folder),
        seed=0,
        disjoint=check_disjoint(images[free], evaluation, len(images) - len(free)),
    )


def _set_from_crops(data: RunData, folder: Path, progress: Progress) -> CalibrationSet:
    files = read_crops(folder, crop_names(folder), progress)
    if files.damaged:
        progress.say(f"{len(files.damaged):,} crops cannot be read: {files.damaged[0]}, …")
    if not files.names:
        raise DataError(f"{folder}: holds no crops that can be read")
    held = is_held_out(files.images)
    evaluation = np.concatenate([data.test.images, data.validation.images, files.images[held]])
    free = without_evaluation_content(files.images, evaluation)
    if len(free) == 0:
        raise DataError(f"{folder}: every crop in it is also an evaluation picture")
    labels = read_crop_labels(folder)
    names = [files.names[i] for i in free]
    counts = Counter(labels[name].label for name in names if name in labels)
    return CalibrationSet(
        images=files.images[free],
        indices=None,
        class_counts={name: counts[name] for name in NAMES if counts[name]},
        method=CROPS_METHOD,
        origin=str(folder),
        seed=0,
        disjoint=check_disjoint(files.images[free], evaluation, len(files.images) - len(free)),
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
    except DAMAGED_NPZ as error:
        raise RunError(f"{path}: missing or damaged; run 'edgedigits calibrate' again") from error


def _pictures_file(run: RunFolder) -> Path:
    return run.calibration_file.with_suffix(".npz")
