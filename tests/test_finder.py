"""Finding ink: light, polarity, ruled lines, pieces, cuts, and the order of reading."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgedigits.device.finder.hypotheses import cuts_of, hypotheses
from edgedigits.device.finder.ink import Ink, find_ink, flatten, is_dark_on_light
from edgedigits.device.finder.lines import find_lines, straightened, without_lines
from edgedigits.device.finder.pieces import find_pieces, group_pieces, neighbours, together
from edgedigits.device.finder.rows import in_rows
from edgedigits.device.finder.sides import is_edge
from edgedigits.device.reading import Box
from edgedigits.device.recogniser import find
from edgedigits.preprocess import place

U8 = NDArray[np.uint8]


def page(width: int = 640, height: int = 480, light: int = 220) -> U8:
    """An empty page with a little noise."""
    noise = np.random.default_rng(0).normal(0, 2, (height, width))
    return np.asarray(np.clip(light + noise, 0, 255), np.uint8)


def write(picture: U8, text: str, x: int, y: int, *, thick: int = 4, ink: int = 40) -> None:
    """Printed digits of 44 pixels height, 50 pixels apart, with their baseline at y."""
    for i, character in enumerate(text):
        where = (x + 50 * i, y)
        cv2.putText(picture, character, where, cv2.FONT_HERSHEY_SIMPLEX, 2, ink, thick, cv2.LINE_AA)


def boxes_of(picture: U8) -> list[Box]:
    groups = group_pieces(find_pieces(find_ink(picture)))
    return sorted(group.box for group in groups)


def test_contrast_is_the_same_in_sun_and_shadow() -> None:
    picture = page()
    write(picture, "888", 60, 150, ink=70)
    write(picture, "888", 400, 150, ink=70)
    light = np.ones(picture.shape)
    light[:, 320:] = np.linspace(1, 0.4, 320)  # the right half falls into shadow
    shaded = np.asarray(picture * light, np.uint8)
    contrast = flatten(shaded)
    left, right = (int(np.percentile(part, 99)) for part in (contrast[:, :320], contrast[:, 320:]))
    assert abs(left - right) < 12
    assert contrast[300:, :].max() < 20  # nothing is written there
    assert len(boxes_of(shaded)) == 6


def test_a_thick_stroke_of_chalk_is_whole() -> None:
    board = page(light=30)
    cv2.line(board, (320, 80), (300, 400), 140, 60)
    (stroke,) = boxes_of(board)
    inside = find_ink(board).mask[stroke.y + 60 : stroke.y + stroke.h - 60, 300:320]
    assert (inside > 0).mean() > 0.95


def test_chalk_in_a_shadow_is_as_strong_as_beside_it() -> None:
    board = page(light=60)
    write(board, "888", 60, 150, ink=200)
    write(board, "888", 400, 150, ink=200)
    board[:, 320:] = (board[:, 320:] * 0.4).astype(np.uint8)
    ink = find_ink(board)
    assert not ink.dark_on_light
    left, right = (np.percentile(part[80:160], 97) for part in np.hsplit(ink.strength, 2))
    assert right > 0.6 * left
    assert len(boxes_of(board)) == 6


def test_a_hard_shadow_edge_is_no_ink() -> None:
    picture = page()
    write(picture, "47", 100, 200)
    picture[:, 350:] = (picture[:, 350:] * 0.55).astype(np.uint8)
    write(picture, "28", 450, 200, ink=25)
    assert [box.w < 60 for box in boxes_of(picture)] == [True] * 4


def test_a_narrow_shadow_is_page_and_a_marker_s_stroke_is_not() -> None:
    """A finger's shadow, as wide as a marker's stroke, with digits half in it."""
    picture = page()
    write(picture, "8080", 250, 220, ink=60)
    picture[:, 300:370] = (picture[:, 300:370] * 0.6).astype(np.uint8)
    assert [box.w < 60 for box in boxes_of(picture)] == [True] * 4
    marker = page()
    cv2.line(marker, (320, 80), (300, 400), 25, 60)  # a 1
    (stroke,) = boxes_of(marker)
    ink = find_ink(marker)
    inside = ink.mask[stroke.y + 60 : stroke.y + stroke.h - 60, 300:320]
    assert (inside > 0).mean() > 0.95


@pytest.mark.parametrize("ink", [30, 120, 160])
def test_polarity_is_that_of_the_strokes(ink: int) -> None:
    picture = page(light=200)
    write(picture, "31415", 100, 240, ink=ink)
    assert is_dark_on_light(picture)
    assert not is_dark_on_light(255 - picture)
    dark, light = find_ink(picture), find_ink(255 - picture)
    assert (dark.dark_on_light, light.dark_on_light) == (True, False)
    np.testing.assert_allclose(boxes_of(picture), boxes_of(255 - picture), atol=2)


def test_an_empty_page_has_no_ink() -> None:
    for light in (40, 128, 230):
        assert boxes_of(page(light=light)) == []
    assert boxes_of(np.zeros((1, 1), np.uint8)) == []
    assert boxes_of(np.full((3, 2000), 255, np.uint8)) == []


def ruled(slope: float, bend: float, *, grid: bool, width: int = 1) -> U8:
    picture = page()
    for start in range(-120, 620, 38):
        points = [(x, round(start + slope * x + bend * np.sin(x / 200))) for x in range(0, 660, 20)]
        cv2.polylines(picture, [np.array(points)[:, None]], False, 130, width, cv2.LINE_AA)
        if grid:
            across = [(round(start - slope * y), y) for y in range(0, 500, 20)]
            cv2.polylines(picture, [np.array(across)[:, None]], False, 130, width, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize("slope", [0.0, 0.06, -0.12])
@pytest.mark.parametrize("bend", [0.0, 5.0])
@pytest.mark.parametrize("grid", [False, True])
def test_ruled_lines_go_and_strokes_of_their_width_stay(
    slope: float, bend: float, grid: bool
) -> None:
    bare = page()
    picture = ruled(slope, bend, grid=grid, width=2)
    for target in (bare, picture):
        write(target, "4172", 60, 250, thick=2, ink=60)
        write(target, "8359", 350, 250, thick=2, ink=60)
    truth = flatten(bare) > 60
    left = without_lines(flatten(picture), 14)[0] > 60
    assert (left & truth).sum() > 0.9 * truth.sum()
    # What is left over away from the digits: less than a thirtieth of the lines.
    lines = (flatten(ruled(slope, bend, grid=grid, width=2)) > 60).sum()
    near = cv2.dilate(truth.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    inside = np.zeros_like(truth)
    inside[40:-40, 30:-30] = True
    assert (left & ~near & inside).sum() < lines / 30


def test_a_page_without_lines_is_left_as_it_is() -> None:
    picture = page()
    write(picture, "1477", 60, 250)
    contrast = flatten(picture)
    assert without_lines(contrast, 14)[0] is contrast
    empty = np.zeros((100, 200), np.uint8)
    assert find_lines(empty, empty) == ()


def test_a_line_follows_its_slope() -> None:
    thin = np.zeros((240, 480), np.uint8)
    cv2.line(thin, (0, 100), (479, 148), 255, 2)
    (line,) = find_lines(thin, np.zeros_like(thin))
    for x, y in line.points:
        assert y == pytest.approx(100 + x / 10, abs=1.5)
    assert 1.5 < line.thickness < 3.5


def test_a_bar_just_above_a_line_does_not_keep_the_line() -> None:
    """Blurred, both are one piece of ink; the line goes, the bar of a 2 stays."""
    bare = np.full((480, 640), 225, np.uint8)
    cv2.rectangle(bare, (300, 226), (330, 231), 60, -1)
    picture = bare.copy()
    for y in range(36, 480, 40):
        cv2.rectangle(picture, (0, y), (639, y + 3), 140, -1)  # one of them from 236 to 239
    bare, picture = (
        np.asarray(cv2.GaussianBlur(p, (0, 0), 1.5), np.uint8) for p in (bare, picture)
    )
    contrast, _ = without_lines(flatten(picture), 14)
    ink = contrast > 50
    truth = flatten(bare) > 50
    assert (ink & truth).sum() > 0.7 * truth.sum()  # its lower edge goes with the line
    assert ink[235:245].sum() < 10


def test_points_that_writing_drew_aside_go_back_to_their_line() -> None:
    true = {x: round(100 + 1.5 * x + 0.05 * x * x) for x in range(24)}
    drawn = {**true, 9: true[9] + 8, 10: true[10] + 6, 17: true[17] - 5}
    bent, (straight,) = (straightened([list(rows.items())]) for rows in (true, drawn))
    assert [x for x, _ in straight] == list(true)
    for x, y in straight:
        assert y == pytest.approx(true[x], abs=1.5)
    assert dict(bent[0]) == pytest.approx(true, abs=1e-3)
    assert straightened([]) == []


def test_a_line_of_a_page_that_curls_stays_as_it_is() -> None:
    curled = [(x, round(100 + 12 * np.sin(x / 2))) for x in range(24)]
    (line,) = straightened([curled])
    assert dict(line) == pytest.approx(dict(curled))


def test_parts_of_one_digit_are_joined_and_neighbours_are_not() -> None:
    picture = np.full((200, 400), 230, np.uint8)
    cv2.rectangle(picture, (50, 50), (80, 56), 20, -1)  # the bar of a 5 …
    cv2.ellipse(picture, (65, 95), (18, 30), 0, -120, 150, 20, 6)  # … above its bow
    cv2.line(picture, (150, 50), (150, 125), 20, 6)  # two separate ones
    cv2.line(picture, (185, 50), (185, 125), 20, 6)
    assert len(boxes_of(picture)) == 3
    first = boxes_of(picture)[0]
    assert (first.y, first.y + first.h) == pytest.approx((50, 128), abs=3)


def test_specks_and_page_edges_are_left_out() -> None:
    picture = page()
    write(picture, "25", 200, 250)
    for x, y in ((50, 50), (600, 100), (333, 420)):
        cv2.circle(picture, (x, y), 1, 60, -1)
    picture[:, :12] = 30  # the table beside the page
    picture[470:, :] = 30
    assert [box.x > 150 and box.y > 150 for box in boxes_of(picture)] == [True, True]


def test_what_reaches_into_a_frame_is_no_digit_and_a_close_crop_is() -> None:
    picture = page()
    write(picture, "25", 200, 250)
    cv2.line(picture, (500, 479), (470, 380), 40, 9)  # a pen
    assert [box.x < 300 for box in boxes_of(picture)] == [True, True]
    assert len(boxes_of(picture[180:250, 199:])) == 2


def test_two_parts_beside_each_other_may_be_one_digit() -> None:
    picture = np.full((200, 500), 230, np.uint8)
    write(picture, "174", 200, 130, ink=20)  # whole digits are no parts
    cv2.ellipse(picture, (60, 110), (18, 18), 0, -120, 150, 20, 5)  # the bow of a 5 …
    cv2.line(picture, (82, 87), (100, 85), 20, 5)  # … and its bar, to the right of it
    pieces = find_pieces(find_ink(picture))
    groups = group_pieces(pieces)
    assert len(groups) == 5
    (pair,) = neighbours(groups, 44.0)
    both = together(*(groups[i] for i in pair))
    assert both.box == pytest.approx((41, 82, 62, 50), abs=4)
    assert neighbours(groups, 500.0) == neighbours(groups[:1], 44.0) == ()
    made = find(picture)
    joined = [h for h in made.hypotheses if h.group == len(made.parts) - 1]
    assert [h.box for h in joined] == [pytest.approx(both.box, abs=3)]
    assert made.joined == (pair,)


def test_touching_digits_may_be_cut_where_they_touch() -> None:
    picture = np.full((120, 220), 235, np.uint8)
    cv2.ellipse(picture, (70, 60), (30, 40), 0, 0, 360, 20, 6)
    cv2.ellipse(picture, (130, 60), (30, 40), 0, 0, 360, 20, 6)  # they touch at x = 100
    ink = find_ink(picture)
    pieces = find_pieces(ink)
    groups = group_pieces(pieces)
    assert len(groups) == 1
    made, parts = hypotheses(groups, pieces, ink.strength)
    assert parts[0] >= 2
    whole = next(h for h in made if h.span == (0, parts[0]))
    assert whole.box.w == pytest.approx(127, abs=4)
    halves = [h for h in made if abs(h.box.w - 64) < 6]
    assert len(halves) >= 2
    # A half looks like one ring placed on its own.
    alone = np.zeros((120, 120), np.uint8)
    cv2.ellipse(alone, (60, 60), (30, 40), 0, 0, 360, 255, 6)
    best = max(float(np.corrcoef(h.crop.ravel(), place(alone).ravel())[0, 1]) for h in halves)
    assert best > 0.9


def test_cuts_keep_their_distance() -> None:
    ink = np.zeros((50, 150), np.uint8)
    ink[:, 10:20] = ink[:, 60:70] = ink[:, 120:130] = 255
    (cuts,) = cuts_of([ink])
    middles = [int(cut[25]) for cut in cuts]
    assert all(b - a >= 9 for a, b in itertools.pairwise(middles))
    assert any(20 <= middle <= 60 for middle in middles)
    assert any(70 <= middle <= 120 for middle in middles)


def test_a_cut_follows_a_slanted_gap_and_never_leaves_its_group() -> None:
    first = np.zeros((48, 90), np.uint8)
    second = np.full((60, 40), 255, np.uint8)  # nowhere to cut
    for row in range(48):  # two slabs with a gap that no vertical line passes
        gap = 60 - row * 5 // 8
        first[row, 5 : gap - 3] = first[row, gap + 4 : 86] = 255
    cuts, none = cuts_of([first, second])
    assert none == []
    through = [first[np.arange(48), cut].astype(int).sum() for cut in cuts]
    assert min(through) < 255 * 2
    assert all(cut.min() >= 0 and cut.max() < 90 for cut in cuts)
    assert min(first.astype(int).sum(axis=0)[10:80]) > 255 * 20  # any straight cut meets this much


def test_grids_leave_pens_darker_than_their_lines() -> None:
    picture = page()
    for x in range(20, 640, 40):
        cv2.line(picture, (x, 0), (x, 479), 150, 3)
    for y in range(20, 480, 40):
        cv2.line(picture, (0, y), (639, y), 150, 3)
    cv2.line(picture, (220, 110), (220, 150), 30, 4)  # along a line of the grid
    write(picture, "25", 300, 155)
    boxes = boxes_of(picture)
    assert len(boxes) == 3
    assert (boxes[0].x, boxes[0].y, boxes[0].h) == pytest.approx((218, 109, 43), abs=3)


def test_more_pieces_than_sixteen_bits_hold() -> None:
    mask = np.zeros((1100, 1100), np.uint8)
    mask[::4, ::4] = 255  # 75,625 specks
    pieces = find_pieces(Ink(mask, mask, mask, True))
    assert len(pieces.boxes) == 275 * 275
    assert int(pieces.labels.max()) == 275 * 275


def test_rows_follow_a_sloping_line() -> None:
    upper = [Box(40 * i, 100 + 6 * i, 20, 30) for i in range(12)]  # falls by two heights in all
    lower = [Box(40 * i + 5, 150 + 6 * i, 20, 30) for i in range(12)]
    mixed = [box for pair in zip(lower, upper, strict=True) for box in pair]
    rows = in_rows(mixed)
    assert [[mixed[i] for i in row] for row in rows] == [upper, lower]
    assert in_rows([]) == ()


@pytest.mark.parametrize("dark", [True, False])
def test_edges_are_told_from_strokes(dark: bool) -> None:
    picture = page()
    cv2.line(picture, (100, 60), (112, 140), 60, 5)  # a slanted 1
    picture[:, 400:] = 70  # the table beside the page
    if not dark:
        picture = np.asarray(255 - picture, np.uint8)
    assert not is_edge(picture, Box(97, 58, 18, 85), dark)
    assert is_edge(picture, Box(400, 200, 12, 60), dark)
    assert not is_edge(picture, Box(400, 200, 80, 60), dark)  # too wide to look like a 1
    assert not is_edge(picture, Box(0, 200, 10, 60), dark)  # one side is out of the frame


def test_the_edge_of_a_page_is_no_digit() -> None:
    picture = page()
    write(picture, "25", 100, 250)
    picture[150:330, 480:486] = 60  # a stroke
    picture[100:400, 560:] = 60  # something dark that lies on the page, up to the frame's border
    found = find(picture)
    upright = [
        (hypothesis.box.x, edge)
        for hypothesis, edge in zip(found.hypotheses, found.edges, strict=True)
        if hypothesis.box.h > 2 * hypothesis.box.w
    ]
    assert (480, False) in [(round(x, -1), edge) for x, edge in upright]
    assert all(edge for x, edge in upright if x > 540)
