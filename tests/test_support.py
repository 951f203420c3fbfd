"""A candidate counts by what stands beside it."""

from __future__ import annotations

import pytest
from helpers_reading import candidate

from edgedigits.device.support import alone, by_support, least, speaks_for

SURE = [candidate(1, (100, 100, 20, 40), score=0.99), candidate(2, (140, 104, 20, 40), score=0.95)]


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 0.97, 1.0])
def test_the_scores_that_are_needed_lie_around_the_threshold(threshold: float) -> None:
    assert 0 <= least(threshold) <= threshold <= alone(threshold) <= 1


def test_odds_of_a_half_become_a_tenth_and_nine_tenths() -> None:
    assert least(0.5) == pytest.approx(0.1)
    assert alone(0.5) == pytest.approx(0.9)
    assert alone(0.1) == pytest.approx(0.5)  # one to nine becomes one to one
    assert alone(0.99) == 0.99  # a model in eight bits knows no score above 0.996


@pytest.mark.parametrize(
    ("box", "score", "counts"),
    [
        ((180, 100, 20, 40), 0.15, True),  # beside two of its size
        ((180, 100, 20, 40), 0.05, False),
        ((180, 100, 20, 15), 0.7, False),  # much smaller
        ((180, 150, 20, 40), 0.7, False),  # in the next row
        ((400, 100, 20, 40), 0.7, False),  # far away
        ((400, 100, 20, 40), 0.92, True),  # far away, but sure
        ((205, 100, 20, 40), 0.6, True),  # within 80 pixels of one only: as the threshold says
        ((205, 100, 20, 40), 0.4, False),
    ],
)
def test_digits_beside_it_speak_for_a_candidate(
    box: tuple[int, int, int, int], score: float, counts: bool
) -> None:
    asked = candidate(7, box, score=score)
    accepted, others = by_support([*SURE, asked], 0.5)
    assert accepted[:2] == SURE
    assert (len(accepted), len(others)) == ((3, 0) if counts else (2, 1))
    assert all(not other.accepted for other in others)


def test_what_is_not_sure_speaks_for_nobody() -> None:
    row = [candidate(i, (100 + 40 * i, 100, 20, 40), score=0.85) for i in range(5)]
    accepted, others = by_support(row, 0.5)
    assert (len(accepted), len(others)) == (0, 5)


def test_what_is_shown_by_itself_is_held_to_the_threshold() -> None:
    shown = candidate(7, (300, 200, 40, 80), score=0.6)
    assert by_support([shown], 0.5, only=True) == ([shown], [])
    assert by_support([shown], 0.5)[0] == []
    assert by_support([candidate(7, (300, 200, 40, 80), score=0.4)], 0.5, only=True)[0] == []


def test_nearness_is_measured_in_heights_of_the_sure_digit() -> None:
    sure = SURE[0].box
    assert speaks_for(sure, sure._replace(x=sure.x + sure.w + 79))  # two heights are 80 pixels
    assert not speaks_for(sure, sure._replace(x=sure.x + sure.w + 80))
    assert speaks_for(sure, sure._replace(y=sure.y + 15))  # two fifths of the height are 16
    assert not speaks_for(sure, sure._replace(y=sure.y + 16))
