"""What was read in one frame: digits, where they are, and the rows they stand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]

DIGITS = 10  # the first classes of a model's answer; one behind them is "not a digit"
SEVERAL = 11  # the class, of a model that has it, of digits that touch


class Box(NamedTuple):
    """A rectangle in pixels of the upright frame: left, top, width, height."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, eq=False)
class Candidate:
    """Ink that may be a digit.

    Attributes:
        box: tight around its ink.
        crop: uint8 ``[28, 28]``, ink high, as the model saw it.
        scores: float32 ``[classes]``, as the model answered.
        digit: the class with the highest score.
        score: how sure, 0 to 1.
        accepted: whether it counts as a digit.
    """

    box: Box
    crop: U8
    scores: NDArray[np.float32]
    digit: int
    score: float
    accepted: bool


@dataclass(frozen=True, eq=False)
class Reading:
    """Everything found in one frame.

    Attributes:
        width, height: of the upright frame, in pixels.
        rows: accepted candidates as read: rows from top to bottom, each from left to right.
        rejected: the other candidates, in no order.
        dark_on_light: whether the ink is darker than its background.
    """

    width: int
    height: int
    rows: tuple[tuple[Candidate, ...], ...]
    rejected: tuple[Candidate, ...]
    dark_on_light: bool

    @property
    def digits(self) -> tuple[Candidate, ...]:
        """Accepted candidates in reading order."""
        return tuple(candidate for row in self.rows for candidate in row)

    @property
    def text(self) -> str:
        """The rows as read, one line each."""
        return "\n".join("".join(str(candidate.digit) for candidate in row) for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """As one line of ``edgedigits recognise --json``, but for source and frame number."""
        return {
            "width": self.width,
            "height": self.height,
            "ink": "dark on light" if self.dark_on_light else "light on dark",
            "digits": [
                {
                    "digit": candidate.digit,
                    "score": round(candidate.score, 4),
                    "box": list(candidate.box),
                }
                for candidate in self.digits
            ],
            "text": self.text,
        }
