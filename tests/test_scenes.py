"""Synthetic frames against what their labels say about them."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data
from edgedigits.errors import DataError, UsageError
from edgedigits.scenes import (
    CONDITIONS,
    Conditions,
    Scene,
    conditions_for,
    hard_mix,
    make_scene,
)
from edgedigits.scenes.ink import VISIBLE
from edgedigits.scenes.pen import thin, trace


@pytest.fixture(scope="module")
def digits() -> Pictures:
    return load_data("digits").train


def _scene(digits: Pictures, seed: int, *names: str, strength: float | None = None) -> Scene:
    return make_scene(
        np.random.default_rng(seed), digits, conditions_for(*names, strength=strength)
    )


def _mixes(count: int) -> list[tuple[int, Conditions]]:
    return [(seed, hard_mix(np.random.default_rng(seed))) for seed in range(count)]


def test_the_same_state_gives_the_same_frame(digits: Pictures) -> None:
    for seed, mix in _mixes(4):
        first = make_scene(np.random.default_rng(seed), digits, mix)
        again = make_scene(np.random.default_rng(seed), digits, mix)
        np.testing.assert_array_equal(first.image, again.image)
        np.testing.assert_array_equal(first.mask, again.mask)
        assert first.rows == again.rows
        other = make_scene(np.random.default_rng(seed + 1), digits, mix)
        assert (first.image != other.image).any()


def test_a_generator_goes_on_from_its_state(digits: Pictures) -> None:
    rng = np.random.default_rng(3)
    make_scene(rng, digits, conditions_for("plain"))
    state = rng.bit_generator.state
    first = make_scene(rng, digits, conditions_for("plain"))
    rng.bit_generator.state = state
    np.testing.assert_array_equal(
        make_scene(rng, digits, conditions_for("plain")).image, first.image
    )


def test_shape_and_size(digits: Pictures) -> None:
    assert _scene(digits, 0, "plain").image.shape == (480, 640, 3)
    for size in ((1280, 720), (320, 240), (480, 640), (100, 64)):
        scene = make_scene(
            np.random.default_rng(1), digits, conditions_for("tilt", "distractors", size=size)
        )
        assert scene.image.shape == (size[1], size[0], 3)
        assert scene.image.dtype == np.uint8
        assert scene.mask.shape == (size[1], size[0])


def test_no_box_leaves_the_frame_and_rows_run_down_and_right(digits: Pictures) -> None:
    for seed, mix in _mixes(15):
        scene = make_scene(np.random.default_rng(seed), digits, mix)
        assert scene.conditions == mix.names
        for row in scene.rows:
            for digit in row:
                x, y, w, h = digit.box
                assert x >= 0
                assert y >= 0
                assert w >= 1
                assert h >= 1
                assert x + w <= 640
                assert y + h <= 480
                assert 0 <= digit.digit <= 9
            centres = [digit.box.x + digit.box.w / 2 for digit in row]
            assert centres == sorted(centres)
        assert len(scene.digits) == sum(len(row) for row in scene.rows)
        assert "".join(scene.text) == "".join(str(digit.digit) for digit in scene.digits)


def test_boxes_are_tight_around_the_ink(digits: Pictures) -> None:
    """Each part of the ink lies in boxes, and each side of a box touches ink."""
    for seed in range(6):
        for names in (("plain",), ("tilt",), ("ruled", "tilt"), ("touching",)):
            scene = _scene(digits, seed, *names)
            ink = scene.mask >= VISIBLE
            boxed = np.zeros_like(ink)
            for digit in scene.digits:
                x, y, w, h = digit.box
                boxed[y : y + h, x : x + w] = True
                inside = ink[y : y + h, x : x + w]
                assert inside[0].any()
                assert inside[-1].any()
                assert inside[:, 0].any()
                assert inside[:, -1].any()
            assert not (ink & ~boxed).any()


def _dark(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Ink found in the picture itself, without the mask: what is darker than its surroundings."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    ground = float(np.median(grey))
    darkest = float(np.percentile(grey, 0.2))
    return np.asarray(grey < ground - 0.45 * (ground - darkest))


def test_boxes_agree_with_ink_found_in_the_picture(digits: Pictures) -> None:
    checked = 0
    for seed in range(30):
        scene = _scene(digits, seed, "plain")
        if not scene.digits or min(digit.box.h for digit in scene.digits) < 50:
            continue
        ink = _dark(scene.image)
        for digit in scene.digits:
            x, y, w, h = digit.box
            around = ink[max(0, y - 3) : y + h + 3, max(0, x - 2) : x + w + 2]
            rows = np.flatnonzero(around.any(axis=1))
            # Light, grain and the camera's own blur may move an edge by a pixel or two.
            assert abs(rows[0] - min(3, y)) <= 2
            assert abs(rows[-1] - (h - 1 + min(3, y))) <= 2
            checked += 1
    assert checked >= 10


def test_digits_stand_apart_unless_they_are_to_touch(digits: Pictures) -> None:
    for seed in range(10):
        for row in _scene(digits, seed, "plain").rows:
            for left, right in pairwise(row):
                assert left.box.x + left.box.w <= right.box.x
    pieces = touching = 0
    for seed in range(10):
        scene = _scene(digits, seed, "touching", strength=1.0)
        count, _ = cv2.connectedComponents((scene.mask >= 64).astype(np.uint8))
        pieces += count - 1
        touching += len(scene.digits)
    assert touching > 30
    assert pieces < 0.75 * touching


def test_sizes_are_similar_within_a_frame(digits: Pictures) -> None:
    for seed in range(10):
        scene = _scene(digits, seed, "plain")
        longer = [max(digit.box.w, digit.box.h) for digit in scene.digits]
        if longer:
            assert max(longer) <= 1.9 * np.median(longer)
            assert min(longer) >= 0.5 * np.median(longer)


@pytest.mark.parametrize("name", CONDITIONS[1:])
def test_every_condition_changes_the_picture(digits: Pictures, name: str) -> None:
    for strength in (0.1, 1.0):
        plain = _scene(digits, 11, "plain", strength=strength)
        changed = _scene(digits, 11, name, strength=strength)
        difference = np.abs(plain.image.astype(int) - changed.image.astype(int))
        assert difference.mean() > 0.1
        if name == "empty":
            assert changed.rows == ()
        elif name not in ("ruled", "squared", "tilt", "touching"):
            # What is written does not depend on light and camera.
            assert changed.text == plain.text


def test_dark_means_light_ink(digits: Pictures) -> None:
    for name, sign in (("plain", 1), ("dark", -1)):
        for seed in range(8):
            scene = _scene(digits, seed, name)
            if not scene.digits:
                continue
            grey = scene.image.mean(axis=2)
            assert sign * (grey[scene.mask == 0].mean() - grey[scene.mask > 200].mean()) > 25


def test_empty_has_no_digits(digits: Pictures) -> None:
    for seed in range(5):
        scene = _scene(digits, seed, "empty")
        assert scene.digits == ()
        assert not scene.mask.any()


def test_hard_mixes_hold_two_to_five_conditions() -> None:
    rng = np.random.default_rng(0)
    mixes = [hard_mix(rng).names for _ in range(400)]
    assert {len(mix) for mix in mixes} == {2, 3, 4, 5}
    assert {name for mix in mixes for name in mix} == set(CONDITIONS) - {"plain"}
    assert not any({"ruled", "squared"} <= set(mix) for mix in mixes)


def test_what_cannot_be_made(digits: Pictures) -> None:
    with pytest.raises(UsageError, match="unknown condition 'shadows'; did you mean shadow"):
        conditions_for("shadows")
    with pytest.raises(UsageError, match="strength 2"):
        conditions_for("blur", strength=2)
    with pytest.raises(UsageError, match="10×480"):
        conditions_for("blur", size=(10, 480))
    with pytest.raises(DataError, match="no labels"):
        make_scene(np.random.default_rng(0), Pictures(digits.images, None), conditions_for("plain"))


def test_thinning_leaves_lines_of_one_pixel_and_their_shape() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:17, 5:55] = 1  # a thick bar
    line = thin(mask)
    assert not (line & ~mask).any()
    assert line.sum(axis=0).max() == 1
    assert line[13, 10:50].all()  # along its middle
    ring = np.zeros((60, 60), np.uint8)
    cv2.circle(ring, (30, 30), 18, 1, 7)
    thinned = thin(ring)
    background, _ = cv2.connectedComponents((thinned == 0).astype(np.uint8), connectivity=4)
    assert background == 3  # two parts of the background: the loop stays closed
    radii = np.hypot(*(np.argwhere(thinned) - 30).T)
    assert np.abs(radii - 18).max() < 2


def test_pen_width_is_what_was_asked_for() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 4:24, 12:16] = 255  # a straight 1, four pixels wide
    (strokes,) = trace(image, np.array([1]))
    assert strokes.is_line
    assert strokes.radius == pytest.approx(2, abs=0.4)
    for radius in (0.7, 1.5, 2.5):
        width = (strokes.field(radius, 0) < 0)[42].sum() / 3
        assert width == pytest.approx(2 * radius, abs=0.4)


def test_loops_stay_open_under_a_thick_pen(digits: Pictures) -> None:
    zeros = digits.take(np.flatnonzero(digits.labels == 0)[:20])
    assert zeros.labels is not None
    for strokes in trace(zeros.images, zeros.labels):
        if strokes.holes == 1:
            field = strokes.field(2.6, 0)
            count, _ = cv2.connectedComponents((field >= 0).astype(np.uint8), connectivity=4)
            assert count >= 3
