"""Choosing pictures: stratified samples, held-out parts, and whether two sets share a picture."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import DataSet, Images, Labels, Pictures
from edgedigits.errors import DataError, UsageError

Indices = NDArray[np.int64]


def stratified_sample(labels: Labels, count: int, seed: int) -> Indices:
    """Choose pictures so that each class keeps its share.

    Shares are rounded by the largest remainder (ties go to the lower class); a class that occurs
    gets at least one picture where ``count`` allows it. The choice rests on the first ``n`` doubles
    of NumPy's PCG64 generator, so that a seed means the same pictures everywhere.

    Args:
        labels: int64 ``[n]``.
        count: pictures to choose, 1 to n.
        seed: of the random generator.

    Returns:
        int64 ``[count]``, ascending positions in ``labels``.

    Raises:
        UsageError: ``count`` is below 1 or above n.
    """
    _check_count(count, len(labels))
    keys = np.random.default_rng(seed).random(len(labels))
    classes, sizes = np.unique(labels, return_counts=True)
    quotas = _quotas(sizes, count)
    chosen = []
    for label, quota in zip(classes, quotas, strict=True):
        members = np.flatnonzero(labels == label)
        chosen.append(members[np.argsort(keys[members], kind="stable")[:quota]])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def random_sample(n: int, count: int, seed: int) -> Indices:
    """Choose pictures regardless of class.

    Returns:
        int64 ``[count]``, ascending positions below ``n``.

    Raises:
        UsageError: ``count`` is below 1 or above n.
    """
    _check_count(count, n)
    keys = np.random.default_rng(seed).random(n)
    return np.sort(np.argsort(keys, kind="stable")[:count]).astype(np.int64)


def _check_count(count: int, n: int) -> None:
    if not 1 <= count <= n:
        raise UsageError(f"cannot choose {count:,} of {n:,} pictures; ask for 1 to {n:,}")


def _quotas(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """How many of each class: largest remainder, none left out where ``count`` allows it."""
    # Whole numbers throughout: floating shares would make ties depend on rounding.
    quotas, remainders = np.divmod(sizes * count, sizes.sum())
    left = count - int(quotas.sum())
    quotas[np.argsort(-remainders, kind="stable")[:left]] += 1
    if count >= len(sizes):
        for missing in np.flatnonzero(quotas == 0):
            quotas[quotas.argmax()] -= 1
            quotas[missing] = 1
    return quotas


def hold_out(pictures: Pictures, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Divide pictures into a rest and a held-out part, stratified where there are labels.

    Args:
        pictures: what to divide.
        fraction: share to hold out, above 0 and below 1.
        seed: of the random generator.

    Returns:
        Ascending positions, int64: of the rest, of the held-out part.

    Raises:
        UsageError: ``fraction`` is not between 0 and 1.
        DataError: a class has too few pictures to be in both parts.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"cannot hold out a share of {fraction:g}; it must lie between 0 and 1")
    n = len(pictures)
    if n < 2:
        raise DataError(f"cannot hold out a part of {n} pictures; at least 2 are needed")
    count = min(n - 1, max(1, round(n * fraction)))
    labels = pictures.labels
    if labels is None:
        held = random_sample(n, count, seed)
    else:
        classes = np.unique(labels)
        held = stratified_sample(labels, max(count, len(classes)), seed)
    rest = np.setdiff1d(np.arange(n, dtype=np.int64), held)
    if labels is not None:
        alone = np.setdiff1d(classes, labels[rest])
        if len(alone):
            size = int((labels == alone[0]).sum())
            raise DataError(
                f"class number {alone[0]} has too few pictures ({size}) to hold out "
                f"{100 * fraction:g} % and keep some; add pictures or name a set that brings its "
                "own test pictures"
            )
    return rest, held


def with_test(dataset: DataSet, fraction: float = 0.2, seed: int = 0) -> DataSet:
    """The data set with a test part: its own, or a stratified one taken out of ``train``.

    Where one is taken, ``held_out_indices`` holds its positions in the former ``train``, and a
    note says so. Test pictures without labels beside training pictures with labels judge nothing:
    the part that is taken stands in their place.

    Raises:
        DataError: a class has too few pictures to be in both parts.
    """
    own = dataset.test
    if own is not None and (own.labels is not None or dataset.train.labels is None):
        return dataset
    try:
        rest, held = hold_out(dataset.train, fraction, seed)
    except DataError as error:
        raise DataError(f"{dataset.name}: {error}") from error
    return replace(
        dataset,
        train=dataset.train.take(rest),
        test=dataset.train.take(held),
        notes=(
            *dataset.notes,
            f"no labelled test pictures of its own: {len(held):,} of {len(rest) + len(held):,} "
            f"pictures were held out as the test part (stratified, seed {seed})",
        ),
        held_out_indices=held,
    )


def picture_digests(images: Images) -> list[bytes]:
    """One 16-byte BLAKE2b hash for each picture's pixels, in order.

    Args:
        images: uint8 ``[n, h, w]``.
    """
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]


def shared_content(a: Images, b: Images) -> Indices:
    """Positions in ``a`` of the pictures that also occur, pixel for pixel, in ``b``.

    Args:
        a, b: uint8 ``[n, h, w]``, of the same height and width.

    Returns:
        Ascending int64 positions; empty where the two are disjoint by content.
    """
    others = set(picture_digests(b))
    return np.array(
        [i for i, digest in enumerate(picture_digests(a)) if digest in others], dtype=np.int64
    )
