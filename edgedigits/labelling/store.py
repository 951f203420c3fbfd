"""The crops of a folder and their labels, written at once; one program at a time."""

from __future__ import annotations

import fcntl
import os
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2

from edgedigits.data.crop_labels import (
    NAMES,
    CropLabel,
    is_plain_name,
    read_crop_labels,
    write_crop_labels,
)
from edgedigits.data.crops import crop_names, read_crops, read_index
from edgedigits.errors import DataError, UsageError
from edgedigits.files import writing
from edgedigits.picture_files import read_picture
from edgedigits.progress import SILENT, Progress

LOCK = ".label.lock"
LONGEST = 300  # characters of a text that is shown


class LabelStore:
    """What is to be labelled in a folder.

    A label is on the disk when :meth:`set` returns, and ``labels.csv`` is whole at every moment.
    What another program wrote into it meanwhile stays.

    Args:
        folder: of crops, as ``camera --save-unsure`` keeps them.
        progress: told of pictures read.

    Attributes:
        names: crops that can be shown, sorted; damaged: names of those that cannot.

    Raises:
        UsageError: there is no such folder.
        DataError: it holds no crops, ``labels.csv`` is not ours, or somebody labels it already.
        RunError: it cannot be written.
    """

    def __init__(self, folder: Path, progress: Progress = SILENT) -> None:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
        self.folder = folder
        found = crop_names(folder)
        if not found:
            raise DataError(
                f"{folder}: holds no crops; 'edgedigits camera --save-unsure FOLDER' keeps some"
            )
        self._lock = _lock(folder)
        try:
            self._labels = read_crop_labels(folder)
            files = read_crops(folder, found, progress)
            if not files.names:
                raise DataError(f"{folder}: none of its {len(found):,} crops can be read")
        except BaseException:
            self.close()
            raise
        self.names, self.damaged = files.names, files.damaged
        self._images = dict(zip(files.names, files.images, strict=True))
        self._facts = read_index(folder)
        self._writing = threading.Lock()

    def __enter__(self) -> LabelStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others label the folder; may be called again."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def labelled(self) -> int:
        """How many of the crops that can be shown have a label."""
        return sum(name in self._labels for name in self.names)

    def label(self, name: str) -> str | None:
        """What a crop was said to be, or None."""
        known = self._labels.get(name)
        return None if known is None else known.label

    def set(self, name: str, label: str | None) -> None:
        """Label a crop, or take its label back.

        Args:
            name: one of ``names``.
            label: one of ``NAMES``; None: it has none any more.

        Raises:
            KeyError: there is no such crop. ValueError: no such label.
            DataError: ``labels.csv`` was damaged meanwhile.
            RunError: it cannot be written; the file is as it was before.
        """
        if name not in self._images:
            raise KeyError(name)
        if label is not None and label not in NAMES:
            raise ValueError(label)
        with self._writing:
            labels = read_crop_labels(self.folder)
            if label is None:
                labels.pop(name, None)
            else:
                now = datetime.now(timezone.utc).isoformat(timespec="seconds")
                labels[name] = CropLabel(label, now)
            write_crop_labels(self.folder, labels)
            self._labels = labels

    def facts(self) -> list[dict[str, Any]]:
        """Every crop as JSON: its file, its label, and what the recogniser said of it."""
        return [
            {
                "file": name,
                "label": self.label(name),
                "cut": self._cut_name(name) is not None,
                **_shown(self._facts.get(name, {})),
            }
            for name in self.names
        ]

    def crop(self, name: str) -> bytes:
        """A crop as PNG. Raises KeyError where there is none."""
        return _png(self._images[name])

    def cut(self, name: str) -> bytes:
        """What is around a crop, as PNG. Raises KeyError or DataError where there is none."""
        cut = self._cut_name(name)
        if cut is None:
            raise KeyError(name)
        return _png(read_picture(self.folder / cut))

    def _cut_name(self, name: str) -> str | None:
        cut = self._facts.get(name, {}).get("cut") if name in self._images else None
        return cut if isinstance(cut, str) and is_plain_name(cut) else None


def _lock(folder: Path) -> int:
    """A lock that ends with the program, however it ends."""
    with writing(folder / LOCK):
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise DataError(
            f"{folder}: is being labelled already; use the page that is open, or end its program"
        ) from None
    except OSError:
        pass  # a file system without locks
    return lock


def _shown(facts: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a line of the index; what is not as it should be is null."""
    scores = facts.get("scores")
    source, accepted = facts.get("source"), facts.get("accepted")
    known = isinstance(scores, list) and all(_is_share(score) for score in scores)
    return {
        "digit": facts.get("digit") if facts.get("digit") in range(len(NAMES)) else None,
        "score": facts.get("score") if _is_share(facts.get("score")) else None,
        "scores": scores[: len(NAMES)] if known and scores is not None else [],
        "accepted": accepted if isinstance(accepted, bool) else None,
        "source": source[:LONGEST] if isinstance(source, str) else None,
        "time": _when(facts.get("time")),
    }


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def _when(seconds: Any) -> str | None:
    try:
        when = datetime.fromtimestamp(seconds, timezone.utc)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return when.isoformat(timespec="seconds")


def _png(picture: Any) -> bytes:
    good, data = cv2.imencode(".png", picture)
    if not good:
        raise DataError("a picture cannot be written as PNG")
    return bytes(data.tobytes())
