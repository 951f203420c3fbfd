"""Every measure against scikit-learn, SciPy, published tables or arithmetic by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedigits.metrics import (
    classification_report,
    compare_paired,
    confusion_matrix,
    mcnemar_exact,
    pareto_line,
    wilson_interval,
)

DIGITS = tuple("0123456789")

# Published confusion matrix of a dense network on MNIST's 10,000 test pictures; rows: true class.
PUBLISHED_CONFUSION = """
 975    1    1    0    0    0    1    0    1    1
   0 1127    2    1    0    1    2    1    1    0
   2    1 1016    3    1    0    0    4    4    1
   0    0    1  997    0    1    0    2    3    6
   1    1    3    0  964    0    3    1    1    8
   2    0    0    8    1  874    4    0    2    1
   4    2    2    1    3    4  942    0    0    0
   2    3    7    0    2    0    0 1007    3    4
   3    0    2    4    3    2    2    2  952    4
   2    2    0    2    6    2    1    1    2  991
"""

# Published table of an AlexNet with a 35-wide head: true samples, classified samples, accuracy,
# precision, recall, F1.
PUBLISHED_PER_CLASS = (
    (999, 1010, 1.0, 0.9891, 1.0, 0.9945),
    (999, 991, 0.989, 0.997, 0.989, 0.9929),
    (999, 1006, 0.998, 0.9911, 0.998, 0.9945),
    (999, 1000, 0.995, 0.994, 0.995, 0.9945),
    (999, 1000, 0.995, 0.994, 0.995, 0.9945),
    (999, 997, 0.995, 0.997, 0.995, 0.9959),
    (998, 992, 0.994, 1.0, 0.994, 0.997),
    (999, 1001, 0.999, 0.997, 0.999, 0.998),
    (999, 1004, 0.999, 0.994, 0.999, 0.9965),
    (999, 988, 0.988, 0.998, 0.988, 0.9935),
)


# Where the table was cut off instead of rounded: (class, column) and what the counts give.
PUBLISHED_CUT = {(1, "f1"): 0.9930, (5, "f1"): 0.9960, (9, "precision"): 0.9990}


def from_confusion(confusion: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True classes and answers that have this confusion matrix."""
    rows, columns = np.indices(confusion.shape)
    counts = confusion.ravel()
    return np.repeat(rows.ravel(), counts), np.repeat(columns.ravel(), counts)


@pytest.mark.parametrize("beyond", [0, 25])
@pytest.mark.parametrize("seed", range(5))
def test_report_agrees_with_scikit_learn(seed: int, beyond: int) -> None:
    reference = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(seed)
    truth = random.integers(0, 10, 300)
    guesses = random.integers(0, 10 + beyond, 300)
    answers = np.where(random.random(300) < 0.7, truth, guesses)
    report = classification_report(truth, answers, DIGITS)

    labels = list(report.classes)
    assert set(labels) == set(range(10)) | {int(answer) for answer in answers}
    np.testing.assert_array_equal(
        report.confusion, reference.confusion_matrix(truth, answers, labels=labels)
    )
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        truth, answers, labels=labels, zero_division=0
    )
    for i, score in enumerate(report.per_class):
        assert score.label == labels[i]
        assert score.precision == pytest.approx(precision[i], abs=1e-15)
        assert score.recall == pytest.approx(recall[i], abs=1e-15)
        assert score.accuracy == score.recall
        assert score.f1 == pytest.approx(f1[i], abs=1e-15)
        assert score.true_samples == support[i]
        assert score.classified_samples == int((answers == labels[i]).sum())

    whole = reference.classification_report(truth, answers, output_dict=True, zero_division=0)
    assert report.accuracy == pytest.approx(reference.accuracy_score(truth, answers), abs=1e-15)
    for average, name in ((report.macro, "macro avg"), (report.weighted, "weighted avg")):
        assert average.precision == pytest.approx(whole[name]["precision"], abs=1e-14)
        assert average.recall == pytest.approx(whole[name]["recall"], abs=1e-14)
        assert average.f1 == pytest.approx(whole[name]["f1-score"], abs=1e-14)
        assert average.support == whole[name]["support"]


def test_classes_that_never_occur_are_listed_but_not_averaged() -> None:
    reference = pytest.importorskip("sklearn.metrics")
    truth = np.array([0, 0, 2, 2])
    answers = np.array([0, 2, 2, 34])
    report = classification_report(truth, answers, DIGITS)
    assert report.classes == (*range(10), 34)
    assert report.per_class[-1].name == "34"
    assert report.per_class[5].true_samples == 0
    assert report.per_class[5].f1 == 0
    expected = reference.classification_report(truth, answers, output_dict=True, zero_division=0)
    assert report.macro.f1 == pytest.approx(expected["macro avg"]["f1-score"])
    # By hand: class 0 has 2·1/(2+1), class 2 has 2·1/(2+2), class 34 has nothing right.
    assert report.macro.f1 == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_published_confusion_matrix() -> None:
    confusion = np.array([row.split() for row in PUBLISHED_CONFUSION.split("\n") if row], dtype=int)
    assert confusion.sum() == 10_000
    report = classification_report(*from_confusion(confusion), DIGITS)
    np.testing.assert_array_equal(report.confusion, confusion)
    assert report.accuracy == 0.9845
    assert report.per_class[5].true_samples == 892
    assert report.per_class[5].precision == pytest.approx(874 / 884)


def test_published_per_class_table() -> None:
    right = [round(true * accuracy) for true, _, accuracy, *_ in PUBLISHED_PER_CLASS]
    missed = np.array([row[0] for row in PUBLISHED_PER_CLASS]) - right
    false = np.array([row[1] for row in PUBLISHED_PER_CLASS]) - right
    # Any matrix with these margins gives the same table.
    confusion = np.diag(right)
    for true in np.argsort(-missed):
        for answer in range(10):
            if true != answer:
                moved = min(missed[true], false[answer])
                confusion[true, answer] += moved
                missed[true] -= moved
                false[answer] -= moved
    assert not missed.any()
    assert not false.any()
    report = classification_report(*from_confusion(confusion), DIGITS)
    assert report.n == 9989
    for score, published in zip(report.per_class, PUBLISHED_PER_CLASS, strict=True):
        true, classified, accuracy, precision, recall, f1 = published
        assert score.true_samples == true
        assert score.classified_samples == classified
        assert round(score.accuracy, 3) == accuracy
        assert round(score.recall, 3) == recall
        for name, value in (("precision", precision), ("f1", f1)):
            expected = PUBLISHED_CUT.get((score.label, name), value)
            assert round(getattr(score, name), 4) == expected
    assert report.accuracy == pytest.approx(0.9952, abs=5e-5)


def test_confusion_matrix_follows_the_class_order_it_is_given() -> None:
    truth = np.array([3, 3, 7, 34])
    answers = np.array([3, 34, 7, 3])
    matrix = confusion_matrix(truth, answers, (3, 7, 34))
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert matrix.dtype == np.int64


def test_one_picture() -> None:
    report = classification_report(np.array([4]), np.array([4]), DIGITS)
    assert (report.n, report.accuracy, report.macro.f1, report.weighted.recall) == (1, 1, 1, 1)


def test_nothing_to_report_on() -> None:
    empty = np.empty(0, dtype=np.int64)
    with pytest.raises(ValueError, match="no pictures"):
        classification_report(empty, empty, DIGITS)
    with pytest.raises(ValueError, match="10 has no name"):
        classification_report(np.array([10]), np.array([1]), DIGITS)


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (1, 1), (0, 10), (10, 10), (81, 263), (9845, 10_000)]
)
def test_wilson_interval_agrees_with_scipy(successes: int, n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_by_hand() -> None:
    # 81 of 263, worked through by R. G. Newcombe (1998): 0.2553 to 0.3662.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (5, 5), (12, 3), (3, 12), (40, 61)])
def test_mcnemar_agrees_with_the_binomial_test(lost: int, gained: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert mcnemar_exact(lost, gained) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand_and_with_many_pictures() -> None:
    assert mcnemar_exact(5, 0) == 2 / 32
    assert mcnemar_exact(1, 4) == 2 * (1 + 5) / 32
    assert 0 < mcnemar_exact(600, 500) < 0.01  # 2 to the power of 1100 is beyond a float


def test_paired_comparison_by_hand() -> None:
    truth = np.array([0, 0, 1, 1, 1, 0, 0, 1])
    reference = np.array([[0.9, 0.1]] * 2 + [[0.2, 0.8]] * 4 + [[0.6, 0.4]] * 2, np.float32)
    variant = reference.copy()
    variant[0] = [0.4, 0.6]  # right, now wrong
    variant[1] = [0.3, 0.7]  # right, now wrong
    variant[5] = [0.7, 0.3]  # wrong, now right
    variant[6] = [0.7, 0.3]  # right as before, surer
    paired = compare_paired(truth, reference, variant)
    assert (paired.lost, paired.gained) == (2, 1)
    assert paired.drop == pytest.approx(100 / 8)
    assert paired.agreement == 5 / 8
    assert paired.mcnemar_p == 1.0
    assert paired.confidence_drift == pytest.approx((0.5 + 0.6 + 0.5 + 0.1) / 8, abs=1e-7)
    half = 1.959963984540054 * math.sqrt(3 - 1 / 8) / 8
    assert paired.drop_low == pytest.approx(100 * (1 / 8 - half))
    assert paired.drop_high == pytest.approx(100 * (1 / 8 + half))


def test_a_model_beside_itself() -> None:
    scores = np.random.default_rng(0).dirichlet(np.ones(10), 50).astype(np.float32)
    paired = compare_paired(np.zeros(50, dtype=np.int64), scores, scores)
    assert (paired.drop, paired.drop_low, paired.drop_high) == (0, 0, 0)
    assert (paired.agreement, paired.confidence_drift, paired.mcnemar_p) == (1, 0, 1)


def test_pareto_line_with_ties() -> None:
    points = [
        (100, 0.99),  # smallest of the most accurate
        (200, 0.99),  # as accurate, larger
        (50, 0.98),
        (50, 0.98),  # the same point twice: neither is better
        (50, 0.97),  # as small, less accurate
        (20, 0.90),
        (30, 0.89),  # larger and less accurate than the one above
    ]
    assert pareto_line(points) == [True, False, True, True, False, True, False]
    assert pareto_line([(5, 0.1)]) == [True]
    assert pareto_line([]) == []


def test_pareto_line_against_its_definition_by_sorting() -> None:
    random = np.random.default_rng(3)
    points = [(int(b), float(a)) for b, a in zip(*random.integers(0, 12, (2, 60)), strict=True)]
    line = set()
    best = -math.inf
    for size in sorted({b for b, _ in points}):
        top = max(a for b, a in points if b == size)
        if top > best:
            line.add((size, top))
            best = top
    assert pareto_line(points) == [point in line for point in points]
