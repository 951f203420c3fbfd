"""The calibration set as recorded: which pictures, chosen how, and proof of what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.data.split import shared_content
from edgedigits.errors import RunError


@dataclass(frozen=True)
class Disjointness:
    """That no calibration picture is also an evaluation picture, shown by content.

    Attributes:
        evaluation_pictures: how many pictures the set was held against (test and validation).
        shared: how many calibration pictures occur among them, pixel for pixel; 0 is right.
        removed: how many pictures of the pool were left out beforehand because they do.
    """

    evaluation_pictures: int
    shared: int
    removed: int


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """A chosen calibration set.

    Attributes:
        images: uint8 ``[n, 28, 28]``.
        indices: their positions in the data set's training part, or None for pictures of a folder.
        class_counts: pictures by class name, empty where there are no labels.
        method: how they were chosen; origin: the data set or folder; seed: of the choice.
        disjoint: see Disjointness.
    """

    images: NDArray[np.uint8]
    indices: NDArray[np.int64] | None
    class_counts: dict[str, int]
    method: str
    origin: str
    seed: int
    disjoint: Disjointness

    @property
    def digest(self) -> str:
        """SHA-256 over the pixels, in hexadecimal."""
        return Pictures(self.images, None).digest

    def to_json(self) -> dict[str, Any]:
        """The content of ``calibration.json``."""
        return {
            "samples": len(self.images),
            "method": self.method,
            "origin": self.origin,
            "seed": self.seed,
            "digest": self.digest,
            "class_counts": self.class_counts,
            "disjoint": {
                "evaluation_pictures": self.disjoint.evaluation_pictures,
                "shared": self.disjoint.shared,
                "removed": self.disjoint.removed,
            },
            "indices": None if self.indices is None else [int(i) for i in self.indices],
        }


def from_json(document: dict[str, Any], images: NDArray[np.uint8], where: str) -> CalibrationSet:
    """A recorded calibration set with the pictures it names.

    Args:
        document: the content of ``calibration.json``; where: the file's name, for messages.
        images: uint8 ``[n, 28, 28]``, the pictures at the recorded indices.

    Raises:
        RunError: a field is missing, or the pictures are not those recorded.
    """
    try:
        indices = document["indices"]
        disjoint = document["disjoint"]
        found = CalibrationSet(
            images=images,
            indices=None if indices is None else np.asarray(indices, dtype=np.int64),
            class_counts=dict(document["class_counts"]),
            method=document["method"],
            origin=document["origin"],
            seed=document["seed"],
            disjoint=Disjointness(**disjoint),
        )
        recorded = document["digest"]
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{where}: not a calibration set ({error}); run 'edgedigits calibrate'"
        ) from error
    if found.digest != recorded:
        raise RunError(
            f"{where}: the pictures it names have changed since (digest {found.digest[:12]}, "
            f"recorded {str(recorded)[:12]}); run 'edgedigits calibrate' again"
        )
    return found


def count_classes(labels: NDArray[np.int64] | None, names: tuple[str, ...]) -> dict[str, int]:
    """Pictures by class name; empty without labels."""
    if labels is None:
        return {}
    counts = np.bincount(labels, minlength=len(names))
    return {name: int(counts[i]) for i, name in enumerate(names)}


def without_evaluation_content(
    pool: NDArray[np.uint8], evaluation: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Positions in the pool, sorted, of the pictures that are not among the evaluation ones."""
    kept = np.ones(len(pool), dtype=bool)
    kept[shared_content(pool, evaluation)] = False
    return np.flatnonzero(kept)


def check_disjoint(
    images: NDArray[np.uint8], evaluation: NDArray[np.uint8], removed: int
) -> Disjointness:
    """Hold a chosen set against the evaluation pictures, by content."""
    shared = len(shared_content(images, evaluation))
    return Disjointness(len(evaluation), shared, removed)
