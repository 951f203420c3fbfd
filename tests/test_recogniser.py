"""Choosing among candidates: whole or cut, and by the size of their row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers_reading import candidate

from edgedigits.device.finder.hypotheses import Hypothesis
from edgedigits.device.reading import Box, Candidate
from edgedigits.device.recogniser import Found, Recogniser, by_size, choose, is_texture

CROP = np.zeros((28, 28), np.uint8)


def _hypothesis(span: tuple[int, int], group: int = 0) -> Hypothesis:
    return Hypothesis(group, span, Box(0, 0, 20, 30), CROP)


def _answer(digit: int, score: float) -> Candidate:
    return candidate(digit, (0, 0, 20, 30), score=score, accepted=score >= 0.5)


@pytest.mark.parametrize(
    ("whole", "left", "right", "expected"),
    [
        (0.95, 0.9, 0.9, [8]),  # a good whole is not cut
        (0.3, 0.9, 0.8, [1, 7]),  # two that touch
        (0.6, 0.99, 0.99, [1, 7]),  # two good halves are better than a poor whole
        (0.3, 0.9, 0.2, []),  # half of a letter is no digit
    ],
)
def test_a_group_is_read_whole_or_in_parts(
    whole: float, left: float, right: float, expected: list[int]
) -> None:
    made = [_hypothesis((0, 2)), _hypothesis((0, 1)), _hypothesis((1, 2))]
    answers = [_answer(8, whole), _answer(1, left), _answer(7, right)]
    accepted, rejected = choose(made, answers, [2])
    assert [found.digit for found in accepted] == expected
    assert [found.digit for found in rejected] == ([] if expected else [8])


def test_groups_are_judged_one_by_one() -> None:
    made = [_hypothesis((0, 1), 0), _hypothesis((0, 1), 1)]
    accepted, rejected = choose(made, [_answer(3, 0.9), _answer(4, 0.1)], [1, 1])
    assert ([c.digit for c in accepted], [c.digit for c in rejected]) == ([3], [4])


def test_what_does_not_fit_its_row_is_accepted_no_more() -> None:
    row = [candidate(i, (40 * i, 100, 25, 40), score=0.9) for i in range(4)]
    dot = candidate(1, (300, 115, 6, 12), score=0.9)
    lower = candidate(2, (100, 200, 25, 30), score=0.9)  # alone, of a plausible size
    huge = candidate(0, (400, 300, 150, 160), score=0.9)  # alone, four times the others
    fits, others = by_size([*row, dot, lower, huge])
    assert fits == [*row, lower]
    assert [found.box for found in others] == [dot.box, huge.box]
    assert not any(found.accepted for found in others)


@pytest.mark.parametrize(
    ("accepted", "groups", "expected"),
    [(1, 83, True), (0, 40, True), (1, 39, False), (2, 40, False), (30, 300, False)],
)
def test_a_digit_among_many_blots_is_one_of_them(
    accepted: int, groups: int, expected: bool
) -> None:
    assert is_texture(accepted, groups) is expected


def _several(digit: int, score: float, several: float) -> Candidate:
    scores = np.zeros(12, np.float32)
    scores[digit], scores[11] = score, several
    return replace(_answer(digit, score), scores=scores)


@pytest.mark.parametrize(
    ("several", "expected"),
    [
        (0.0, []),  # a letter whose ends look like digits
        (0.3, []),  # perhaps several, but then every piece must be one
        (0.9, [1, 7]),  # several: the piece between them stays unread
    ],
)
def test_pieces_between_digits_may_stay_unread(several: float, expected: list[int]) -> None:
    made = [_hypothesis(span) for span in ((0, 3), (0, 1), (1, 2), (2, 3))]
    answers = [
        _several(8, 0.1, several),
        _several(1, 0.9, 0),
        _several(3, 0.1, 0),
        _several(7, 0.9, 0),
    ]
    accepted, _ = choose(made, answers, [3])
    assert [found.digit for found in accepted] == expected


@pytest.mark.parametrize(("width", "expected"), [(3, [1, 7]), (15, [2, 7])])
def test_a_sliver_between_digits_is_left_rather_than_read_with_one(
    width: int, expected: list[int]
) -> None:
    made = [_hypothesis(span) for span in ((0, 3), (0, 1), (1, 2), (2, 3), (0, 2))]
    answers = [
        _several(8, 0.0, 0.9),
        _several(1, 0.9, 0),
        replace(_several(3, 0.0, 0), box=Box(20, 0, width, 20)),
        _several(7, 0.9, 0),
        _several(2, 0.6, 0),
    ]
    accepted, _ = choose(made, answers, [3])
    assert [found.digit for found in accepted] == expected


@pytest.mark.parametrize(
    ("bow", "bar", "both", "expected"),
    [
        (0.7, 0.1, 0.99, [5]),  # a bow and the bar of a 5
        (0.2, 0.1, 0.9, [5]),
        (0.9, 0.1, 0.7, [3]),  # a digit and something beside it
        (0.9, 0.8, 0.95, [3, 1]),  # two digits
        (0.2, 0.8, 0.3, [1]),
        (0.2, 0.1, 0.3, []),
    ],
)
def test_two_pieces_are_read_as_one_where_that_is_surer(
    bow: float, bar: float, both: float, expected: list[int]
) -> None:
    made = [_hypothesis((0, 1), group) for group in range(4)]
    answers = [_answer(3, bow), _answer(1, bar), _answer(9, 0.95), _answer(5, both)]
    accepted, rejected = choose(made, answers, [1, 1, 1, 1], [(0, 1)])
    assert sorted(c.digit for c in accepted) == sorted([*expected, 9])
    # What became part of another digit is not rejected, nor is what was no digit together.
    assert len(accepted) + len(rejected) == (2 if expected == [5] else 3)


class _AlwaysOne:
    """Takes everything for a 1."""

    def scores(self, images: np.ndarray) -> np.ndarray:
        return np.tile(np.eye(10, dtype=np.float32)[1], (len(images), 1))


def test_an_edge_is_accepted_by_no_score() -> None:
    made = (_hypothesis((0, 1), 0), _hypothesis((0, 1), 1))
    found = Found(made, (1, 1), True, (False, True))
    reading = Recogniser(_AlwaysOne(), 0.5).read_found(found, 640, 480)  # type: ignore[arg-type]
    assert (len(reading.digits), len(reading.rejected)) == (1, 1)
