"""What a search is asked for, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgedigits.errors import UsageError
from edgedigits.metrics import PairedComparison, pareto_line
from edgedigits.shrink.candidate import Candidate

ROUNDING = 1e-9  # of a drop in percentage points


@dataclass(frozen=True)
class Limit:
    """What a file may lose and weigh; at least one of the two.

    Attributes:
        max_drop: percentage points of accuracy lost against float32, on the validation part.
        max_bytes: of the file. packed: bytes are counted after gzip.
    """

    max_drop: float | None = None
    max_bytes: int | None = None
    packed: bool = False

    def check(self) -> None:
        """Raise UsageError where the limit makes no sense."""
        if self.max_drop is None and self.max_bytes is None:
            raise UsageError("say how far to go: add --max-drop POINTS or --max-bytes N")
        if self.max_drop is not None and not 0 <= self.max_drop < float("inf"):
            raise UsageError(
                f"--max-drop {self.max_drop:g}: must be a number of percentage points from 0"
            )
        if self.max_bytes is not None and self.max_bytes < 1:
            raise UsageError(f"--max-bytes {self.max_bytes}: must be 1 or more")

    def allows(self, drop: float, size: int) -> bool:
        """Whether a file may lose and weigh as much."""
        return self.excess(drop) <= ROUNDING and (self.max_bytes is None or size <= self.max_bytes)

    def excess(self, drop: float) -> float:
        """Percentage points lost beyond what is allowed, 0 or more."""
        return 0.0 if self.max_drop is None else max(0.0, drop - self.max_drop)

    def rank(self, drop: float, size: int) -> tuple[float, float]:
        """What is better is lower: the smallest file, or with bytes alone the least lost."""
        return (size, drop) if self.max_drop is not None else (drop, size)

    @property
    def key(self) -> str:
        """For the name of a study."""
        parts = ("drop", self.max_drop), ("bytes", self.max_bytes)
        given = [f"{name}{value:g}" for name, value in parts if value is not None]
        return "-".join(given + ["gzip"] * self.packed)

    def text(self) -> str:
        """For people: ``at most 0.1 points lost``."""
        parts = []
        if self.max_drop is not None:
            parts.append(f"at most {self.max_drop:g} points lost")
        if self.max_bytes is not None:
            packed = " after gzip" if self.packed else ""
            parts.append(f"at most {self.max_bytes:,} bytes{packed}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Trial:
    """One candidate that was tried.

    Attributes:
        number: in the study. candidate: what was tried. stage: the step that proposed it.
        bytes, gzip_bytes: of the file; n, accuracy: on the validation part, 0 to 1.
        drop: percentage points lost against float32 there, with its 95 % interval.
        sha256: of the file. seconds: of the whole trial. worker: who made it, HOST:PROCESS.
        message: why there is no file; empty where there is one. All figures are 0 then.
    """

    number: int
    candidate: Candidate
    stage: str = ""
    bytes: int = 0
    gzip_bytes: int = 0
    n: int = 0
    accuracy: float = 0.0
    drop: float = 0.0
    drop_low: float = 0.0
    drop_high: float = 0.0
    sha256: str = ""
    seconds: float = 0.0
    worker: str = ""
    message: str = ""

    @property
    def made(self) -> bool:
        """Whether there is a file."""
        return not self.message

    def size(self, limit: Limit) -> int:
        """Bytes as the limit counts them."""
        return self.gzip_bytes if limit.packed else self.bytes

    def within(self, limit: Limit) -> bool:
        """Whether there is a file that the limit allows."""
        return self.made and limit.allows(self.drop, self.size(limit))


def best(trials: Sequence[Trial], limit: Limit) -> Trial | None:
    """Of the trials within the limit the best one; of equals the first."""
    good = [trial for trial in trials if trial.within(limit)]
    return min(good, key=lambda t: (*limit.rank(t.drop, t.size(limit)), t.number), default=None)


def nearest(trials: Sequence[Trial], limit: Limit) -> Trial | None:
    """Of the trials with a file the one that misses the limit by least; drop counts first."""
    made = [trial for trial in trials if trial.made]

    def misses(trial: Trial) -> tuple[float, float, int]:
        over = 0 if limit.max_bytes is None else max(0, trial.size(limit) - limit.max_bytes)
        return (limit.excess(trial.drop), over, trial.size(limit))

    return min(made, key=misses, default=None)


@dataclass(frozen=True)
class Judged:
    """The chosen file on the test part, held against the float32 file.

    Attributes:
        accuracy: 0 to 1, with its 95 % Wilson interval.
        reference_accuracy: of the float32 file. paired: picture by picture.
    """

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    reference_accuracy: float
    paired: PairedComparison


@dataclass(frozen=True)
class Shrunk:
    """All of a search.

    Attributes:
        limit: what was asked for. trials: in the order of their numbers.
        layers: Dense layers that may take four bits.
        float32_bytes, float32_accuracy: of the float32 file; accuracy on the validation part.
        int8_bytes: of the run's slim int8 file; None where there is none.
        chosen: the best trial. file: where its file was put. test: what it does there.
        study: the study's name. notes: what was left out, and why.
    """

    limit: Limit
    trials: tuple[Trial, ...]
    layers: tuple[str, ...]
    float32_bytes: int
    float32_accuracy: float
    int8_bytes: int | None
    chosen: Trial
    file: Path
    test: Judged
    study: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As ``edgedigits shrink --json`` prints it, and as ``shrink.json`` holds it."""
        made = [trial for trial in self.trials if trial.made]
        line = pareto_line([(trial.size(self.limit), trial.accuracy) for trial in made])
        on_line = {trial.number for trial, mark in zip(made, line, strict=True) if mark}
        judged = asdict(self.test)
        return {
            "file": str(self.file),
            "limit": {
                "max_drop": self.limit.max_drop,
                "max_bytes": self.limit.max_bytes,
                "gzip": self.limit.packed,
            },
            "study": self.study,
            "float32_bytes": self.float32_bytes,
            "float32_accuracy": self.float32_accuracy,
            "int8_bytes": self.int8_bytes,
            "chosen": self.chosen.number,
            "bytes": self.chosen.bytes,
            "gzip_bytes": self.chosen.gzip_bytes,
            "recipe": self.chosen.candidate.label(self.layers),
            "test": {**{k: v for k, v in judged.items() if k != "paired"}, **judged["paired"]},
            "trials": [
                {
                    "recipe": trial.candidate.label(self.layers),
                    **asdict(trial),
                    "within": trial.within(self.limit),
                    "pareto": trial.number in on_line,
                }
                for trial in self.trials
            ],
            "notes": list(self.notes),
        }
