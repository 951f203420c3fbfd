"""Folders of unsure crops, written by the code that writes them on a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers_reading import candidate

from edgedigits.data.crop_labels import NAMES, CropLabel, write_crop_labels
from edgedigits.data.dataset import Images
from edgedigits.device.reading import U8
from edgedigits.device.unsure_folder import CropFolder

WHEN = "2026-01-01T00:00:00+00:00"


def noise_crops(count: int, seed: int = 0) -> Images:
    """Crops that all differ, uint8 ``[n, 28, 28]``."""
    coarse = np.random.default_rng(seed).integers(0, 2, (count, 7, 7)) * 255
    return np.kron(coarse, np.ones((1, 4, 4))).astype(np.uint8)


def crop_name(number: int) -> str:
    """Of the crop that was written as the ``number``-th, from 1."""
    return f"unsure-{number:08d}-crop.png"


def write_crops(folder: Path, crops: Images, *, around: U8 | None = None) -> Path:
    """Crops as a camera keeps them; each guess is the number of the crop modulo ten."""
    files = CropFolder(folder, 1_000_000_000)
    frame = np.full((60, 50, 3), 200, np.uint8) if around is None else around
    for number, crop in enumerate(crops):
        one = candidate(number % 10, (0, 0, 20, 30), score=0.6)
        facts = {
            "time": 1_700_000_000.5 + number,
            "source": "camera 0",
            "frame": number,
            "box": [0, 0, 20, 30],
            "digit": one.digit,
            "score": 0.6,
            "accepted": False,
            "scores": [round(float(score), 4) for score in one.scores],
        }
        files.add(crop, frame, facts)
    files.close()
    return folder


def labelled_crops(folder: Path, crops: Images, labels: list[int]) -> Path:
    """The same with a label each, as a number of ``NAMES``."""
    write_crops(folder, crops)
    given = {crop_name(i + 1): CropLabel(NAMES[label], WHEN) for i, label in enumerate(labels)}
    write_crop_labels(folder, given)
    return folder
