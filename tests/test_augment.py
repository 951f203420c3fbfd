"""Augmentation against what geometry says it must do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedigits.augment import CLOTHES, DIGITS, OFF, Augmentation, augment
from edgedigits.data.registry import load_data
from edgedigits.train.settings import augmentation_for


@pytest.fixture(scope="module")
def digits() -> NDArray[np.uint8]:
    return load_data("digits").train.images[:200]


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _centre(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre of mass of each picture: x, y in pixels."""
    wide = images.astype(np.float64)
    mass = wide.sum(axis=(1, 2))
    x = (wide.sum(axis=1) * np.arange(images.shape[2])).sum(axis=1) / mass
    y = (wide.sum(axis=2) * np.arange(images.shape[1])).sum(axis=1) / mass
    return x, y


def test_off_changes_nothing_and_gives_a_copy(digits: NDArray[np.uint8]) -> None:
    result = augment(digits, _rng(), OFF)
    np.testing.assert_array_equal(result, digits)
    result[0] = 7
    assert not (digits[0] == 7).all()


def test_almost_nothing_changes_almost_nothing(digits: NDArray[np.uint8]) -> None:
    # Goes through the whole path, tiles and remap, with amounts too small to move a pixel.
    result = augment(digits, _rng(), replace(OFF, shift=1e-6))
    np.testing.assert_array_equal(result, digits)


def test_the_same_generator_gives_the_same_pictures(digits: NDArray[np.uint8]) -> None:
    first, again = augment(digits, _rng(5)), augment(digits, _rng(5))
    np.testing.assert_array_equal(first, again)
    assert (augment(digits, _rng(6)) != first).any()


def test_the_pictures_given_are_not_touched(digits: NDArray[np.uint8]) -> None:
    before = digits.copy()
    augment(digits, _rng())
    np.testing.assert_array_equal(digits, before)


def test_no_ink_reaches_a_neighbour() -> None:
    images = np.zeros((41, 28, 28), np.uint8)
    images[::2] = 255  # full pictures among empty ones
    strong = Augmentation(8, 45, 0.6, 0.4, 120, 4, 1)
    for seed in range(5):
        result = augment(images, _rng(seed), strong)
        assert result[1::2].max() == 0
        assert result[::2].max(axis=(1, 2)).min() == 255


def test_ink_outside_the_field_is_gone_and_background_comes_in() -> None:
    images = np.full((500, 28, 28), 255, np.uint8)
    moved = augment(images, _rng(), replace(OFF, shift=6))
    # Pixel centres run from 0 to 27: a shift by s empties the columns beyond it.
    empty_left = (moved[:, 14, :] == 0).argmin(axis=1)
    assert empty_left.max() == 5
    # A bolder stroke must not grow over the edge and be smeared from there.
    bold = augment(images, _rng(), replace(OFF, shift=6, stroke=1))
    # Moved down by 1 to 6 of ±6 pixels: 5/12 of the pictures, with a standard error of 0.022.
    assert (bold[:, 0, 14] == 0).mean() == pytest.approx(5 / 12, abs=0.08)
    assert (moved[:, 14, 14] == 255).all()


def test_shift_moves_the_centre_of_mass_within_its_bounds() -> None:
    images = np.zeros((2000, 28, 28), np.uint8)
    images[:, 12:16, 12:16] = 255
    x, y = _centre(augment(images, _rng(), replace(OFF, shift=3)))
    for offset in (x - 13.5, y - 13.5):
        assert np.abs(offset).max() <= 3.05
        assert offset.min() < -2.8
        assert offset.max() > 2.8
        assert abs(offset.mean()) < 0.15  # uniform: standard error 3/√3/√2000 = 0.04


def test_rotation_turns_about_the_middle() -> None:
    images = np.zeros((500, 28, 28), np.uint8)
    images[:, 13:15, 20:26] = 255  # a bar to the right of the middle
    x, y = _centre(augment(images, _rng(), replace(OFF, rotation=30)))
    radius = np.hypot(x - 13.5, y - 13.5)
    angle = np.rad2deg(np.arctan2(y - 13.5, x - 13.5))
    assert np.abs(radius - 9).max() < 0.2  # the bar's own centre is 22.5 − 13.5 away
    assert np.abs(angle).max() <= 30.5
    assert angle.min() < -28
    assert angle.max() > 28


def test_scale_changes_width_and_height_each_on_its_own() -> None:
    images = np.zeros((1000, 28, 28), np.uint8)
    images[:, 9:19, 9:19] = 255
    result = augment(images, _rng(), replace(OFF, scale=0.3)).astype(np.float64) / 255
    width, height = result[:, 14, :].sum(axis=1), result[:, :, 14].sum(axis=1)
    for side in (width, height):
        assert side.min() == pytest.approx(7, abs=0.3)
        assert side.max() == pytest.approx(13, abs=0.3)
    assert abs(np.corrcoef(width, height)[0, 1]) < 0.1


def test_shear_slants_and_keeps_rows() -> None:
    images = np.zeros((300, 28, 28), np.uint8)
    images[:, 4:24, 13:15] = 255  # an upright bar
    result = augment(images, _rng(), replace(OFF, shear=0.3)).astype(np.float64)
    columns = np.arange(28)
    top = (result[:, 5] * columns).sum(axis=1) / result[:, 5].sum(axis=1)
    bottom = (result[:, 22] * columns).sum(axis=1) / result[:, 22].sum(axis=1)
    slant = (top - bottom) / 17
    assert np.abs(slant).max() == pytest.approx(0.3, abs=0.02)
    assert (result[:, :4] == 0).all()
    assert (result[:, 24:] == 0).all()


def test_elastic_shifts_are_as_strong_as_the_paper_says() -> None:
    # Uniform noise of ±1 through a normalised Gaussian of width σ has a standard deviation of
    # 1/√3 · 1/(2√π σ); α scales it. Seen at one point by the centre of a small blot.
    images = np.zeros((3000, 28, 28), np.uint8)
    images[:, 13:15, 13:15] = 255
    alpha, sigma = 30.0, 5.0
    x, y = _centre(augment(images, _rng(), replace(OFF, elastic_alpha=alpha, elastic_sigma=sigma)))
    expected = alpha / np.sqrt(3) / (2 * np.sqrt(np.pi) * sigma)
    assert np.std(x) == pytest.approx(expected, rel=0.1)
    assert np.std(y) == pytest.approx(expected, rel=0.1)
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.08


def test_stroke_width_makes_bolder_and_finer_but_never_moves(digits: NDArray[np.uint8]) -> None:
    result = augment(digits, _rng(), replace(OFF, stroke=0.6)).astype(int)
    change = (result - digits).sum(axis=(1, 2))
    assert (change > 0).any()
    assert (change < 0).any()
    grows = change > 0
    assert (result[grows] >= digits[grows]).all()
    assert (result[~grows] <= digits[~grows]).all()
    assert result[~grows].max(axis=(1, 2)).min() > 0  # the finest stroke is still there


def test_the_default_keeps_digits_readable(digits: NDArray[np.uint8]) -> None:
    ink = digits.astype(int).sum(axis=(1, 2))
    for seed in range(5):
        changed = augment(digits, _rng(seed), DIGITS).astype(int).sum(axis=(1, 2))
        assert (changed / ink).min() > 0.4
        assert (changed / ink).max() < 2.5


def test_more_pictures_than_one_sheet_holds() -> None:
    images = np.zeros((2500, 28, 28), np.uint8)
    images[:, 13:15, 13:15] = 255
    result = augment(images, _rng(), replace(OFF, shift=2))
    assert result.shape == images.shape
    x, y = _centre(result)
    assert np.abs(x - 13.5).max() <= 2.05
    assert np.abs(y - 13.5).max() <= 2.05


def test_no_pictures() -> None:
    assert augment(np.zeros((0, 28, 28), np.uint8), _rng()).shape == (0, 28, 28)


def test_mirroring_takes_the_share_asked_for_and_mirrors_left_to_right(
    digits: NDArray[np.uint8],
) -> None:
    many = np.concatenate([digits] * 10)
    result = augment(many, _rng(), replace(OFF, flip=0.3))
    mirrored = (result == many[:, :, ::-1]).all(axis=(1, 2))
    same = (result == many).all(axis=(1, 2))
    assert (mirrored | same).all()
    assert mirrored.sum() == pytest.approx(600, abs=4 * np.sqrt(2000 * 0.3 * 0.7))
    np.testing.assert_array_equal(augment(digits, _rng(), replace(OFF, flip=1)), digits[:, :, ::-1])


def test_clothes_are_mirrored_and_digits_never() -> None:
    assert DIGITS.flip == 0
    assert CLOTHES.flip == 0.5
    assert augmentation_for("fashion-mnist") == CLOTHES
    assert augmentation_for("mnist", "fashion-mnist") == DIGITS
    assert augmentation_for("my/pictures.npz", "fashion-mnist") == CLOTHES
    assert augmentation_for("my/pictures.npz") == DIGITS
