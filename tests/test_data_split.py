"""Choosing pictures: shares counted by hand, and what must hold for every seed and set."""

from __future__ import annotations

import numpy as np
import pytest
from helpers_data import make_images, make_labels
from hypothesis import given
from hypothesis import strategies as st

from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.data.split import (
    hold_out,
    picture_digests,
    random_sample,
    shared_content,
    stratified_sample,
    with_test,
)
from edgedigits.errors import DataError, UsageError


def _labels(*sizes: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.repeat(np.arange(len(sizes)), sizes)


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ((50, 30, 20), 10, [5, 3, 2]),
        ((50, 30, 20), 100, [50, 30, 20]),
        # 7 · 50/97 = 3.61, 7 · 30/97 = 2.16, 7 · 17/97 = 1.23: 3 + 2 + 1, the last to the first.
        ((50, 30, 17), 7, [4, 2, 1]),
        # 3 · 1/3 each, two left over: ties go to the lower classes.
        ((10, 10, 10), 5, [2, 2, 1]),
        # 5 · 96/100 = 4.8, 0.1 each for the others: every class is there all the same.
        ((96, 2, 2), 5, [3, 1, 1]),
        ((96, 2, 2), 2, [2, 0, 0]),
        ((5, 0, 5), 4, [2, 0, 2]),
    ],
)
def test_classes_keep_their_share(sizes: tuple[int, ...], count: int, expected: list[int]) -> None:
    labels = np.random.default_rng(1).permutation(_labels(*sizes))
    chosen = stratified_sample(labels, count, seed=3)
    assert np.bincount(labels[chosen], minlength=len(sizes)).tolist() == expected


def test_a_seed_means_the_same_pictures_everywhere() -> None:
    # Worked out from the first twelve doubles of PCG64 with seed 0:
    # .637 .270 .041 .017 .813 .913 .607 .729 .544 .935 .816 .003; the least of each class win.
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert stratified_sample(labels, 4, seed=0).tolist() == [2, 3, 8, 11]
    assert random_sample(12, 4, seed=0).tolist() == [1, 2, 3, 11]


def test_another_seed_means_other_pictures() -> None:
    labels = make_labels(1000)
    first, second = (stratified_sample(labels, 100, seed) for seed in (0, 1))
    assert len(np.intersect1d(first, second)) < 40


@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=80),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_a_sample_is_what_it_says(labels: list[int], share: float, seed: int) -> None:
    array = np.array(labels, dtype=np.int64)
    count = max(1, round(share * len(labels)))
    chosen = stratified_sample(array, count, seed)
    assert chosen.dtype == np.int64
    assert len(chosen) == len(set(chosen.tolist())) == count
    assert (np.diff(chosen) > 0).all()
    sizes, taken = np.bincount(array, minlength=7), np.bincount(array[chosen], minlength=7)
    if count >= (sizes > 0).sum():
        assert ((taken > 0) == (sizes > 0)).all()
    # At most one away from the exact share, but for the ones given to classes without any.
    exact = sizes * count / sizes.sum()
    assert (np.abs(taken - exact) <= 1 + (exact < 1).sum()).all()


@pytest.mark.parametrize("count", [0, -1, 11])
def test_an_impossible_count_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match="ask for 1 to 10"):
        stratified_sample(make_labels(10), count, seed=0)
    with pytest.raises(UsageError, match="ask for 1 to 10"):
        random_sample(10, count, seed=0)


def test_the_two_parts_are_the_whole() -> None:
    pictures = Pictures(make_images(100), make_labels(100))
    rest, held = hold_out(pictures, 0.2, seed=0)
    assert len(held) == 20
    assert np.bincount(make_labels(100)[held]).tolist() == [2] * 10
    np.testing.assert_array_equal(np.sort(np.concatenate([rest, held])), np.arange(100))


def test_pictures_without_labels_are_divided_too() -> None:
    rest, held = hold_out(Pictures(make_images(10), None), 0.3, seed=0)
    assert (len(rest), len(held)) == (7, 3)
    np.testing.assert_array_equal(np.sort(np.concatenate([rest, held])), np.arange(10))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 3.0, float("nan")])
def test_an_impossible_share_is_refused(fraction: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        hold_out(Pictures(make_images(10), make_labels(10)), fraction, seed=0)


def test_a_class_of_one_picture_cannot_be_divided() -> None:
    pictures = Pictures(make_images(11), np.array([0] * 5 + [1] * 5 + [2]))
    with pytest.raises(DataError, match=r"class number 2 has too few pictures \(1\)"):
        hold_out(pictures, 0.2, seed=0)
    with pytest.raises(DataError, match=r"mine\.csv: class number 2"):
        with_test(DataSet("mine.csv", pictures, None, ("0", "1", "2")))
    with pytest.raises(DataError, match="at least 2"):
        hold_out(Pictures(make_images(1), None), 0.2, seed=0)


def test_a_test_part_is_taken_out_of_training() -> None:
    images, labels = make_images(100), make_labels(100)
    whole = DataSet("mine", Pictures(images, labels), None, tuple("0123456789"), ("a note",))
    data = with_test(whole)
    assert data.test is not None
    assert data.held_out_indices is not None
    assert (len(data.train), len(data.test)) == (80, 20)
    np.testing.assert_array_equal(data.test.images, images[data.held_out_indices])
    np.testing.assert_array_equal(
        data.train.images, np.delete(images, data.held_out_indices, axis=0)
    )
    assert data.notes[0] == "a note"
    assert "20 of 100 pictures were held out" in data.notes[1]
    assert len(shared_content(data.train.images, data.test.images)) == 0
    assert with_test(data) is data


def test_one_pixel_makes_another_picture() -> None:
    images = np.repeat(make_images(1), 3, axis=0)
    images[1, 27, 27] ^= 1
    first, second, third = picture_digests(images)
    assert first == third != second


def test_shared_pictures_are_found_by_content() -> None:
    a, b = make_images(6, seed=1), make_images(8, seed=2)
    assert shared_content(a, b).tolist() == []
    b[3] = a[4]
    b[7] = a[4]
    b[0] = a[1]
    b[5] = a[2]
    b[5, 14, 14] ^= 255  # nearly, but not the same
    assert shared_content(a, b).tolist() == [1, 4]
    assert shared_content(b, a).tolist() == [0, 3, 7]
