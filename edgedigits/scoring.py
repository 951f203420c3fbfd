"""What was read in frames, held against the truth.

A reading is right where it is in the place of a digit and says the same; both wrong places and
wrong digits count against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgedigits.device.reading import Box
from edgedigits.errors import DataError

ENOUGH_OVERLAP = 0.5  # intersection over union from which two boxes are the same place
LABELS_FILE = "labels.json"

Found = tuple[int, Box]


@dataclass(frozen=True)
class Match:
    """What became of the digits of one frame.

    Attributes:
        right: digits read in their place.
        wrong: places found, but read as another digit.
        missed: digits that nothing was read for.
        false: readings where no digit is.
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0
    false: int = 0


@dataclass(frozen=True)
class Score:
    """Counts over frames; add them up with ``+``.

    Attributes:
        right, wrong, missed, false: digits, as in :class:`Match`.
        rows, rows_right: rows that were written, and those read without a mistake.
        frames, frames_exact: frames, and those whose rows were all read, and nothing else.
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0
    false: int = 0
    rows: int = 0
    rows_right: int = 0
    frames: int = 0
    frames_exact: int = 0

    def add(self, other: Score) -> Score:
        """Both together."""
        return Score(
            self.right + other.right,
            self.wrong + other.wrong,
            self.missed + other.missed,
            self.false + other.false,
            self.rows + other.rows,
            self.rows_right + other.rows_right,
            self.frames + other.frames,
            self.frames_exact + other.frames_exact,
        )

    __add__ = add

    @property
    def precision(self) -> float:
        """Share of the readings that are right; 1 where nothing was read."""
        return _share(self.right, self.right + self.wrong + self.false)

    @property
    def recall(self) -> float:
        """Share of the digits that were read right; 1 where there were none."""
        return _share(self.right, self.right + self.wrong + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of both; a wrong digit is one false reading and one miss."""
        mistakes = 2 * self.wrong + self.missed + self.false
        return _share(2 * self.right, 2 * self.right + mistakes)

    @property
    def false_per_frame(self) -> float:
        """Readings where no digit is, a frame."""
        return self.false / self.frames if self.frames else 0.0

    def to_json(self) -> dict[str, Any]:
        """Counts and measures as plain values."""
        return {
            "right": self.right,
            "wrong": self.wrong,
            "missed": self.missed,
            "false": self.false,
            "precision": round(self.precision, 5),
            "recall": round(self.recall, 5),
            "f1": round(self.f1, 5),
            "rows": self.rows,
            "rows_right": self.rows_right,
            "frames": self.frames,
            "frames_exact": self.frames_exact,
            "false_per_frame": round(self.false_per_frame, 5),
        }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    across = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    along = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    if across <= 0 or along <= 0:
        return 0.0
    both = across * along
    return both / (a.w * a.h + b.w * b.h - both)


def match(truth: Sequence[Found], found: Sequence[Found]) -> Match:
    """Pair what was found with what is there, the best overlap first.

    A reading may take a digit's place where their boxes overlap by half (intersection over union),
    or where its centre lies in the digit's box; each place is taken once.

    Args:
        truth: digit and box of each digit that is there.
        found: digit and box of each reading.
    """
    pairs = []
    for i, (_, there) in enumerate(truth):
        for j, (_, here) in enumerate(found):
            share = overlap(there, here)
            if share >= ENOUGH_OVERLAP or _centre_in(here, there):
                pairs.append((-share, i, j))
    places: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in sorted(pairs):
        if i not in places and j not in used:
            places[i] = j
            used.add(j)
    right = sum(truth[i][0] == found[j][0] for i, j in places.items())
    return Match(
        right=right,
        wrong=len(places) - right,
        missed=len(truth) - len(places),
        false=len(found) - len(places),
    )


def _centre_in(inner: Box, outer: Box) -> bool:
    x, y = inner.x + inner.w / 2, inner.y + inner.h / 2
    return outer.x <= x <= outer.x + outer.w and outer.y <= y <= outer.y + outer.h


def _lines(rows: Iterable[str]) -> list[str]:
    """Rows without spaces, which only say that digits stand apart, and without empty ones."""
    return [line for line in ("".join(row.split()) for row in rows) if line]


def rows_exact(truth_rows: Sequence[str], text: str) -> bool:
    """Whether a text of one line a row says what was written; spaces do not count."""
    return _lines(truth_rows) == _lines(text.splitlines())


def rows_right(truth_rows: Sequence[str], text: str) -> int:
    """How many rows stand in the text as they were written, in this order.

    The longest common sequence of rows: one row too many, or one missing, spoils no other.
    """
    wanted, read = _lines(truth_rows), _lines(text.splitlines())
    best = np.zeros((len(wanted) + 1, len(read) + 1), np.int64)
    for i, row in enumerate(wanted):
        for j, line in enumerate(read):
            same = best[i, j] + 1 if row == line else 0
            best[i + 1, j + 1] = max(same, best[i, j + 1], best[i + 1, j])
    return int(best[-1, -1])


def score_frame(
    truth: Sequence[Found], found: Sequence[Found], truth_rows: Sequence[str], text: str
) -> Score:
    """One frame's score.

    Args:
        truth, found: as for :func:`match`.
        truth_rows: the digits of each written row.
        text: what was read, one line a row.
    """
    result = match(truth, found)
    return Score(
        right=result.right,
        wrong=result.wrong,
        missed=result.missed,
        false=result.false,
        rows=len(_lines(truth_rows)),
        rows_right=rows_right(truth_rows, text),
        frames=1,
        frames_exact=int(rows_exact(truth_rows, text)),
    )


def total(scores: Iterable[Score]) -> Score:
    """All of them together."""
    whole = Score()
    for score in scores:
        whole = whole.add(score)
    return whole


def by_condition(frames: Iterable[tuple[Sequence[str], Score]]) -> dict[str, Score]:
    """The score of each condition: of all frames in which it was on, whatever else was.

    Args:
        frames: for each, the names of its conditions, and its score.
    """
    scores: dict[str, Score] = {}
    for names, score in frames:
        for name in names:
            scores[name] = scores.get(name, Score()).add(score)
    return scores


@dataclass(frozen=True)
class LabelledPhoto:
    """A photograph, and what is written on it.

    Attributes:
        path: of the picture.
        width, height: of the upright picture, in pixels.
        digits: digit and box of each, in reading order.
        rows: one string a row, without spaces.
        not_digits: boxes of ink that is no digit.
        uncertain: why a label may be wrong, or None.
        order_note: why the digits have no order, or None: compare them as a set.
    """

    path: Path
    width: int
    height: int
    digits: tuple[Found, ...]
    rows: tuple[str, ...]
    not_digits: tuple[Box, ...]
    uncertain: str | None
    order_note: str | None


def load_photo_labels(folder: Path) -> tuple[LabelledPhoto, ...]:
    """The labelled photographs of a folder, as its ``labels.json`` lists them.

    Raises:
        DataError: the file is missing or damaged, or names a picture that is not there.
    """
    file = Path(folder) / LABELS_FILE
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))["images"]
        photos = tuple(_photo(Path(folder), entry) for entry in listed)
    except FileNotFoundError as error:
        raise DataError(
            f"{file}: no such file; name a folder of photographs with a {LABELS_FILE}"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{file}: cannot be read as JSON ({error})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{file}: an entry lacks or spoils {error}; see the other entries"
        ) from error
    for photo in photos:
        if not photo.path.is_file():
            raise DataError(f"{file}: names {photo.path.name}, which is not in the folder")
    return photos


def _photo(folder: Path, entry: Mapping[str, Any]) -> LabelledPhoto:
    return LabelledPhoto(
        path=folder / str(entry["file"]),
        width=int(entry["width"]),
        height=int(entry["height"]),
        digits=tuple((int(item["digit"]), _box(item)) for item in entry["boxes"]),
        rows=tuple(_lines(str(row) for row in entry["rows"])),
        not_digits=tuple(_box(item) for item in entry.get("not_digits", ())),
        uncertain=entry.get("uncertain"),
        order_note=entry.get("order_note"),
    )


def _box(item: Mapping[str, Any]) -> Box:
    return Box(int(item["x"]), int(item["y"]), int(item["w"]), int(item["h"]))
