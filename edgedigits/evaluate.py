"""Run a ``.tflite`` file over labelled pictures, through the code that runs on the device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.metrics import ClassificationReport


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one file does on one part of a data set.

    Attributes:
        file: the ``.tflite`` file; variant: its name; file_digest: its SHA-256.
        data, split, data_digest: the pictures it ran on.
        class_names: the data's classes.
        bytes, gzip_bytes: size of the file, and after gzip.
        report: confusion matrix, per-class table, accuracy with its interval.
        truth: int64 ``[n]``, true classes; scores: float32 ``[n, c]``, summing to 1 a picture.
        seconds: time spent in inference.
        notes: what the reader should know, for example that only a part was run.
    """

    file: Path
    variant: str
    file_digest: str
    data: str
    split: str
    data_digest: str
    class_names: tuple[str, ...]
    bytes: int
    gzip_bytes: int
    report: ClassificationReport
    truth: NDArray[np.int64]
    scores: NDArray[np.float32]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def answers(self) -> NDArray[np.int64]:
        """The class answered for each picture, int64 ``[n]``."""
        return self.scores.argmax(axis=1)
