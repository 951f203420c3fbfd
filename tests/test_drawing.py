"""Pictures with what was read in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers_reading import candidate, line, reading
from numpy.typing import NDArray

from edgedigits.device.drawing import DARK, REJECTED, SURE, UNSURE, draw
from edgedigits.device.tracking import Tracker

PAPER = 60


def paper(width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), PAPER, np.uint8)


def where(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray((picture == colour).all(axis=2))


def letters_of(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where there are light letters; small ones are thinner than a pixel."""
    return np.asarray(picture.min(axis=2) > 140)


def first_run(mask: NDArray[np.bool_]) -> int:
    """Length of the first stretch of True."""
    start = int(mask.argmax())
    rest = mask[start:]
    return len(rest) if rest.all() else int((~rest).argmax())


def test_the_box_is_drawn_around_the_ink_and_not_over_it() -> None:
    image = paper(640, 480)
    drawn = draw(image, reading([candidate(7, (300, 200, 60, 90))]))
    assert (image == PAPER).all()
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert (drawn[200:290, 300:360] == PAPER).all()
    green = where(drawn, SURE)
    assert green[245, 295:300].any()
    assert green[245, 360:365].any()
    assert green[195:200, 330].any()
    assert green[290:295, 330].any()
    assert not (drawn[:150] != PAPER).any()
    assert not (drawn[340:] != PAPER).any()


@pytest.mark.parametrize(("width", "height"), [(320, 240), (1280, 720), (4000, 3000)])
def test_lines_and_letters_grow_with_the_picture(width: int, height: int) -> None:
    unit = height // 24
    box = (10 * unit, 10 * unit, 4 * unit, 6 * unit)
    drawn = draw(paper(width, height), reading([candidate(8, box, score=0.88)]))
    letters = np.flatnonzero(letters_of(drawn)[: 10 * unit].any(axis=1))
    letter = letters[-1] - letters[0] + 1
    assert letter >= 9
    assert height / 40 <= letter <= height / 15
    stroke = first_run(where(drawn, SURE)[13 * unit])
    assert stroke >= 1
    assert height / 500 <= stroke <= height / 150
    assert letters_of(drawn)[16 * unit :].any()  # the score, below


def test_different_digits_and_scores_look_different() -> None:
    box = (300, 200, 60, 90)
    pictures = [
        draw(paper(640, 480), reading([candidate(digit, box, score=score)]))
        for digit in range(10)
        for score in (0.5, 0.93)
    ]
    assert len({picture.tobytes() for picture in pictures}) == 20


def test_rejected_only_on_request() -> None:
    found = reading(rejected=[candidate(1, (300, 200, 60, 90), score=0.3, accepted=False)])
    plain = draw(paper(1280, 960), found)
    asked = draw(paper(1280, 960), found, rejected=found.rejected)
    assert (plain == PAPER).all()
    grey = where(asked, REJECTED)
    assert grey[245, 290:300].any()
    assert first_run(grey[245]) == 1  # of 3 pixels for digits
    assert np.array_equal(grey, (asked != PAPER).any(axis=2))


def test_tracks_show_how_sure_they_are() -> None:
    tracker = Tracker(commit_after=3)
    first = draw(paper(640, 480), tracker.update(reading(line("5", 300, 200))))
    for _ in range(3):
        result = tracker.update(reading(line("5", 300, 200)))
    later = draw(paper(640, 480), result)
    assert where(first, UNSURE).any()
    assert where(first, DARK).any()
    assert not where(first, SURE).any()
    assert where(later, SURE).any()
    assert not where(later, UNSURE).any()
    missed = draw(paper(1280, 960), tracker.update(reading()))
    seen = draw(paper(1280, 960), result)
    assert first_run(where(missed, SURE)[225]) < first_run(where(seen, SURE)[225])


def test_boxes_at_and_over_the_edge() -> None:
    """The label stays inside the picture, whatever the box."""
    boxes = [(0, 0, 20, 30), (620, 450, 20, 30), (-15, 200, 30, 44), (630, -20, 400, 600)]
    for box in boxes:
        drawn = draw(paper(640, 480), reading([candidate(3, box)]))
        assert letters_of(drawn).sum() > 40
    assert draw(paper(1, 1), reading([candidate(3, (0, 0, 1, 1))])).shape == (1, 1, 3)


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 3), (48, 64, 4)])
def test_grey_and_alpha(shape: tuple[int, ...]) -> None:
    image = np.full(shape, 90, np.uint8)
    drawn = draw(image, reading())
    assert drawn.shape == (48, 64, 3)
    assert (drawn == 90).all()
    assert not np.shares_memory(drawn, image)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 2), np.uint8), np.zeros(4, np.uint8)]
)
def test_no_picture(image: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="not"):
        draw(image, reading())
