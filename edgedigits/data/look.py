"""What is in a data set: counts, pixel statistics, repeated pictures, samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import DataSet, Labels, Pictures
from edgedigits.data.split import picture_digests, random_sample

SAMPLES = 10  # pictures shown of each class, or ten times as many where there are no labels


@dataclass(frozen=True)
class PartLook:
    """One part of a data set.

    Attributes:
        part: ``"train"`` or ``"test"``.
        shape, dtype: of the array of pictures.
        class_counts: pictures of each class, or None without labels.
        mean, std: of all pixels, of 255 (0 to 1); minimum, maximum: of all pixels, 0 to 255.
        zero_share: share of pixels that are 0.
        duplicates: pictures that repeat an earlier one pixel for pixel.
        sample_indices: for each class (or once, without labels) the positions of the samples.
    """

    part: str
    shape: tuple[int, ...]
    dtype: str
    class_counts: tuple[int, ...] | None
    mean: float
    std: float
    minimum: int
    maximum: int
    zero_share: float
    duplicates: int
    sample_indices: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class DataLook:
    """A whole data set.

    Attributes:
        name, digest, class_names, notes: the data set's own.
        parts: train, and test where there is one.
        duplicates_between: pictures of the test part that also occur in train; None without test.
    """

    name: str
    digest: str
    class_names: tuple[str, ...]
    parts: tuple[PartLook, ...]
    duplicates_between: int | None
    notes: tuple[str, ...]


def look(dataset: DataSet) -> DataLook:
    """Measure a data set. Reads all of its pixels; the same data gives the same samples."""
    digests = {
        part: picture_digests(pictures.images) for part, pictures in parts_of(dataset).items()
    }
    between = None
    if "test" in digests:
        in_train = set(digests["train"])
        between = sum(digest in in_train for digest in digests["test"])
    return DataLook(
        name=dataset.name,
        digest=dataset.digest,
        class_names=dataset.class_names,
        parts=tuple(
            _look_at(part, pictures, len(dataset.class_names), digests[part])
            for part, pictures in parts_of(dataset).items()
        ),
        duplicates_between=between,
        notes=dataset.notes,
    )


def parts_of(dataset: DataSet) -> dict[str, Pictures]:
    """The parts that a data set has, by name."""
    parts = {"train": dataset.train}
    if dataset.test is not None:
        parts["test"] = dataset.test
    return parts


def _look_at(part: str, pictures: Pictures, classes: int, digests: list[bytes]) -> PartLook:
    images, labels = pictures.images, pictures.labels
    # Whole-number sums over the histogram are exact, and need no floating copy of all pixels.
    histogram = np.bincount(images.reshape(-1), minlength=256)
    values = np.arange(256) / 255
    share = histogram / histogram.sum()
    mean = float((share * values).sum())
    present = np.flatnonzero(histogram)
    counts = None if labels is None else np.bincount(labels, minlength=classes)
    return PartLook(
        part=part,
        shape=images.shape,
        dtype=str(images.dtype),
        class_counts=None if counts is None else tuple(int(count) for count in counts),
        mean=mean,
        std=float(np.sqrt((share * (values - mean) ** 2).sum())),
        minimum=int(present[0]),
        maximum=int(present[-1]),
        zero_share=float(share[0]),
        duplicates=sum(count - 1 for count in Counter(digests).values()),
        sample_indices=_samples(labels, len(images), classes),
    )


def _samples(labels: Labels | None, n: int, classes: int) -> tuple[tuple[int, ...], ...]:
    if labels is None:
        return (_plain(random_sample(n, min(n, 10 * SAMPLES), seed=0)),)
    chosen = []
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        count = min(SAMPLES, len(members))
        chosen.append(_plain(members[random_sample(len(members), count, seed=0)]) if count else ())
    return tuple(chosen)


def _plain(indices: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(i) for i in indices)
