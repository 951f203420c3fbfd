"""Recognising picture files one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.device.drawing import draw
from edgedigits.device.outputs import write_picture
from edgedigits.device.reading import Reading
from edgedigits.device.recogniser import Recogniser
from edgedigits.device.unsure import UnsureCrops, open_unsure
from edgedigits.errors import DataError, UsageError
from edgedigits.files import not_a_file
from edgedigits.picture_files import read_picture
from edgedigits.preprocess import to_grey
from edgedigits.progress import SILENT, Progress


@dataclass(frozen=True, eq=False)
class PictureReading:
    """One picture and what was read in it.

    Attributes:
        source: the file as named. frame: its number among those asked for, from 0.
        reading: what was read. annotated: the file with boxes drawn in, or None.
    """

    source: Path
    frame: int
    reading: Reading
    annotated: Path | None

    def view(self) -> str:
        """What a terminal shows: the file, its digits, and a row a line."""
        digits = self.reading.digits
        ink = "dark on light" if self.reading.dark_on_light else "light on dark"
        head = (
            f"{self.source}: {len(digits)} digits, {ink}" if digits else f"{self.source}: no digits"
        )
        rows = [
            "  "
            + "".join(str(candidate.digit) for candidate in row)
            + f"   (least sure: {min(candidate.score for candidate in row):.2f})"
            for row in self.reading.rows
        ]
        written = [] if self.annotated is None else [f"  written: {self.annotated}"]
        return "\n".join([head, *rows, *written])

    def to_json(self) -> dict[str, Any]:
        """As one line of ``edgedigits recognise --json``."""
        return {"source": str(self.source), "frame": self.frame, **self.reading.to_json()}


def check_pictures(paths: list[Path], out: Path | None) -> None:
    """Refuse what cannot be done before anything is.

    Raises:
        UsageError: a file is missing, two copies would have the same name, or a copy would take the
            place of one of the pictures.
    """
    for path in paths:
        if not path.is_file():
            raise UsageError(f"{path}: {not_a_file(path)}; name picture files")
    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; name a folder")
    stems = [path.stem for path in paths]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise UsageError(f"--out {out}: two pictures would both become {twice}-read.png there")
    named = {path.resolve() for path in paths}
    for path in paths:
        if _copy(path, out).resolve() in named:
            raise UsageError(
                f"--out {out}: the copy of {path} would take the place of the picture "
                f"{_copy(path, out)}; name another folder"
            )


def recognise_pictures(
    paths: list[Path],
    recogniser: Recogniser,
    *,
    out: Path | None = None,
    save_unsure: Path | None = None,
    progress: Progress = SILENT,
) -> Iterator[PictureReading]:
    """Read picture files one after the other; further arguments as :func:`recognise_picture`.

    Args:
        paths: the files. recogniser: to read them with. out: a folder for annotated copies.
        save_unsure: a folder for crops that the recogniser was not sure about.
        progress: told of every file.

    Raises:
        UsageError: the folder for crops cannot be used. Others as :func:`recognise_picture`.
    """
    with open_unsure(save_unsure, recogniser.threshold, progress) as unsure:
        for number, path in enumerate(paths):
            progress.update("recognising", number, len(paths), path.name)
            yield recognise_picture(path, recogniser, number=number, out=out, unsure=unsure)


def recognise_picture(
    path: Path,
    recogniser: Recogniser,
    *,
    number: int = 0,
    out: Path | None = None,
    unsure: UnsureCrops | None = None,
) -> PictureReading:
    """Read one picture file, upright as its EXIF orientation says.

    Args:
        path: the file. recogniser: to read it with. number: to call it by.
        out: a folder for a copy with boxes drawn in.
        unsure: keeps what the recogniser was not sure about.

    Raises:
        DataError: the file is no picture. RunError: the copy cannot be written.
    """
    picture = read_picture(path)
    try:
        to_grey(picture[:1, :1])
    except ValueError as error:
        raise DataError(f"{path}: cannot be used as a picture: {error}") from error
    reading = recogniser.read(picture)
    annotated = None
    if out is not None:
        annotated = _copy(path, out)
        write_picture(annotated, draw(_drawable(picture), reading, rejected=reading.rejected))
    if unsure is not None:
        unsure.add(_drawable(picture), reading, source=str(path), frame=number)
    return PictureReading(path, number, reading, annotated)


def _copy(path: Path, out: Path) -> Path:
    return out / f"{path.stem}-read.png"


def _drawable(picture: Any) -> Any:
    return picture if picture.dtype == "uint8" else to_grey(picture)
