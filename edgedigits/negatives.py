"""Pictures of 28×28 pixels that are no digits, to learn and to judge "not a digit" by.

Each goes through MNIST's placing as a candidate cut out of a camera frame does. None is meant to be
read as a digit: letters that look like one are left out, and digits are cut and joined only where
what remains is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.data.dataset import Pictures
from edgedigits.errors import DataError
from edgedigits.preprocess import BOX, SIDE, ink_high, place
from edgedigits.scenes.glyphs import CHARACTERS, GREEK, KANA, LETTERS, SAFE, SIGNS
from edgedigits.scenes.symbols import Drawing, draw, glyph, hand, invented, scribble, smooth

U8 = NDArray[np.uint8]
Maker = Callable[[np.random.Generator, Pictures], U8]

CANVAS = 80  # pixels of the field that symbols are drawn in, four for one of MNIST's
MARGIN = 10
STROKE = (1.5, 4.2)  # width of MNIST's strokes, in pixels of the 28×28 field
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
FONT_LETTERS = "ACEFHKLMNPRTUVWXdefhkmnptwx#%&?@+="

# Which part of a digit is none, and how much of it may be kept. Not here: the bottom of a 7 is a 1,
# each half of an 8 a 0, the right of a 9 a 1, a narrower 0 still a 0.
CUTS: dict[int, tuple[tuple[str, float, float], ...]] = {
    0: (("top", 0.3, 0.5), ("bottom", 0.3, 0.5)),
    2: (("bottom", 0.3, 0.42), ("left", 0.3, 0.45)),
    3: (("top", 0.3, 0.4), ("bottom", 0.3, 0.4)),
    4: (("left", 0.3, 0.5), ("top", 0.3, 0.4)),
    5: (("top", 0.3, 0.45), ("bottom", 0.3, 0.4)),
    6: (("right", 0.3, 0.45),),
    7: (("left", 0.3, 0.45),),
    8: (("left", 0.3, 0.42),),
    9: (("left", 0.3, 0.48),),
}

STACKED = (2, 4, 5, 7)  # digits that touch one above the other without becoming an 8 or a 3


@dataclass(frozen=True, eq=False)
class Negatives:
    """Pictures that are no digits.

    Attributes:
        images: uint8 ``[n, 28, 28]``, ink high, placed by MNIST's rule.
        kinds: int64 ``[n]``, positions in :data:`KINDS`.
    """

    images: U8
    kinds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


def make_negatives(rng: np.random.Generator, count: int, digits: Pictures) -> Negatives:
    """Pictures that are no digits, of all kinds.

    Args:
        rng: the only source of chance: the same state gives the same pictures.
        count: how many.
        digits: labelled pictures, for the kinds made of digits.

    Raises:
        DataError: the pictures have no labels, or none of them is a 2, 4, 5 or 7.
    """
    if digits.labels is None or len(digits) == 0:
        raise DataError("non-digits are made of labelled pictures of digits; these have no labels")
    if not set(STACKED) & set(np.unique(digits.labels).tolist()):
        raise DataError(
            "non-digits are made of pictures of digits, among them 2, 4, 5 or 7; these have none"
        )
    weights = np.array([weight for _, weight, _ in _KINDS], float)
    kinds = rng.choice(len(_KINDS), size=count, p=weights / weights.sum()).astype(np.int64)
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    for index, kind in enumerate(kinds):
        make = _KINDS[kind][2]
        while not images[index].any():
            images[index] = place(make(rng, digits))
    return Negatives(images, kinds)


def _drawn(rng: np.random.Generator, drawing: Drawing, width: float | None = None) -> U8:
    """Lines with a pen of MNIST's width, uint8 ``[80, 80]``."""
    points = np.vstack(drawing)
    low, span = points.min(axis=0), float(np.ptp(points, axis=0).max())
    scale = (CANVAS - 2 * MARGIN) / max(span, 0.05)
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    pen = float(rng.uniform(*STROKE)) if width is None else width
    # The pen's own width is inside the 20 pixels that the symbol will fill.
    thickness = pen * (CANVAS - 2 * MARGIN) / (BOX - pen)
    draw(canvas, [(line - low) * scale + MARGIN for line in drawing], thickness)
    return _softened(rng, canvas)


def _softened(rng: np.random.Generator, canvas: U8) -> U8:
    """Edges between those of a clean scan and of a camera."""
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.5, 2.2))), np.uint8)


def _from(table: dict[str, str]) -> Maker:
    names = [name for name in table if name in SAFE]

    def make(rng: np.random.Generator, digits: Pictures) -> U8:
        return _drawn(rng, glyph(rng, names[int(rng.integers(len(names)))]))

    return make


def _font_letter(rng: np.random.Generator, digits: Pictures) -> U8:
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    letter = FONT_LETTERS[int(rng.integers(len(FONT_LETTERS)))]
    font = FONTS[int(rng.integers(len(FONTS)))]
    cv2.putText(canvas, letter, (18, 60), font, 1.7, 255, int(rng.integers(2, 9)), cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((40, 40), float(rng.normal(0, 7)), 0.9)
    turn[0, 1] += rng.normal(0, 0.15)
    return _softened(rng, np.asarray(cv2.warpAffine(canvas, turn, (CANVAS, CANVAS)), np.uint8))


def _invented(rng: np.random.Generator, digits: Pictures) -> U8:
    return _drawn(rng, invented(rng))


def _scribble(rng: np.random.Generator, digits: Pictures) -> U8:
    return _drawn(rng, scribble(rng), float(rng.uniform(0.8, 3)))


def _plus(rng: np.random.Generator, digits: Pictures) -> U8:
    return _drawn(rng, glyph(rng, ("+", "*", "X")[int(rng.integers(3))]))


def _dash(rng: np.random.Generator, digits: Pictures) -> U8:
    """A line that is no 1: nearer to level than to upright."""
    angle = rng.uniform(-0.6, 0.6)
    end = np.array([np.cos(angle), np.sin(angle)])
    bend = np.array([-end[1], end[0]]) * rng.normal(0, 0.06)
    line = smooth(np.array([[0.0, 0.0], end / 2 + bend, end]))
    return _drawn(rng, [line], float(rng.uniform(1.2, 8)))


def _pieces(rng: np.random.Generator, digits: Pictures) -> U8:
    """Two or three pieces of lines: corners, crossings, parallels."""
    lines: Drawing = []
    first = rng.uniform(0, np.pi)
    for number in range(int(rng.integers(2, 4))):
        angle = first + number * rng.uniform(0.8, 1.4)  # never alike: two could make a 1
        step = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.3, 0.6)
        middle = rng.uniform(0.35, 0.65, 2)
        lines.append(np.stack([middle - step, middle + step]))
    return _drawn(rng, lines)


def _ruling(rng: np.random.Generator, digits: Pictures) -> U8:
    """Where printed lines cross: straight and thin, from border to border."""
    lines: Drawing = []
    tilt = rng.normal(0, 0.06)
    for side in range(2):
        for position in rng.uniform(0.15, 0.85, int(rng.integers(1, 4))):
            ends = np.array([[0.0, position - tilt / 2], [1.0, position + tilt / 2]])
            lines.append(ends if side == 0 else ends[:, ::-1])
    return _drawn(rng, lines, float(rng.uniform(0.8, 3.5)))


def _flat_ring(rng: np.random.Generator, digits: Pictures) -> U8:
    t = np.linspace(rng.uniform(0, 1), 2 * np.pi + rng.uniform(0, 1), 40)
    ring = np.stack([np.cos(t), rng.uniform(0.15, 0.4) * np.sin(t)], axis=1)
    turn = rng.uniform(-0.5, 0.5)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return _drawn(rng, [ring @ matrix.T], float(rng.uniform(1.2, 3)))


def _blob(rng: np.random.Generator, digits: Pictures) -> U8:
    """A dot or a stain: round or lobed, sharp or soft."""
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        centre = tuple(int(v) for v in rng.normal(40, 7, 2))
        size = float(rng.uniform(6, 19))
        axes = int(size), int(size * rng.uniform(0.7, 1))  # a longer one would be a bold 1
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(canvas, centre, axes, angle, 0, 360, int(rng.integers(120, 256)), -1)
    sigma = float(np.exp(rng.uniform(np.log(0.6), np.log(9))))
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), sigma), np.uint8)


def _patch(rng: np.random.Generator, digits: Pictures) -> U8:
    """A filled shape: the edge of a shadow, a corner of the table."""
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    sides = (1.0, 9.0)
    while max(sides) > 1.6 * min(sides):  # a longer one would be a bold 1
        corners = rng.uniform(5, 75, (int(rng.integers(3, 7)), 2))
        hull = cv2.convexHull(np.rint(corners).astype(np.int32))
        sides = cv2.minAreaRect(hull)[1]
    cv2.fillConvexPoly(canvas, hull, 255)
    if rng.random() < 0.3:
        inner = cv2.erode(canvas, np.ones((9, 9), np.uint8))
        canvas = np.asarray(canvas - inner // 2, np.uint8)
    shade = _noise(rng, float(rng.uniform(6, 20)))
    shaded = canvas.astype(np.float32) * (1 - 0.5 * shade / np.float32(255))
    return _softened(rng, shaded.astype(np.uint8))


def _noise(rng: np.random.Generator, grain: float) -> NDArray[np.float32]:
    """Noise of full contrast, float32 ``[80, 80]``, 0 to 255."""
    cells = max(4, round(CANVAS / grain))
    small = rng.random((cells, cells), dtype=np.float32)
    large = cv2.resize(small, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)
    low, high = float(large.min()), float(large.max())
    return np.asarray((large - low) * (255 / max(1e-6, high - low)), np.float32)


def _blank(rng: np.random.Generator, digits: Pictures) -> U8:
    """Blank paper whose noise was stretched until something seemed to be there."""
    noise = _noise(rng, float(np.exp(rng.uniform(np.log(2), np.log(14)))))
    if rng.random() < 0.5:
        level = float(rng.uniform(120, 190))
        noise = np.clip((noise - level) * (255 / (255 - level)), 0, 255)
    return ink_high(noise.astype(np.uint8))


def _texture(rng: np.random.Generator, digits: Pictures) -> U8:
    """Wood, cloth, print screens: stripes and weaves."""
    y, x = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 24)
    across = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    along = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
    waver = _noise(rng, 25) / np.float32(255 / rng.uniform(0.5, 6))
    wave = np.sin(2 * np.pi / period * across + waver)
    if rng.random() < 0.5:
        wave = wave * np.sin(2 * np.pi / period * along + waver)
    level = float(rng.uniform(-0.3, 0.6))
    return np.asarray(np.clip((wave - level) * (255 / (1 - level)), 0, 255), np.uint8)


def _tight(picture: U8) -> U8:
    rows = np.flatnonzero((picture > 32).any(axis=1))
    columns = np.flatnonzero((picture > 32).any(axis=0))
    if len(rows) == 0:
        return picture
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _some(rng: np.random.Generator, digits: Pictures) -> tuple[U8, int]:
    assert digits.labels is not None
    index = int(rng.integers(len(digits)))
    return _tight(digits.images[index]), int(digits.labels[index])


def _part(rng: np.random.Generator, digits: Pictures) -> U8:
    """A part of a digit that is none."""
    while True:
        picture, label = _some(rng, digits)
        if label not in CUTS:
            continue
        side, least, most = CUTS[label][int(rng.integers(len(CUTS[label])))]
        share = float(rng.uniform(least, most))
        rows = max(3, round(share * picture.shape[0]))
        columns = max(3, round(share * picture.shape[1]))
        cuts = {
            "top": picture[:rows],
            "bottom": picture[-rows:],
            "left": picture[:, :columns],
            "right": picture[:, -columns:],
        }
        part = _tight(cuts[side])
        if part.shape[0] < 1.8 * part.shape[1]:  # else a 1, wherever it comes from
            break
    large = cv2.resize(part, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    sharp = np.clip((large.astype(np.float32) - 110) * 2.2 + 110, 0, 255)
    return np.asarray(np.pad(sharp.astype(np.uint8), 2), np.uint8)


def _joined(rng: np.random.Generator, digits: Pictures) -> U8:
    """Two or three digits that touch, side by side or, less often, one above the other."""
    above = rng.random() < 0.2
    count = 3 if rng.random() < 0.2 and not above else 2
    parts = []
    for _ in range(count):
        picture, label = _some(rng, digits)
        # Beside a 1 many a digit looks like another, and a 0 above a 0 is an 8.
        while label not in STACKED if above else label == 1:
            picture, label = _some(rng, digits)
        parts.append(picture.T if above else picture)
    side = max(part.shape[0] for part in parts)
    field = np.zeros((side + 4, sum(part.shape[1] for part in parts)), np.uint8)
    x = 0
    for part in parts:
        top = (side - part.shape[0]) // 2 + int(rng.integers(0, 4))
        area = field[top : top + part.shape[0], x : x + part.shape[1]]
        np.maximum(area, part, out=area)
        x += part.shape[1] - int(rng.integers(0, 3))
    return np.ascontiguousarray(field.T) if above else field


def _struck(rng: np.random.Generator, digits: Pictures) -> U8:
    """A digit with a line through it that goes far beyond it."""
    picture, _ = _some(rng, digits)
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    top, left = (CANVAS - picture.shape[0]) // 2, (CANVAS - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    angle = rng.uniform(-0.7, 0.7)
    reach = max(picture.shape) * np.array([np.cos(angle), np.sin(angle)])
    middle = np.array([40.0, 40.0]) + rng.normal(0, 2, 2)
    ends = [middle - reach * rng.uniform(0.75, 1.2), middle + reach * rng.uniform(0.75, 1.2)]
    lines: Drawing = [np.stack(ends)]
    if rng.random() < 0.4:
        lines.append(lines[0] + np.array([0.0, rng.uniform(4, 7)]))
    draw(canvas, lines, float(rng.uniform(1.5, 3)))
    return canvas


def _framed(rng: np.random.Generator, digits: Pictures) -> U8:
    """A digit in a box or a circle."""
    picture, _ = _some(rng, digits)
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    top, left = (CANVAS - picture.shape[0]) // 2, (CANVAS - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    if rng.random() < 0.5:
        corners = np.array([[0.0, 0.0], [1, 0], [1, 1], [0, 1], [0, 0]])
        frame = hand(rng, [corners], 0.3)[0]
    else:
        t = np.linspace(0, 2 * np.pi + 0.2, 30)
        frame = 0.5 + 0.55 * np.stack([np.cos(t), np.sin(t)], axis=1)
    room = np.array(picture.shape[::-1]) + rng.uniform(5, 14, 2)
    draw(canvas, [40 + (frame - 0.5) * room], float(rng.uniform(1.3, 2.6)))
    return canvas


_KINDS: tuple[tuple[str, float, Maker], ...] = (
    ("letters", 14, _from(LETTERS)),
    ("greek", 4, _from(GREEK)),
    ("kana", 14, _from(KANA)),
    ("characters", 5, _from(CHARACTERS)),
    ("signs", 7, _from(SIGNS)),
    ("printed letters", 5, _font_letter),
    ("invented", 6, _invented),
    ("plus", 3, _plus),
    ("dash", 3, _dash),
    ("line pieces", 4, _pieces),
    ("ruling", 3, _ruling),
    ("flat ring", 2, _flat_ring),
    ("scribble", 4, _scribble),
    ("blob", 4, _blob),
    ("patch", 2, _patch),
    ("blank paper", 3, _blank),
    ("texture", 3, _texture),
    ("part of a digit", 7, _part),
    ("joined digits", 8, _joined),
    ("struck digit", 3, _struck),
    ("framed digit", 3, _framed),
)
KINDS: tuple[str, ...] = tuple(name for name, _, _ in _KINDS)
JOINED = KINDS.index("joined digits")
