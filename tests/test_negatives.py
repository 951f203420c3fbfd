"""Non-digits: of every kind, placed as MNIST places, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data
from edgedigits.errors import DataError
from edgedigits.negatives import CUTS, KINDS, Negatives, make_negatives
from edgedigits.scenes.symbols import GLYPHS, LOOKALIKES, SAFE, glyph, holds_a_one

COUNT = 1500


@pytest.fixture(scope="module")
def digits() -> Pictures:
    return load_data("digits").train


@pytest.fixture(scope="module")
def negatives(digits: Pictures) -> Negatives:
    return make_negatives(np.random.default_rng(0), COUNT, digits)


def test_shape_and_every_kind(negatives: Negatives) -> None:
    assert negatives.images.shape == (COUNT, 28, 28)
    assert negatives.images.dtype == np.uint8
    assert len(negatives) == len(negatives.kinds) == COUNT
    assert set(negatives.kinds.tolist()) == set(range(len(KINDS)))


def test_none_is_blank_and_ink_is_high(negatives: Negatives) -> None:
    assert (negatives.images.max(axis=(1, 2)) == 255).all()
    # The corners of the field stay free: 20 of 28 pixels are the symbol's.
    assert negatives.images[:, 0, 0].max() == 0


def test_placed_by_mnists_rule(negatives: Negatives) -> None:
    ink = negatives.images >= 16
    for picture, inked in zip(negatives.images, ink, strict=True):
        rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        mass = picture.astype(float)
        y = (mass.sum(axis=1) * np.arange(28)).sum() / mass.sum()
        x = (mass.sum(axis=0) * np.arange(28)).sum() / mass.sum()
        # Half a pixel of rounding, unless the field's edge holds a lopsided symbol back.
        held_y = rows[0] <= 0 or rows[-1] >= 27
        held_x = columns[0] <= 0 or columns[-1] >= 27
        assert abs(y - 13.5) <= 0.51 or held_y
        assert abs(x - 13.5) <= 0.51 or held_x


def test_the_same_seed_gives_the_same_pictures(digits: Pictures, negatives: Negatives) -> None:
    again = make_negatives(np.random.default_rng(0), COUNT, digits)
    np.testing.assert_array_equal(again.images, negatives.images)
    np.testing.assert_array_equal(again.kinds, negatives.kinds)
    other = make_negatives(np.random.default_rng(1), COUNT, digits)
    assert (other.images != negatives.images).any()


def test_pictures_differ_from_each_other_and_from_the_digits(
    digits: Pictures, negatives: Negatives
) -> None:
    unique = {picture.tobytes() for picture in negatives.images}
    assert len(unique) > 0.99 * COUNT
    assert not unique & {picture.tobytes() for picture in digits.images}


def test_no_dash_is_upright(negatives: Negatives) -> None:
    dashes = negatives.images[negatives.kinds == KINDS.index("dash")]
    for picture in dashes:
        rows, columns = np.nonzero(picture >= 128)
        assert np.ptp(columns) >= 0.85 * np.ptp(rows)


def test_lookalikes_are_known_and_left_out() -> None:
    assert set(LOOKALIKES) <= set(GLYPHS)
    assert {"O", "l", "I", "S", "Z", "B", "フ", "ろ"} <= set(LOOKALIKES)
    assert not set(LOOKALIKES) & set(SAFE)
    assert len(SAFE) > 150
    assert 1 not in CUTS  # a part of a 1 is a 1


def test_strokes_that_stand_alone_are_found() -> None:
    rng = np.random.default_rng(0)
    for name, alone in (("い", True), ("bars", True), ("H", False), ("T", False), ("=", False)):
        assert holds_a_one(glyph(rng, name, wildness=0), 0.12) is alone, name


def test_every_glyph_can_be_drawn() -> None:
    rng = np.random.default_rng(0)
    for name in GLYPHS:
        points = np.vstack(glyph(rng, name))
        assert np.isfinite(points).all()
        assert np.abs(points).max() < 2


def test_needs_digits_with_labels(digits: Pictures) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="no labels"):
        make_negatives(rng, 1, Pictures(digits.images, None))
    ones = digits.take(np.flatnonzero(digits.labels == 1))
    with pytest.raises(DataError, match="2, 4, 5 or 7"):
        make_negatives(rng, 1, ones)
    assert len(make_negatives(rng, 0, digits)) == 0
