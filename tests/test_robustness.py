"""Each distortion beside SciPy's or NumPy's own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedigits.data.builtin import load_digits
from edgedigits.robustness import DIRECTIONS, DISTORTIONS, move, turn

ndimage = pytest.importorskip("scipy.ndimage")
CROSS = ndimage.generate_binary_structure(2, 1)
U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def digits() -> U8:
    test = load_digits().test
    assert test is not None
    return test.images


@pytest.fixture(scope="module")
def pictures(digits: U8) -> U8:
    """Digits, and noise, which unlike digits has ink at the edge."""
    noise = np.random.default_rng(1).integers(0, 256, (10, 28, 28), np.uint8)
    return np.concatenate([digits[:30], noise])


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def largest(a: NDArray[np.generic], b: NDArray[np.generic]) -> int:
    return int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max())


def test_shifted_is_rolled_by_two_in_every_direction_about_equally_often(digits: U8) -> None:
    inner = np.pad(digits[:, 2:-2, 2:-2], ((0, 0), (2, 2), (2, 2)))  # nothing can be lost
    moved = DISTORTIONS["shifted"](inner, rng())
    counts = dict.fromkeys(DIRECTIONS, 0)
    for before, after in zip(inner, moved, strict=True):
        (found,) = [
            (y, x)
            for y, x in DIRECTIONS
            if np.array_equal(np.roll(before, (2 * y, 2 * x), (0, 1)), after)
        ]
        counts[found] += 1
    assert len(counts) == 8
    assert min(counts.values()) > len(digits) / 16


def test_what_leaves_the_picture_does_not_come_back_on_the_other_side() -> None:
    full = np.full((1, 4, 5), 9, np.uint8)
    assert move(full, 1, -2)[0].tolist() == [[0] * 5, *[[9, 9, 9, 0, 0]] * 3]


@pytest.mark.parametrize("degrees", [15, -15])
def test_turn_is_scipys_rotation(digits: U8, degrees: float) -> None:
    for image in digits[:30]:
        theirs = ndimage.rotate(image.astype(float), degrees, reshape=False, order=1)
        # OpenCV rounds places to 1/32 pixel.
        assert largest(turn(image, degrees), np.rint(theirs)) <= 17


def test_rotated_turns_to_both_sides(digits: U8) -> None:
    changed = DISTORTIONS["rotated"](digits, rng())
    left = [np.array_equal(turn(a, 15), b) for a, b in zip(digits, changed, strict=True)]
    right = [np.array_equal(turn(a, -15), b) for a, b in zip(digits, changed, strict=True)]
    assert np.all(np.logical_xor(left, right))
    assert 0.4 < np.mean(left) < 0.6


@pytest.mark.parametrize("name", ["thin", "thick"])
def test_strokes_change_as_scipys_grey_morphology(pictures: U8, name: str) -> None:
    theirs = {"thin": ndimage.grey_erosion, "thick": ndimage.grey_dilation}[name]
    for before, after in zip(pictures, DISTORTIONS[name](pictures, rng()), strict=True):
        assert np.array_equal(theirs(before, footprint=CROSS), after)


def test_blurred_is_scipys_gaussian(pictures: U8) -> None:
    for before, after in zip(pictures, DISTORTIONS["blurred"](pictures, rng()), strict=True):
        theirs = ndimage.gaussian_filter(before.astype(float), 1, mode="constant")
        assert largest(np.rint(theirs), after) <= 1


def test_noise_has_its_mean_and_spread_and_is_clipped() -> None:
    grey = np.full((50, 28, 28), 128, np.uint8)
    change = DISTORTIONS["noisy"](grey, rng()).astype(float) - 128
    assert abs(change.mean()) < 1
    assert abs(change.std() - 40) < 1
    empty = DISTORTIONS["noisy"](np.zeros_like(grey), rng())
    assert abs((empty == 0).mean() - 0.5) < 0.02  # half of the noise is below 0, and clipped
    assert DISTORTIONS["noisy"](np.full_like(grey, 255), rng()).min() > 0


@pytest.mark.parametrize("name", DISTORTIONS)
def test_the_same_seed_gives_the_same_pictures_and_leaves_the_source(digits: U8, name: str) -> None:
    kept = digits.copy()
    first, second = (DISTORTIONS[name](digits, rng()) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == digits.shape
    assert first.dtype == np.uint8
    assert not np.array_equal(first, digits)
    assert np.array_equal(kept, digits)
