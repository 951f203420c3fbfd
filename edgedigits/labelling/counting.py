"""How far the labelling of a folder is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgedigits.data.crop_labels import NAMES, read_crop_labels
from edgedigits.data.crops import crop_names, is_held_out, read_crops
from edgedigits.errors import DataError, UsageError
from edgedigits.progress import SILENT, Progress


@dataclass(frozen=True)
class LabelCounts:
    """What a folder of crops holds.

    Attributes:
        folder: where. crops: that can be read. damaged: names of those that cannot.
        labels: readable crops by label, every label in it. held_out: how many of them are for
            testing.
    """

    folder: Path
    crops: int
    damaged: tuple[str, ...]
    labels: dict[str, int]
    held_out: int

    @property
    def labelled(self) -> int:
        """How many of the crops have a label."""
        return sum(self.labels.values())


def count_labels(folder: Path, progress: Progress = SILENT) -> LabelCounts:
    """Count crops and labels; nothing is written.

    Raises:
        UsageError: there is no such folder.
        DataError: it holds no crops, or ``labels.csv`` is not ours.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    found = crop_names(folder)
    if not found:
        raise DataError(
            f"{folder}: holds no crops; 'edgedigits camera --save-unsure FOLDER' keeps some"
        )
    files = read_crops(folder, found, progress)
    labels = read_crop_labels(folder)
    mine = [labels[name].label if name in labels else None for name in files.names]
    labelled = np.array([label is not None for label in mine], dtype=bool)
    return LabelCounts(
        folder=folder,
        crops=len(files.names),
        damaged=files.damaged,
        labels={name: mine.count(name) for name in NAMES},
        held_out=int((is_held_out(files.images) & labelled).sum()),
    )
