"""The one shape that every data source is brought into."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures with, or without, their labels.

    Attributes:
        images: uint8 ``[n, 28, 28]``, 0 background to 255 ink.
        labels: int64 ``[n]``, or None where the source has none.
    """

    images: Images
    labels: Labels | None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: NDArray[np.int64]) -> Pictures:
        """The pictures at these positions, in this order."""
        labels = None if self.labels is None else self.labels[indices]
        return Pictures(self.images[indices], labels)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over count, pixels and labels, in hexadecimal."""
        digest = hashlib.sha256(f"{len(self)}:{self.labels is not None}:".encode())
        digest.update(np.ascontiguousarray(self.images).tobytes())
        if self.labels is not None:
            digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()


class LazyPictures(Pictures):
    """Labelled pictures whose pixels are read when they are first asked for.

    It lets ``evaluate`` run over 10,000 test pictures without reading 60,000 training pictures.

    Args:
        labels: int64 ``[n]``.
        read: returns the pixels, uint8 ``[n, 28, 28]``; called once at most. A DataError that it
            raises surfaces where ``images`` is first used.
    """

    labels: Labels

    def __init__(self, labels: Labels, read: Callable[[], Images]) -> None:
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "_read", read)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def images(self) -> Images:  # type: ignore[override]
        """Uint8 ``[n, 28, 28]``, 0 background to 255 ink."""
        read: Callable[[], Images] = object.__getattribute__(self, "_read")
        return read()


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set as loaded.

    Attributes:
        name: the registered name, or the path as given.
        train: what may be learnt from (for a single CSV or folder: everything in it).
        test: the source's own evaluation pictures, or None where it has none.
        class_names: one name a class; its length is the number of classes.
        notes: what was converted on the way in, one sentence each, to be told to the user.
        held_out_indices: where ``test`` was taken out of the source's single part: its positions
            there; None where the source brought its own test set, or none was taken.
    """

    name: str
    train: Pictures
    test: Pictures | None
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    held_out_indices: NDArray[np.int64] | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 over both parts, in hexadecimal."""
        test = "" if self.test is None else self.test.digest
        return hashlib.sha256(f"{self.train.digest}/{test}".encode()).hexdigest()
