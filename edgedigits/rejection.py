"""When an answer counts: a threshold for "not a digit", fitted to each file, and what it does.

A file's score for a picture is its highest score among the ten digits. An int8 file's scores are
not those of the float model, so each file has a threshold of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.data.split import stratified_sample
from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import Rejection
from edgedigits.negatives import make_negatives

DIGITS = tuple(str(digit) for digit in range(10))
KEPT = 0.985  # share of the digits to keep: a digit missed is better than one that is none
MOST = 2_000  # pictures of either kind that a threshold is fitted to or judged by
LARGE = 20_000_000  # bytes of a file from which on FEW do
FEW = 200
FIT_SEED, JUDGE_SEED = 0, 1  # of drawn non-digits: a file is judged by others than it was fitted to

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Both:
    """Digits, and pictures that are none, each uint8 ``[n, 28, 28]``."""

    digits: NDArray[np.uint8]
    others: NDArray[np.uint8]


_drawn: dict[tuple[str, int, int], Both] = {}  # the last: every file of a run asks for the same


def knows_digits(class_names: tuple[str, ...]) -> bool:
    """Whether the first ten classes are the digits."""
    return class_names[: len(DIGITS)] == DIGITS


def both_kinds(pictures: Pictures, seed: int, most: int = MOST) -> Both:
    """Digits and others to try a file on.

    Pictures of a class behind the ten digits are the others; where there are none, they are drawn.

    Args:
        pictures: labelled. seed: of the choice and the drawing. most: pictures of either kind.
    """
    assert pictures.labels is not None
    key = (pictures.digest, seed, most)
    if key in _drawn:
        return _drawn[key]
    is_digit = pictures.labels < len(DIGITS)
    digits = _some(pictures.take(np.flatnonzero(is_digit)), most, seed)
    if is_digit.all():
        others = make_negatives(np.random.default_rng([seed, 9]), most, digits).images
    else:
        others = _some(pictures.take(np.flatnonzero(~is_digit)), most, seed).images
    _drawn.clear()
    _drawn[key] = Both(digits.images, others)
    return _drawn[key]


def _some(pictures: Pictures, most: int, seed: int) -> Pictures:
    assert pictures.labels is not None
    if len(pictures) <= most:
        return pictures
    return pictures.take(stratified_sample(pictures.labels, most, seed))


def how_many(classifier: Classifier) -> int:
    """Pictures of either kind to try a file on: few for large files and for slow kernels."""
    metadata = classifier.metadata
    slow = metadata is not None and metadata.recipe.get("activations") == "int16"
    return FEW if slow or classifier.path.stat().st_size > LARGE else MOST


def sureness(scores: F32) -> F32:
    """The highest score among the digits, ``[n]``, of scores ``[n, classes]``."""
    return np.asarray(scores[:, : len(DIGITS)].max(axis=1), np.float32)


def fit_rejection(digits: F32, others: F32, *, kept: float = KEPT) -> Rejection:
    """The highest threshold that keeps a share of the digits.

    Args:
        digits, others: float32 ``[n]``, how sure a file is of digits and of other pictures.
        kept: share of the digits, above 0 to 1.
    """
    order = np.sort(digits)[::-1]
    threshold = float(order[max(0, int(np.ceil(kept * len(order))) - 1)])
    return judge_rejection(digits, others, threshold)


def judge_rejection(digits: F32, others: F32, threshold: float) -> Rejection:
    """What a threshold does; arguments as :func:`fit_rejection`."""
    return Rejection(
        threshold=threshold,
        coverage=float((digits >= np.float32(threshold)).mean()),
        false_accepts=float((others >= np.float32(threshold)).mean()) if len(others) else 0.0,
        digits=len(digits),
        others=len(others),
    )


def rejection_of(
    classifier: Classifier, pictures: Pictures, *, seed: int, threshold: float | None = None
) -> Rejection:
    """Fit a file's threshold, or judge one.

    Args:
        classifier: the file.
        pictures: labelled, of digits and perhaps a class of others.
        seed: of the pictures chosen and drawn.
        threshold: to judge; None: fit it.
    """
    both = both_kinds(pictures, seed, how_many(classifier))
    digits, others = (sureness(classifier.scores(part)) for part in (both.digits, both.others))
    if threshold is None:
        return fit_rejection(digits, others)
    return judge_rejection(digits, others, threshold)
