"""Measures of a classifier's answers. Pure NumPy functions; no model is run here.

Answers agree exactly with scikit-learn's ``confusion_matrix`` and
``precision_recall_fscore_support`` (``zero_division=0``); the tests compare them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054  # normal quantile of a two-sided 95 % interval
SIGNIFICANT = 0.05  # a McNemar p below it is called a real difference


@dataclass(frozen=True)
class ClassScore:
    """One row of the per-class table.

    Attributes:
        label: the class as a number; name: the class as a word.
        true_samples: pictures of the class.
        classified_samples: pictures that were answered with it.
        accuracy: share of its pictures that were answered with it.
        precision, recall, f1: as scikit-learn defines them, 0 where nothing can be divided.
    """

    label: int
    name: str
    true_samples: int
    classified_samples: int
    accuracy: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Average:
    """Precision, recall and F1 averaged over the classes."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, eq=False)
class ClassificationReport:
    """Everything that follows from true classes and answers.

    Attributes:
        classes: the class number of each row and column of ``confusion``: those of the data, and
            those beyond them that were answered (a head may be wider than the data).
        confusion: int64 ``[c, c]``, rows are true classes, columns answers.
        accuracy: share of right answers, 0 to 1; with its 95 % Wilson interval.
        per_class: one row a class. macro, weighted: averages over the classes.
    """

    classes: tuple[int, ...]
    confusion: NDArray[np.int64]
    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    per_class: tuple[ClassScore, ...]
    macro: Average
    weighted: Average


def confusion_matrix(
    truth: NDArray[np.int64], answers: NDArray[np.int64], classes: tuple[int, ...]
) -> NDArray[np.int64]:
    """Count answers by true class.

    Args:
        truth, answers: int64 ``[n]``, class numbers that all occur in ``classes``.
        classes: the class number of each row and column.

    Returns:
        int64 ``[c, c]``; row: true class, column: answer.
    """
    position = np.full(max(classes) + 1, -1, dtype=np.int64)
    position[list(classes)] = np.arange(len(classes))
    pairs = position[truth] * len(classes) + position[answers]
    counts = np.bincount(pairs, minlength=len(classes) ** 2)
    return counts.reshape(len(classes), len(classes)).astype(np.int64)


def classification_report(
    truth: NDArray[np.int64], answers: NDArray[np.int64], class_names: tuple[str, ...]
) -> ClassificationReport:
    """Confusion matrix, per-class table and averages.

    Args:
        truth: int64 ``[n]``, true classes, each below ``len(class_names)``.
        answers: int64 ``[n]``, the model's classes; may lie beyond the data's classes.
        class_names: the data's classes.

    Raises:
        ValueError: no pictures, or a true class without a name.
    """
    if len(truth) == 0:
        raise ValueError("there are no pictures to report on")
    if int(truth.max()) >= len(class_names):
        raise ValueError(f"true class {int(truth.max())} has no name")
    beyond = sorted({int(answer) for answer in np.unique(answers)} - set(range(len(class_names))))
    classes = (*range(len(class_names)), *beyond)
    names = (*class_names, *(str(label) for label in beyond))
    confusion = confusion_matrix(truth, answers, classes)

    right = np.diag(confusion)
    true_samples = confusion.sum(axis=1)
    classified = confusion.sum(axis=0)
    precision = _ratio(right, classified)
    recall = _ratio(right, true_samples)
    f1 = _ratio(2 * right, true_samples + classified)
    rows = tuple(
        ClassScore(
            label=label,
            name=names[i],
            true_samples=int(true_samples[i]),
            classified_samples=int(classified[i]),
            accuracy=float(recall[i]),
            precision=float(precision[i]),
            recall=float(recall[i]),
            f1=float(f1[i]),
        )
        for i, label in enumerate(classes)
    )
    # Averages are over the classes that occur in truth or answers, as scikit-learn takes them.
    occurs = (true_samples + classified) > 0
    n = len(truth)
    low, high = wilson_interval(int(right.sum()), n)
    return ClassificationReport(
        classes=classes,
        confusion=confusion,
        n=n,
        accuracy=int(right.sum()) / n,
        accuracy_low=low,
        accuracy_high=high,
        per_class=rows,
        macro=_average(precision, recall, f1, occurs.astype(np.float64), n),
        weighted=_average(precision, recall, f1, true_samples.astype(np.float64), n),
    )


def _ratio(above: NDArray[np.int64], below: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


def _average(
    precision: NDArray[np.float64],
    recall: NDArray[np.float64],
    f1: NDArray[np.float64],
    weights: NDArray[np.float64],
    n: int,
) -> Average:
    return Average(
        precision=float(np.average(precision, weights=weights)),
        recall=float(np.average(recall, weights=weights)),
        f1=float(np.average(f1, weights=weights)),
        support=n,
    )


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % score interval of a proportion (E. B. Wilson, 1927, JASA 22:209-212)."""
    p = successes / n
    z2 = Z_95 * Z_95
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class PairedComparison:
    """A variant's answers beside the reference's on the same pictures.

    Attributes:
        lost: pictures that only the reference got right; gained: those only the variant did.
        drop: accuracy of the reference minus the variant's, in percentage points, with a 95 %
            interval (drop_low, drop_high) for paired proportions.
        mcnemar_p: two-sided p value of McNemar's exact test.
        agreement: share of pictures with the same answer, right or wrong.
        confidence_drift: mean absolute change of the score of the reference's answer, 0 to 1.
    """

    lost: int
    gained: int
    drop: float
    drop_low: float
    drop_high: float
    mcnemar_p: float
    agreement: float
    confidence_drift: float


def compare_paired(
    truth: NDArray[np.int64], reference: NDArray[np.float32], variant: NDArray[np.float32]
) -> PairedComparison:
    """Compare two models on the same pictures.

    Args:
        truth: int64 ``[n]``, true classes.
        reference, variant: float32 ``[n, c]``, scores of either model, summing to 1 a picture.
    """
    n = len(truth)
    reference_answers = reference.argmax(axis=1)
    variant_answers = variant.argmax(axis=1)
    reference_right = reference_answers == truth
    variant_right = variant_answers == truth
    lost = int((reference_right & ~variant_right).sum())
    gained = int((~reference_right & variant_right).sum())
    difference = (lost - gained) / n
    half = Z_95 * math.sqrt(max(0.0, lost + gained - (lost - gained) ** 2 / n)) / n
    rows = np.arange(n)
    drift = np.abs(variant[rows, reference_answers] - reference[rows, reference_answers])
    return PairedComparison(
        lost=lost,
        gained=gained,
        drop=100 * difference,
        drop_low=100 * (difference - half),
        drop_high=100 * (difference + half),
        mcnemar_p=mcnemar_exact(lost, gained),
        agreement=float((reference_answers == variant_answers).mean()),
        confidence_drift=float(drift.mean()),
    )


def mcnemar_exact(lost: int, gained: int) -> float:
    """Two-sided exact p value of McNemar's test (Q. McNemar, 1947, Psychometrika 12:153-157).

    Under the null hypothesis a picture on which the two models differ is as likely lost as gained.
    """
    n = lost + gained
    ways = tail = 1  # binomial coefficients of n over k, and their sum, as whole numbers
    for k in range(min(lost, gained)):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**n) if n else 1.0


def pareto_line(points: list[tuple[int, float]]) -> list[bool]:
    """Which points are on the Pareto line of accuracy against bytes.

    A point is on it when no other is at least as small and at least as accurate, and better in one
    of the two.

    Args:
        points: (bytes, accuracy) of each variant.
    """
    return [
        not any(
            other_bytes <= own_bytes
            and other_accuracy >= own_accuracy
            and (other_bytes < own_bytes or other_accuracy > own_accuracy)
            for other_bytes, other_accuracy in points
        )
        for own_bytes, own_accuracy in points
    ]
