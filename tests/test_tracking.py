"""Steady answers: identity, votes, and text that is said once."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from helpers_reading import candidate, digit_crop, line, reading

from edgedigits.device.matching import covered, match, overlaps, scene_shift
from edgedigits.device.reading import Box, Candidate, Reading
from edgedigits.device.tracking import Tracked, Tracker, merge_rows
from edgedigits.errors import UsageError


def feed(tracker: Tracker, frames: list[Reading]) -> list[Tracked]:
    return [tracker.update(frame) for frame in frames]


def news(results: list[Tracked]) -> list[str]:
    return [result.new_text for result in results if result.new_text is not None]


def ids(result: Tracked) -> list[int]:
    """Of the digits seen in this frame, in reading order."""
    return [track.id for track in result.tracks if track.missed == 0]


def test_overlap_by_hand() -> None:
    first = np.array([[0, 0, 10, 10], [100, 100, 5, 5]], dtype=float)
    second = np.array([[5, 0, 10, 10], [0, 0, 10, 10], [100, 100, 5, 10]], dtype=float)
    expected = [[50 / 150, 1, 0], [0, 0, 0.5]]
    np.testing.assert_allclose(overlaps(first, second), expected)
    assert covered(first, second[:1]).tolist() == [False, False]  # just half is not more than half
    assert covered(first, second).tolist() == [True, True]
    assert covered(first, np.empty((0, 4))).tolist() == [False, False]


def test_matching_is_one_to_one() -> None:
    before = np.array([[0, 0, 20, 40], [10, 0, 20, 40]], dtype=float)
    now = np.array([[9, 0, 20, 40]], dtype=float)
    assert match(before, now, np.ones((2, 1))) == [(1, 0)]
    assert match(before, np.empty((0, 4)), np.ones((2, 0))) == []


def test_scene_shift_without_pairs_is_none() -> None:
    empty, one = np.empty((0, 4)), np.array([[0, 0, 20, 40]], dtype=float)
    assert scene_shift(empty, one, np.empty((0, 1))) == (0.0, 0.0)
    far = np.array([[400, 300, 20, 40]], dtype=float)
    assert scene_shift(one, far, np.ones((1, 1))) == (0.0, 0.0)


def test_commit_after_k_frames() -> None:
    results = feed(Tracker(commit_after=4), [reading(line("7", 50, 50))] * 8)
    assert [result.tracks[0].committed for result in results] == [False] * 3 + [True] * 5
    assert [result.text for result in results] == [""] * 3 + ["7"] * 5
    # Committed in the 4th frame, and unchanged for four from there.
    assert [result.new_text for result in results] == [None] * 6 + ["7", None]


def test_score_and_box_are_smoothed() -> None:
    tracker = Tracker(window=8)
    tracker.update(reading([candidate(3, (100, 100, 30, 44), score=1.0)]))
    track = tracker.update(reading([candidate(3, (104, 100, 30, 44), score=0.5)])).tracks[0]
    assert track.score == pytest.approx((1.0 * 0.875 + 0.5) / 1.875, abs=1e-6)
    for _ in range(20):
        jittering = [candidate(3, (104 + shift, 100, 30, 44)) for shift in (-4, 4)]
        result = [tracker.update(reading([one])).tracks[0] for one in jittering]
    assert abs(result[0].box.x - result[1].box.x) <= 8


@pytest.mark.parametrize("text", ["12345", "11111", "808", "7"])
@pytest.mark.parametrize("step", [36, 40, 60])
def test_pan_by_a_digits_width_a_frame(text: str, step: int) -> None:
    tracker = Tracker()
    first = tracker.update(reading(line(text, 30, 100, step=step)))
    for frame in range(1, 9):
        shifted = line(text, 30 + 30 * frame, 100 + 10 * frame, step=step)
        result = tracker.update(reading(shifted))
        assert ids(result) == ids(first)
        assert len(result.tracks) == len(text)


def test_shake_keeps_identities() -> None:
    rng = np.random.default_rng(1)
    tracker = Tracker()
    expected = ids(tracker.update(reading(line("3141", 100, 100), line("59", 100, 200))))
    x = y = 0
    for _ in range(200):
        dx, dy = rng.integers(-30, 31, size=2)
        x, y = int(np.clip(x + dx, -90, 300)), int(np.clip(y + dy, -90, 200))
        result = tracker.update(
            reading(line("3141", 100 + x, 100 + y), line("59", 100 + x, 200 + y))
        )
        assert ids(result) == expected
    assert result.text == "3141\n59"


def test_a_row_panning_through_the_frame() -> None:
    """Digits leave on the left and come in on the right; none takes another's place."""
    tracker, owner = Tracker(), dict[int, int]()
    digits = [int(sign) for sign in "8273645190" * 3]
    for frame in range(60):
        visible = [
            (index, candidate(digit, (index * 40 - 20 * frame, 100, 30, 44)))
            for index, digit in enumerate(digits)
            if 0 <= index * 40 - 20 * frame <= 600
        ]
        result = tracker.update(reading([one for _, one in visible]))
        for (index, _), number in zip(visible, ids(result), strict=True):
            assert owner.setdefault(index, number) == number


def test_one_wrong_frame_in_four_changes_nothing() -> None:
    wrong, right = candidate(9, (50, 50, 30, 44), score=0.99), candidate(4, (50, 50, 30, 44))
    frames = [reading([wrong if index % 4 == 3 else right]) for index in range(80)]
    results = feed(Tracker(), frames)
    assert {track.digit for result in results for track in result.tracks} == {4}
    assert news(results) == ["4"]


def test_noise_that_is_never_the_same_is_not_committed() -> None:
    frames = [reading([candidate(index % 5, (50, 50, 30, 44))]) for index in range(100)]
    results = feed(Tracker(), frames)
    assert not any(track.committed for result in results for track in result.tracks)
    assert news(results) == []


def test_another_digit_must_out_vote_the_first() -> None:
    tracker = Tracker(commit_after=3, window=8)
    feed(tracker, [reading(line("4", 50, 50))] * 40)
    results = feed(tracker, [reading(line("9", 50, 50))] * 20)
    shown = [result.tracks[0].digit for result in results]
    # Votes halve in 5.2 frames: the 9 leads from the 6th on, and counts after leading three.
    assert shown == [4] * 7 + [9] * 13
    assert len({result.tracks[0].id for result in results}) == 1
    assert news(results) == ["9"]


def test_missing_in_one_frame_of_four_is_the_same_text() -> None:
    full, part = reading(line("472", 50, 50)), reading(line("4 2", 50, 50))
    results = feed(Tracker(), [part if index % 4 == 3 else full for index in range(80)])
    assert news(results) == ["472"]
    assert {result.text for result in results[6:]} == {"472"}
    assert ids(results[0]) == ids(results[-2])


def test_a_digit_appears_and_disappears() -> None:
    tracker = Tracker()
    results = feed(tracker, [reading(line("12", 50, 50))] * 15)
    results += feed(tracker, [reading(line("123", 50, 50))] * 15)
    results += feed(tracker, [reading(line("1 3", 50, 50))] * 30)
    assert news(results) == ["12", "123", "13"]
    assert ids(results[0]) == ids(results[20])[:2]
    assert len(results[-1].tracks) == 2


def test_a_rejected_moment_keeps_the_identity() -> None:
    """While it is blurred the digit is rejected, and moves on meanwhile."""
    tracker = Tracker(drop_after=20)
    before = feed(tracker, [reading([candidate(5, (50, 50, 30, 44))])] * 6)[-1]
    for frame in range(1, 9):
        blurred = candidate(5, (50 + 12 * frame, 50, 30, 44), score=0.4, accepted=False)
        during = tracker.update(reading(rejected=[blurred]))
    after = tracker.update(reading([candidate(5, (158, 50, 30, 44))]))
    assert during.tracks[0].missed == 8
    assert ids(after) == ids(before)


def test_two_digits_swap_rows() -> None:
    tracker, seen = Tracker(), []
    for frame in range(41):
        way = min(max(frame - 10, 0), 20) * 6  # 120 pixels in twenty frames
        three, seven = candidate(3, (100, 60 + way, 30, 44)), candidate(7, (150, 180 - way, 30, 44))
        first, second = sorted([three, seven], key=lambda one: one.box.y)
        level = abs(first.box.y - second.box.y) < 22
        rows = [[three, seven]] if level else [[first], [second]]
        result = tracker.update(reading(*rows))
        seen.append({track.digit: track.id for track in result.tracks})
    assert all(numbers == seen[0] for numbers in seen)
    assert result.text == "7\n3"


def test_the_same_text_again_after_an_empty_scene() -> None:
    tracker = Tracker()
    shown, empty = [reading(line("12", 50, 50))] * 15, [reading()] * 30
    assert news(feed(tracker, [*shown, *empty, *shown, *empty])) == ["12", "12"]
    assert tracker.update(reading()).tracks == ()


def test_a_gap_of_moments_is_no_news() -> None:
    tracker = Tracker()
    shown = [reading(line("12", 50, 50))] * 15
    assert news(feed(tracker, [*shown, *[reading()] * 7, *shown])) == ["12"]


def test_nothing_said_of_an_empty_scene() -> None:
    assert news(feed(Tracker(), [reading()] * 50)) == []


def test_a_cut_to_another_scene_never_mixes_texts() -> None:
    tracker = Tracker()
    first, second = reading(line("12", 50, 50)), reading(line("34", 400, 300))
    assert news(feed(tracker, [first] * 20 + [second] * 30)) == ["12", "34"]


def test_two_pieces_that_become_one_digit() -> None:
    """What lies under a digit that is seen is not waited for."""
    tracker = Tracker()
    pieces = [candidate(1, (100, 50, 30, 44)), candidate(7, (125, 50, 30, 44))]
    feed(tracker, [reading(pieces)] * 10)
    result = tracker.update(reading([candidate(0, (100, 50, 55, 44))]))
    assert len(result.tracks) == 1
    assert len(result.text) == 1


def test_another_frame_size_starts_anew() -> None:
    tracker = Tracker()
    before = feed(tracker, [reading(line("5", 50, 50))] * 20)
    large = reading([candidate(5, (100, 100, 60, 88))], size=(1280, 960))
    after = feed(tracker, [large] * 20)
    assert not set(ids(before[-1])) & set(ids(after[0]))
    assert news(before + after) == ["5"]  # the scene is the same, so is its text


def test_said_only_when_all_in_view_are_sure() -> None:
    tracker = Tracker()
    results = feed(
        tracker,
        [
            reading([*line("12", 50, 50), candidate(index % 5, (300, 50, 30, 44))])
            for index in range(40)
        ],
    )
    assert results[-1].text == "12"
    assert news(results) == []


def test_rows_keep_what_is_not_seen_where_it_stood() -> None:
    known = set(range(1, 10))
    assert merge_rows([[1, 3]], [[1, 2, 3]], known) == [[1, 2, 3]]
    assert merge_rows([[2, 3]], [[1, 2, 3]], known) == [[1, 2, 3]]
    assert merge_rows([[4]], [[1, 2, 3], [4, 5]], known) == [[1, 2, 3], [4, 5]]
    assert merge_rows([[1], [6]], [[1], [2, 3], [6]], known) == [[1], [2, 3], [6]]
    assert merge_rows([], [[1, 2], [3]], {1, 3}) == [[1], [3]]
    assert merge_rows([[3], [1]], [[1, 2], [3, 4]], known) == [[3, 4], [1, 2]]


def test_memory_is_bounded() -> None:
    """Digits that come and go all the time: what the tracker holds, written out, stays small."""
    rng = np.random.default_rng(3)
    crop, tracker, sizes = digit_crop(1), Tracker(), []
    for frame in range(10_000):
        places = rng.integers(0, 600, size=(3, 2)).tolist()
        found = [candidate(1, (x, y, 30, 44), crop=crop) for x, y in places]
        assert len(tracker.update(reading(found)).tracks) <= 3 * tracker.drop_after
        if frame % 20 == 0:
            sizes.append(len(pickle.dumps(tracker)))
    assert max(sizes[250:]) <= 1.5 * max(sizes[:50])
    assert max(sizes) < 30_000


@pytest.mark.parametrize("options", [{"commit_after": 0}, {"drop_after": 0}, {"window": 0}])
def test_numbers_below_one_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        Tracker(**options)


def test_not_a_digit_is_never_a_track_s_answer() -> None:
    """A model with an eleventh class: what is accepted is a digit, however high that class is."""
    scores = np.zeros(11, np.float32)
    scores[4], scores[10] = 0.45, 0.5
    seen = Candidate(Box(10, 10, 20, 30), np.zeros((28, 28), np.uint8), scores, 4, 0.45, True)
    tracker = Tracker(2)
    for _ in range(4):
        tracked = tracker.update(Reading(100, 100, ((seen,),), (), True))
    assert [track.digit for track in tracked.tracks] == [4]
    assert tracked.text == "4"
