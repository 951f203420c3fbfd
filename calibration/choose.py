"""Ways of choosing a calibration set: functions from a pool of pictures to positions in it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.data.split import random_sample, stratified_sample
from edgedigits.errors import UsageError

Chooser = Callable[[Pictures, int, int], NDArray[np.int64]]

DEFAULT_SAMPLES = 500
DEFAULT_METHOD = "stratified"
THUMBNAIL = 7  # pixels a side at which pictures are held against each other


def stratified(pool: Pictures, samples: int, seed: int) -> NDArray[np.int64]:
    """At random within each class, each class by its share of the pool."""
    if pool.labels is None:
        return random(pool, samples, seed)
    return stratified_sample(pool.labels, samples, seed)


def random(pool: Pictures, samples: int, seed: int) -> NDArray[np.int64]:
    """At random from the whole pool."""
    return random_sample(len(pool), samples, seed)


def diverse(pool: Pictures, samples: int, seed: int) -> NDArray[np.int64]:
    """Each picture as far as possible from those already chosen, so that the odd ones are in it.

    Farthest-point sampling (T. F. Gonzalez, 1985, "Clustering to minimize the maximum intercluster
    distance") over 7×7 thumbnails; the first picture is drawn at random.
    """
    size = (THUMBNAIL, THUMBNAIL)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in pool.images]
    points = np.asarray(small, dtype=np.float32).reshape(len(pool), -1)
    chosen = [int(np.random.default_rng(seed).integers(len(pool)))]
    nearest = np.full(len(pool), np.inf, dtype=np.float32)
    while len(chosen) < samples:
        difference = points - points[chosen[-1]]
        nearest = np.minimum(nearest, np.einsum("ij,ij->i", difference, difference))
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return np.sort(np.asarray(chosen, dtype=np.int64))


METHODS: dict[str, Chooser] = {"stratified": stratified, "random": random, "diverse": diverse}


def choose(pool: Pictures, *, samples: int, method: str, seed: int) -> NDArray[np.int64]:
    """Choose a calibration set.

    Args:
        pool: pictures to choose from, free of validation and evaluation pictures.
        samples: how many; method: a key of ``METHODS``; seed: of the random choice.

    Returns:
        Sorted positions in the pool, int64 ``[samples]``, none twice.

    Raises:
        UsageError: an unknown method, a seed below 0, or more pictures asked for than there are.
    """
    if method not in METHODS:
        raise UsageError(f"--method {method}: unknown; choose one of {', '.join(METHODS)}")
    if seed < 0:
        raise UsageError(f"--seed {seed}: must be 0 or more")
    if not 1 <= samples <= len(pool):
        raise UsageError(
            f"--samples {samples}: must be from 1 to {len(pool)}, the pictures to choose from"
        )
    return METHODS[method](pool, samples, seed)
