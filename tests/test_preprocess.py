"""The one preprocessor against MNIST's rule, on strokes whose placing can be worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgedigits.preprocess import (
    BOX,
    SIDE,
    ink_high,
    is_dark_on_light,
    picture_to_digit,
    place,
    to_grey,
)

U8 = NDArray[np.uint8]


def _bar(height: int, width: int, field: int = 120, at: tuple[int, int] = (10, 15)) -> U8:
    """A full rectangle of ink on black."""
    picture = np.zeros((field, field), np.uint8)
    picture[at[0] : at[0] + height, at[1] : at[1] + width] = 255
    return picture


def _box(digit: U8) -> tuple[int, int]:
    rows, columns = np.nonzero(digit)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def _centre(digit: U8) -> tuple[float, float]:
    mass = digit.astype(float)
    rows, columns = np.indices(digit.shape)
    return float((mass * rows).sum() / mass.sum()), float((mass * columns).sum() / mass.sum())


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (80, 40, (20, 10)),
        (40, 80, (10, 20)),
        (60, 60, (20, 20)),
        (100, 5, (20, 1)),
        (10, 5, (20, 10)),  # small ink is made larger, too
        (100, 90, (20, 18)),
    ],
)
def test_longer_side_becomes_20_pixels_and_the_shape_is_kept(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert _box(place(_bar(height, width))) == expected


def test_an_even_bar_lands_exactly_where_the_rule_says() -> None:
    # 20 × 10 with its mass in the middle: rows 4 to 23, columns 9 to 18.
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[4:24, 9:19] = 255
    np.testing.assert_array_equal(place(_bar(80, 40)), expected)


def test_centre_of_mass_and_not_the_box_is_in_the_middle() -> None:
    # An L whose mass lies low and left: the box of it must be off centre.
    picture = np.zeros((100, 100), np.uint8)
    picture[10:90, 20:30] = 255
    picture[80:90, 20:80] = 255
    digit = place(picture)
    columns = np.nonzero(digit)[1]
    middle = (SIDE - 1) / 2
    row, column = _centre(digit)
    assert abs(row - middle) <= 0.5
    assert abs(column - middle) <= 0.5
    assert (columns.min() + columns.max()) / 2 > middle + 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_centre_is_within_half_a_pixel_wherever_the_symbol_fits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = np.zeros((90, 90), np.uint8)
    points = rng.integers(5, 85, (4, 2)).astype(np.int32)
    cv2.polylines(picture, [points.reshape(-1, 1, 2)], False, 255, int(rng.integers(2, 9)))
    digit = place(picture)
    assert max(_box(digit)) <= BOX
    assert digit.max() == 255
    middle, field = (SIDE - 1) / 2, SIDE
    for axis, centre in enumerate(_centre(digit)):
        places = np.nonzero(digit)[axis]
        held = places.min() == 0 or places.max() == field - 1
        assert held or abs(centre - middle) <= 0.51


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 30), st.integers(0, 30))
def test_no_shape_is_ever_cut(height: int, width: int, top: int, left: int) -> None:
    digit = place(_bar(height, width, 340, (top, left)))
    expected = [max(1, round(side * BOX / max(height, width))) for side in (height, width)]
    assert list(_box(digit)) == expected


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_lopsided_symbol_is_held_inside_the_field(turns: int) -> None:
    """A heavy head with a long thin tail: its centre cannot be in the middle without a cut."""
    picture = np.zeros((100, 100), np.uint8)
    picture[30:70, 10:30] = 255
    picture[49:51, 30:90] = 255
    digit = np.rot90(place(np.rot90(picture, turns)), -turns)
    columns = np.nonzero(digit)[1]
    assert (columns.min(), columns.max()) == (SIDE - BOX, SIDE - 1)


def test_the_same_symbol_elsewhere_and_larger_gives_the_same_digit() -> None:
    small = np.zeros((60, 60), np.uint8)
    cv2.circle(small, (30, 30), 18, 255, 5)
    moved = np.roll(small, (7, -9), axis=(0, 1))
    np.testing.assert_array_equal(place(small), place(moved))
    large = cv2.resize(small, (180, 180), interpolation=cv2.INTER_NEAREST)
    assert np.abs(place(large).astype(int) - place(small)).max() < 60


def test_one_pixel_strokes_and_a_single_point_survive() -> None:
    line = np.zeros((50, 50), np.uint8)
    line[5:45, 25] = 255
    assert _box(place(line)) == (20, 1)  # half a pixel wide at this scale: kept, not lost
    point = np.zeros((50, 50), np.uint8)
    point[20, 20] = 255
    assert _box(place(point)) == (20, 20)
    assert place(point).max() == 255


@pytest.mark.parametrize("value", [0, 17, 255])
def test_an_empty_picture_gives_an_empty_field(value: int) -> None:
    assert not picture_to_digit(np.full((40, 30), value, np.uint8)).any()


def test_the_smallest_picture_there_is() -> None:
    assert picture_to_digit(np.full((1, 1), 200, np.uint8)).shape == (SIDE, SIDE)


def test_polarity_follows_the_border() -> None:
    dark_on_light = 255 - _bar(60, 20)
    assert is_dark_on_light(dark_on_light)
    assert not is_dark_on_light(_bar(60, 20))
    np.testing.assert_array_equal(picture_to_digit(dark_on_light), picture_to_digit(_bar(60, 20)))


def test_contrast_is_stretched_from_background_to_strongest_ink() -> None:
    grey = np.full((20, 20), 200, np.uint8)
    grey[5:15, 8:12] = 100
    grey[5:15, 10:12] = 150
    expected = np.zeros((20, 20), np.uint8)
    expected[5:15, 8:12] = 255
    expected[5:15, 10:12] = 128  # (200 − 150) / (200 − 100), of 255
    np.testing.assert_array_equal(ink_high(grey), expected)


def test_grey_of_colours_alpha_and_16_bits() -> None:
    bgr = np.zeros((2, 2, 3), np.uint8)
    bgr[0, 0] = (255, 0, 0)  # blue weighs 0.114
    bgr[0, 1] = (0, 0, 255)  # red weighs 0.299
    assert to_grey(bgr)[0].tolist() == [29, 76]
    bgra = np.zeros((1, 3, 4), np.uint8)
    bgra[0, :, 3] = (0, 255, 51)  # black: invisible, full, a fifth
    assert to_grey(bgra)[0].tolist() == [255, 0, 204]
    deep = np.array([[0, 255, 256, 65535]], np.uint16)
    assert to_grey(deep)[0].tolist() == [0, 0, 1, 255]
    assert to_grey(np.zeros((3, 4, 1), np.uint8)).shape == (3, 4)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(16, np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(picture: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match=r"pixels are|shape"):
        to_grey(picture)
