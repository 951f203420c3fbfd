"""What may be hard about a frame, by name."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np

from edgedigits.errors import UsageError

CONDITIONS: tuple[str, ...] = (
    "plain",
    "ruled",
    "squared",
    "dark",
    "shadow",
    "vignette",
    "blur",
    "noise",
    "jpeg",
    "tilt",
    "cast",
    "show-through",
    "distractors",
    "texture",
    "touching",
    "empty",
)

RARE = ("empty",)  # drawn less often by hard_mix: a frame without digits has little to say
TOGETHER_NEVER = (("ruled", "squared"), ("dark", "show-through"), ("empty", "touching"))


@dataclass(frozen=True)
class Conditions:
    """What is switched on in a frame.

    Attributes:
        names: of :data:`CONDITIONS`, in any order; none means ``plain``.
        strength: of each of them, 0 (hardly seen) to 1; None lets each draw its own.
        width, height: of the frame, in pixels; at least 64.

    Raises:
        UsageError: an unknown name, a strength outside 0 to 1, or a frame that is too small.
    """

    names: tuple[str, ...] = ("plain",)
    strength: float | None = None
    width: int = 640
    height: int = 480

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in CONDITIONS:
                close = difflib.get_close_matches(name, CONDITIONS, n=1)
                hint = f"did you mean {close[0]}? " if close else ""
                raise UsageError(
                    f"unknown condition '{name}'; {hint}known are {', '.join(CONDITIONS)}"
                )
        if self.strength is not None and not 0 <= self.strength <= 1:
            raise UsageError(f"strength {self.strength:g} is not between 0 and 1")
        if min(self.width, self.height) < 64:
            raise UsageError(
                f"a frame of {self.width}×{self.height} pixels is too small; use at least 64×64"
            )

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def draw(self, rng: np.random.Generator) -> float:
        """How strong one of them is: as given, or drawn evenly."""
        drawn = float(rng.random())
        return drawn if self.strength is None else self.strength


def conditions_for(
    *names: str, strength: float | None = None, size: tuple[int, int] = (640, 480)
) -> Conditions:
    """These conditions and no others, in a frame of ``size`` (width, height) pixels.

    Raises:
        UsageError: as :class:`Conditions`.
    """
    return Conditions(names or ("plain",), strength, *size)


def hard_mix(
    rng: np.random.Generator, size: tuple[int, int] = (640, 480), most: int = 5
) -> Conditions:
    """Two to ``most`` conditions at once, each of a strength of its own."""
    names = CONDITIONS[1:]  # without plain
    weights = np.array([0.3 if name in RARE else 1.0 for name in names])
    count = int(rng.integers(2, most + 1))
    while True:
        chosen = rng.choice(len(names), size=count, replace=False, p=weights / weights.sum())
        mix = tuple(names[index] for index in sorted(chosen))
        if not any(a in mix and b in mix for a, b in TOGETHER_NEVER):
            return Conditions(mix, None, *size)
