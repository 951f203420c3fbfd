"""From a model file to a recogniser: what it must be, and what has to be assumed about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgedigits.device.classifier import Classifier
from edgedigits.device.reading import DIGITS
from edgedigits.device.recogniser import Recogniser
from edgedigits.errors import ModelFileError, UsageError

ASSUMED_THRESHOLD = (
    0.9  # for files that bring none: sure enough for a model that knows no rejection
)


def open_recogniser(
    file: Path,
    *,
    threshold: float | None = None,
    threads: int = 1,
    delegate: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Recogniser:
    """Open a model file to recognise digits with.

    Args:
        file: a ``.tflite`` file whose first ten classes are the digits.
        threshold: score from which on a candidate counts; None: the file's own.
        threads: processor threads for one inference.
        delegate: library of an accelerator; where it cannot be used, that is said and the
            processor is used instead.
        say: told what is assumed about the file, and of a delegate that cannot be used.

    Raises:
        UsageError: no such file, or a threshold or number of threads that does not fit.
        ModelFileError: the file cannot be used, or knows other classes than digits.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"--threshold is {threshold:g}; it must lie between 0 and 1")
    if threads < 1:
        raise UsageError(f"--threads is {threads}; it must be 1 or more")
    classifier = Classifier(file, threads=threads, delegate=delegate, say=say)
    _check_classes(classifier)
    for assumption in classifier.assumptions:
        say(f"{file}: {assumption}")
    if threshold is None:
        threshold = threshold_of(classifier, say)
    return Recogniser(classifier, threshold)


def _check_classes(classifier: Classifier) -> None:
    metadata = classifier.metadata
    if classifier.classes < DIGITS:
        raise ModelFileError(
            f"{classifier.path}: answers {classifier.classes} classes; ten digits are needed"
        )
    if metadata is None:
        return
    expected = tuple(str(digit) for digit in range(DIGITS))
    if metadata.labels[:DIGITS] != expected:
        raise ModelFileError(
            f"{classifier.path}: its labels are {', '.join(metadata.labels[:3])}, …, not the "
            f"digits 0 to 9: it was trained on {metadata.data}; choose a model of digits"
        )


def threshold_of(classifier: Classifier, say: Callable[[str], None] = lambda line: None) -> float:
    """The file's own threshold for "not a digit", or an assumed one, which ``say`` is told."""
    metadata = classifier.metadata
    if metadata is not None and metadata.rejection is not None:
        return metadata.rejection.threshold
    say(
        f"{classifier.path}: brings no threshold for 'not a digit'; {ASSUMED_THRESHOLD:g} is "
        "assumed, --threshold sets another"
    )
    return ASSUMED_THRESHOLD
