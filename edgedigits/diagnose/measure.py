"""Error measures over many batches: pure NumPy, nothing is kept but sums."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Range = tuple[float, float]


def decibels(signal: float, noise: float) -> float:
    """Signal-to-quantisation-noise ratio in dB from two sums of squares.

    Infinite without noise; not a number without signal but with noise.
    """
    if noise == 0:
        return math.inf
    return math.nan if signal == 0 else 10 * math.log10(signal / noise)


class NoiseSum:
    """The signal-to-quantisation-noise ratio of values that come in parts."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0

    def add(self, reference: Array, actual: Array) -> None:
        """Take in a part: two arrays of one shape; their difference is the noise."""
        exact = np.asarray(reference, np.float32)
        difference = exact - actual
        self.signal += float(np.vdot(exact, exact))
        self.noise += float(np.vdot(difference, difference))

    @property
    def decibels(self) -> float:
        """See :func:`decibels`."""
        return decibels(self.signal, self.noise)


def channel_decibels(reference: Array, actual: Array, axis: int) -> NDArray[np.float64]:
    """The ratio in dB of each slice along an axis; slices of nothing but zeros are left out."""
    exact = np.moveaxis(np.asarray(reference, np.float64), axis, 0).reshape(
        reference.shape[axis], -1
    )
    other = np.moveaxis(np.asarray(actual, np.float64), axis, 0).reshape(exact.shape)
    pairs = zip((exact**2).sum(axis=1), ((exact - other) ** 2).sum(axis=1), strict=True)
    return np.array([decibels(float(s), float(n)) for s, n in pairs if s > 0])


@dataclass(frozen=True)
class RangeUse:
    """Values seen in float against the range that a quantised tensor can hold.

    Attributes:
        calibrated: lowest and highest value that can be stored.
        seen: lowest and highest value of the float model.
        clipped: share of the values that lie beyond the calibrated range by more than half a step.
        wasted: share of the calibrated range in which no value lies, at its ends; 0 to 1.
    """

    calibrated: Range
    seen: Range
    clipped: float
    wasted: float


class RangeSum:
    """Holds values that come in parts against a calibrated range.

    Args:
        calibrated: lowest and highest value that can be stored. step: from one to the next.
    """

    def __init__(self, calibrated: Range, step: float) -> None:
        self._calibrated = calibrated
        self._bounds = (calibrated[0] - step / 2, calibrated[1] + step / 2)
        self._seen = (math.inf, -math.inf)
        self._clipped = self._count = 0

    def add(self, values: Array) -> None:
        """Take in a part."""
        low, high = float(values.min()), float(values.max())
        self._seen = (min(self._seen[0], low), max(self._seen[1], high))
        self._count += values.size
        if low < self._bounds[0] or high > self._bounds[1]:
            outside = (values < self._bounds[0]) | (values > self._bounds[1])
            self._clipped += int(outside.sum())

    @property
    def use(self) -> RangeUse:
        """The result; at least one part must have been taken in."""
        low, high = self._calibrated
        used = max(0.0, min(high, self._seen[1]) - max(low, self._seen[0]))
        return RangeUse(
            calibrated=self._calibrated,
            seen=self._seen,
            clipped=self._clipped / self._count,
            wasted=1 - used / (high - low),
        )
