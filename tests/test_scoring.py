"""Scores against cases counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgedigits.device.reading import Box
from edgedigits.errors import DataError
from edgedigits.scoring import (
    Match,
    Score,
    by_condition,
    load_photo_labels,
    match,
    overlap,
    rows_exact,
    rows_right,
    score_frame,
    total,
)

A, B, C = Box(10, 10, 20, 30), Box(50, 10, 20, 30), Box(90, 10, 20, 30)


def test_overlap_of_boxes() -> None:
    assert overlap(A, A) == 1
    assert overlap(A, B) == 0
    # Half of each: 10×30 shared, 30×30 together.
    assert overlap(A, Box(20, 10, 20, 30)) == pytest.approx(1 / 3)
    assert overlap(A, Box(30, 10, 20, 30)) == 0  # they only touch


def test_right_wrong_missed_and_false() -> None:
    truth = [(1, A), (2, B), (3, C)]
    found = [(1, A), (7, B), (4, Box(200, 200, 20, 30))]
    assert match(truth, found) == Match(right=1, wrong=1, missed=1, false=1)


def test_nothing_there_and_nothing_read() -> None:
    assert match([], []) == Match()
    assert match([(1, A)], []) == Match(missed=1)
    assert match([], [(1, A)]) == Match(false=1)


def test_a_place_is_taken_once() -> None:
    inside = Box(15, 15, 10, 20)
    assert match([(1, A)], [(1, inside), (1, A)]) == Match(right=1, false=1)


def test_the_better_overlap_takes_the_place_whatever_it_says() -> None:
    inside = Box(15, 15, 10, 20)
    assert match([(1, A)], [(1, inside), (7, A)]) == Match(wrong=1, false=1)


def test_a_centre_in_the_box_is_enough_and_one_outside_is_not() -> None:
    small = Box(18, 20, 2, 4)
    assert overlap(A, small) < 0.5
    assert match([(1, A)], [(1, small)]) == Match(right=1)
    wide = Box(28, 10, 20, 30)  # centre at 38, A ends at 30
    assert match([(1, A)], [(1, wide)]) == Match(missed=1, false=1)


def test_half_an_overlap_is_enough_without_the_centre() -> None:
    large = Box(10, 10, 40, 30)  # twice A, whose right edge its centre lies on; 1 pixel more is out
    assert match([(1, A)], [(1, large)]) == Match(right=1)
    assert match([(1, A)], [(1, Box(10, 10, 42, 30))]) == Match(missed=1, false=1)


def test_measures_by_hand() -> None:
    score = Score(right=6, wrong=1, missed=2, false=3, frames=4)
    assert score.precision == pytest.approx(6 / 10)
    assert score.recall == pytest.approx(6 / 9)
    p, r = 6 / 10, 6 / 9
    assert score.f1 == pytest.approx(2 * p * r / (p + r))
    assert score.false_per_frame == pytest.approx(0.75)
    nothing = Score()
    assert (nothing.precision, nothing.recall, nothing.f1) == (1, 1, 1)
    assert nothing.false_per_frame == 0


def test_adding_up() -> None:
    parts = [Score(1, 2, 3, 4, 5, 6, 7, 8), Score(10, 20, 30, 40, 50, 60, 70, 80)]
    assert total(parts) == Score(11, 22, 33, 44, 55, 66, 77, 88)
    assert parts[0] + parts[1] == total(parts)
    assert total([]) == Score()


def test_a_frame_counts_for_each_of_its_conditions() -> None:
    scores = by_condition([(("blur", "noise"), Score(right=1)), (("blur",), Score(right=2))])
    assert scores == {"blur": Score(right=3), "noise": Score(right=1)}


def test_rows() -> None:
    assert rows_exact(["12345 67891", "23"], "1234567891\n23\n")
    assert not rows_exact(["12", "34"], "1234")
    assert not rows_exact(["12"], "12\n7")
    assert rows_exact([], "")
    assert rows_right(["12", "34", "56"], "12\n35\n56") == 2
    assert rows_right(["12", "34", "56"], "9\n12\n34\n56") == 3
    assert rows_right(["12", "34"], "34\n12") == 1  # out of order
    assert rows_right(["12", "12"], "12") == 1


def test_one_frame() -> None:
    truth = [(1, A), (2, B)]
    score = score_frame(truth, [(1, A), (3, B)], ["12"], "13")
    assert score == Score(right=1, wrong=1, rows=1, frames=1)
    exact = score_frame(truth, truth, ["12"], "12")
    assert exact == Score(right=2, rows=1, rows_right=1, frames=1, frames_exact=1)
    assert exact.to_json()["f1"] == 1.0


def _labels(folder: Path, **changes: object) -> None:
    entry: dict[str, object] = {
        "file": "a.png",
        "width": 100,
        "height": 50,
        "rows": ["1 2"],
        "boxes": [
            {"digit": 1, "x": 1, "y": 2, "w": 3, "h": 4},
            {"digit": 2, "x": 5, "y": 6, "w": 7, "h": 8},
        ],
        "not_digits": [{"what": "dot", "x": 9, "y": 9, "w": 1, "h": 1}],
        "uncertain": "overwritten",
    }
    entry.update(changes)
    (folder / "labels.json").write_text(json.dumps({"images": [entry]}), encoding="utf-8")


def test_labels_of_photographs(tmp_path: Path) -> None:
    _labels(tmp_path)
    (tmp_path / "a.png").touch()
    (photo,) = load_photo_labels(tmp_path)
    assert photo.digits == ((1, Box(1, 2, 3, 4)), (2, Box(5, 6, 7, 8)))
    assert photo.rows == ("12",)
    assert photo.not_digits == (Box(9, 9, 1, 1),)
    assert photo.uncertain == "overwritten"
    assert photo.order_note is None


def test_labels_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.json: no such file"):
        load_photo_labels(tmp_path)
    _labels(tmp_path)
    with pytest.raises(DataError, match=r"names a\.png, which is not in the folder"):
        load_photo_labels(tmp_path)
    _labels(tmp_path, boxes=[{"digit": 1}])
    with pytest.raises(DataError, match="'x'"):
        load_photo_labels(tmp_path)
    (tmp_path / "labels.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="JSON"):
        load_photo_labels(tmp_path)
    (tmp_path / "labels.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"labels\.json"):
        load_photo_labels(tmp_path)


@pytest.mark.shared
def test_the_real_photographs(data_dir: Path) -> None:
    photos = load_photo_labels(data_dir / "photos")
    assert len(photos) == 10
    assert sum(len(photo.digits) for photo in photos) == 99
    for photo in photos:
        assert "".join(photo.rows) == "".join(str(digit) for digit, _ in photo.digits)
    assert sum(photo.uncertain is not None for photo in photos) == 1
