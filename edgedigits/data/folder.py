"""A folder with one sub-folder of pictures a class, or two such folders, ``train`` and ``test``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgedigits.data.dataset import DataSet, Images, Pictures
from edgedigits.errors import DataError
from edgedigits.picture_files import SUFFIXES, read_picture
from edgedigits.preprocess import SIDE, is_dark_on_light, picture_to_digit, to_grey
from edgedigits.progress import Progress


@dataclass(frozen=True)
class _Files:
    """Picture files of one part, with the class of each; and how many other files there were."""

    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    ignored: int


def load_folder(folder: Path, name: str, progress: Progress) -> DataSet:
    """Pictures by class: the sub-folders' names are the classes, in order (by number if numeric).

    28×28 pictures are taken as they are, or inverted where most of them are dark on light; all
    others go through the preprocessor. Hidden files are passed over.

    Raises:
        DataError: no sub-folders or a single one, one without pictures, a picture that cannot be
            read, or a test class that training does not have.
    """
    if (folder / "train").is_dir() and _sub_folders(folder / "train"):
        classes = _class_names(folder / "train")
        train, notes = _part(folder / "train", classes, progress)
        if not (folder / "test").is_dir():
            return DataSet(name, train, None, classes, notes)
        test, test_notes = _part(folder / "test", classes, progress)
        return DataSet(name, train, test, classes, notes + test_notes)
    classes = _class_names(folder)
    pictures, notes = _part(folder, classes, progress)
    return DataSet(name, pictures, None, classes, notes)


def read_pictures(
    paths: tuple[Path, ...], where: str, progress: Progress
) -> tuple[Images, tuple[str, ...]]:
    """Pictures of one symbol each, as the model sees them.

    Args:
        paths: the files, at least one.
        where: what they are, for notes and progress.
        progress: told of every picture.

    Returns:
        uint8 ``[n, 28, 28]``, and what was converted.

    Raises:
        DataError: a file is no picture; it is named.
    """
    images = np.empty((len(paths), SIDE, SIDE), dtype=np.uint8)
    ready = np.zeros(len(paths), dtype=bool)
    light = np.zeros(len(paths), dtype=bool)
    for i, path in enumerate(paths):
        picture = read_picture(path)
        ready[i] = picture.shape[:2] == (SIDE, SIDE)
        try:
            images[i] = to_grey(picture) if ready[i] else picture_to_digit(picture)
        except ValueError as error:
            raise DataError(f"{path}: cannot be used as a picture: {error}") from error
        light[i] = ready[i] and is_dark_on_light(images[i])
        progress.update(f"reading {where}", i + 1, len(paths))
    notes = []
    # Decided for all together: a single bright object that fills its field looks like a light
    # background, a set of such pictures does not.
    if 2 * light.sum() > ready.sum():
        images[ready] = 255 - images[ready]
        notes.append(
            f"{where}: {ready.sum():,} pictures of {SIDE}×{SIDE} were inverted: "
            "they are dark on light"
        )
    if not ready.all():
        notes.append(
            f"{where}: {(~ready).sum():,} pictures of other sizes were cut out, scaled and centred "
            "by the preprocessor"
        )
    return images, tuple(notes)


def _part(
    folder: Path, classes: tuple[str, ...], progress: Progress
) -> tuple[Pictures, tuple[str, ...]]:
    files = _find(folder, classes)
    images, notes = read_pictures(files.paths, folder.name, progress)
    if files.ignored:
        notes += (f"{folder.name}: {files.ignored:,} files that are no pictures were passed over",)
    return Pictures(images, np.array(files.labels, dtype=np.int64)), notes


def _find(folder: Path, classes: tuple[str, ...]) -> _Files:
    paths: list[Path] = []
    labels: list[int] = []
    ignored = 0
    for sub_folder in _sub_folders(folder):
        if sub_folder.name not in classes:
            raise DataError(
                f"{sub_folder}: class '{sub_folder.name}' is outside the classes of the training "
                f"part: {', '.join(classes[:12])}"
            )
        files = [path for path in sorted(_list(sub_folder)) if _is_visible_file(path)]
        pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
        if not pictures:
            raise DataError(
                f"{sub_folder}: holds no pictures ({', '.join(sorted(SUFFIXES))}); add some or "
                "take the folder away"
            )
        ignored += len(files) - len(pictures)
        paths += pictures
        labels += [classes.index(sub_folder.name)] * len(pictures)
    if not paths:
        raise DataError(f"{folder}: holds no sub-folders of pictures, one a class")
    return _Files(tuple(paths), tuple(labels), ignored)


def _class_names(folder: Path) -> tuple[str, ...]:
    names = [path.name for path in _sub_folders(folder)]
    if not names:
        raise DataError(
            f"{folder}: holds neither IDX files nor train.csv nor sub-folders of pictures, "
            "one a class"
        )
    if len(names) == 1:
        raise DataError(
            f"{folder}: holds a single class, '{names[0]}'; a classifier needs at least two"
        )
    return tuple(names)


def _sub_folders(folder: Path) -> list[Path]:
    found = [path for path in _list(folder) if path.is_dir() and not path.name.startswith(".")]
    numeric = all(path.name.isdecimal() for path in found)
    return sorted(found, key=lambda path: (int(path.name) if numeric else 0, path.name))


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error


def _is_visible_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")
