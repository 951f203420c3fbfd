"""How much a quantised model depends on which calibration pictures were drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ScaleShift:
    """One activation tensor under two calibration sets.

    Attributes:
        tensor: its name. first, second: its scales.
        change: relative change of the scale, 0.01 is one percent.
        zero_points: its two zero points.
    """

    tensor: str
    first: float
    second: float
    change: float
    zero_points: tuple[int, int]


@dataclass(frozen=True)
class Stability:
    """Two conversions of one model that differ only in the calibration pictures.

    Attributes:
        samples: pictures in each set. seeds: of each choice.
        shifts: every activation tensor whose scale or zero point moved, largest change first.
        tensors: how many activation tensors were held against each other.
        largest_change, mean_change: of the scales, relative.
        pictures: pictures that both files answered.
        changed_answers: share of them whose answer differs, 0 to 1.
        accuracies: of either file on these pictures, 0 to 1.
    """

    samples: tuple[int, int]
    seeds: tuple[int, int]
    shifts: tuple[ScaleShift, ...]
    tensors: int
    largest_change: float
    mean_change: float
    pictures: int
    changed_answers: float
    accuracies: tuple[float, float]


Scales = dict[str, tuple[float, int]]


def compare_calibrations(
    scales: tuple[Scales, Scales],
    answers: tuple[NDArray[np.int64], NDArray[np.int64]],
    truth: NDArray[np.int64],
    samples: tuple[int, int],
    seeds: tuple[int, int],
) -> Stability:
    """Hold two files against each other.

    Args:
        scales: of either file: (scale, zero point) by activation tensor.
        answers: of either file, int64 ``[n]``, on the same pictures; truth: int64 ``[n]``.
        samples, seeds: as in Stability.

    Raises:
        ValueError: the files do not have the same activation tensors.
    """
    first, second = scales
    if first.keys() != second.keys():
        raise ValueError("the two files do not have the same activation tensors")
    shifts = [
        ScaleShift(
            tensor=name,
            first=first[name][0],
            second=second[name][0],
            change=abs(second[name][0] - first[name][0]) / first[name][0],
            zero_points=(first[name][1], second[name][1]),
        )
        for name in first
    ]
    changes = np.asarray([shift.change for shift in shifts])
    moved = [s for s in shifts if s.first != s.second or s.zero_points[0] != s.zero_points[1]]
    return Stability(
        samples=samples,
        seeds=seeds,
        shifts=tuple(sorted(moved, key=lambda shift: -shift.change)),
        tensors=len(shifts),
        largest_change=float(changes.max(initial=0.0)),
        mean_change=float(changes.mean()) if len(changes) else 0.0,
        pictures=len(truth),
        changed_answers=float((answers[0] != answers[1]).mean()),
        accuracies=(float((answers[0] == truth).mean()), float((answers[1] == truth).mean())),
    )
