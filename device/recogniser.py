"""One engine for pictures and cameras: from a frame to the digits in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.classifier import Classifier
from edgedigits.device.finder.hypotheses import Hypothesis, hypotheses
from edgedigits.device.finder.ink import find_ink
from edgedigits.device.finder.pieces import (
    find_pieces,
    group_pieces,
    neighbours,
    plausible,
    together,
    usual_height,
)
from edgedigits.device.finder.rows import in_rows
from edgedigits.device.finder.sides import is_edge
from edgedigits.device.reading import DIGITS, SEVERAL, Box, Candidate, Reading
from edgedigits.device.support import by_support, least
from edgedigits.preprocess import to_grey

LONGEST = 1600  # pixels of the longer side at which a frame is looked at
SPLIT_COST = 0.05  # of a score, a cut: a whole digit is likelier than two that touch
TOUCHING = 0.05  # score of several digits from which on a group may be read in parts
CLEARLY = 0.5  # the same from which on pieces of it may be left unread
WORSE = 0.5  # score of the one of two groups below which both may be one digit
SKIP_COST = 1.5  # of a score, a piece that is left unread, at most
UNREAD = 3.0  # of a score, one as wide and high as its group is high
NEVER = np.inf  # of a piece that must belong to a digit
LEAST_HEIGHT, MOST_HEIGHT = 0.5, 2.0  # of the usual height of its row
LEAST_ALONE, MOST_ALONE = 0.35, 2.5  # of that of all digits, for one with a row to itself
MANY, FEW = 40, 0.05  # groups of ink in a frame; so small a share of them is chance
ENOUGH = 4  # digits from which on there is such a thing as a usual height


@dataclass(frozen=True, eq=False)
class Found:
    """Ink of a frame that may be digits, before anything is recognised.

    Attributes:
        hypotheses: what may be one digit; boxes in pixels of the frame.
        parts: for each group of ink the number of parts it may be cut into.
        joined: the two groups that each of the last groups is made of.
        dark_on_light: the polarity found.
        edges: for each hypothesis whether it is the edge of a page or table.
    """

    hypotheses: tuple[Hypothesis, ...]
    parts: tuple[int, ...]
    dark_on_light: bool
    edges: tuple[bool, ...]
    joined: tuple[tuple[int, int], ...] = ()


def find(frame: NDArray[Any]) -> Found:
    """Find what may be digits.

    Args:
        frame: uint8 ``[h, w]`` grey or ``[h, w, 3]`` BGR, upright.
    """
    grey = to_grey(frame)
    scale = min(1.0, LONGEST / max(grey.shape))
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    ink = find_ink(grey)
    pieces = find_pieces(ink)
    groups = group_pieces(pieces)
    joined = neighbours(groups, usual_height(pieces, plausible(pieces)))
    both = tuple(together(groups[i], groups[j]) for i, j in joined)
    made, parts = hypotheses((*groups, *both), pieces, ink.strength, uncut=len(both))
    edges = tuple(is_edge(grey, h.box, ink.dark_on_light) for h in made)
    if scale < 1:
        made = [replace(h, box=Box(*(round(value / scale) for value in h.box))) for h in made]
    return Found(tuple(made), tuple(parts), ink.dark_on_light, edges, joined)


class Recogniser:
    """Finds and recognises every digit in a frame.

    Args:
        classifier: an exported file, with ten classes, perhaps with "not a digit" and "several
            digits" behind them.
        threshold: score from which on a candidate counts as a digit; what stands beside it
            lowers or raises it, see :mod:`edgedigits.device.support`.
    """

    def __init__(self, classifier: Classifier, threshold: float) -> None:
        self.classifier = classifier
        self.threshold = threshold

    def read(self, frame: NDArray[Any]) -> Reading:
        """Read one frame.

        Args:
            frame: uint8 ``[h, w]`` grey or ``[h, w, 3]`` BGR, upright.
        """
        return self.read_found(find(frame), frame.shape[1], frame.shape[0])

    def read_found(self, found: Found, width: int, height: int) -> Reading:
        """Read what was found in a frame of so many pixels."""
        candidates = self._judge(found.hypotheses, found.edges)
        chosen, rest = choose(found.hypotheses, candidates, found.parts, found.joined)
        groups = len(found.parts) - len(found.joined)
        counting, unsupported = by_support(chosen, self.threshold, only=groups == 1)
        accepted, small = by_size(counting)
        if is_texture(len(accepted), groups):
            accepted, small = [], [replace(c, accepted=False) for c in (*accepted, *small)]
        rows = in_rows([candidate.box for candidate in accepted])
        return Reading(
            width=width,
            height=height,
            rows=tuple(tuple(accepted[i] for i in row) for row in rows),
            rejected=(*rest, *unsupported, *small),
            dark_on_light=found.dark_on_light,
        )

    def _judge(self, made: Sequence[Hypothesis], edges: Sequence[bool]) -> list[Candidate]:
        if not made:
            return []
        scores = self.classifier.scores(np.stack([hypothesis.crop for hypothesis in made]))
        digits = scores[:, :DIGITS].argmax(axis=1)
        sure = scores[np.arange(len(made)), digits]
        lowest = least(self.threshold)
        return [
            Candidate(
                box=hypothesis.box,
                crop=hypothesis.crop,
                scores=scores[i],
                digit=int(digits[i]),
                score=float(sure[i]),
                accepted=bool(sure[i] >= lowest) and not edges[i],
            )
            for i, hypothesis in enumerate(made)
        ]


def choose(
    made: Sequence[Hypothesis],
    candidates: Sequence[Candidate],
    parts: Sequence[int],
    joined: Sequence[tuple[int, int]] = (),
) -> tuple[list[Candidate], list[Candidate]]:
    """The best reading of each group: as a whole, as its parts, or with another as one digit.

    Args:
        made, candidates: hypotheses, and what each was judged to be.
        parts, joined: as in :class:`Found`.

    Returns:
        Accepted candidates, and of the groups with none the whole.
    """
    by_span: dict[tuple[int, int, int], Candidate] = {
        (hypothesis.group, *hypothesis.span): candidate
        for hypothesis, candidate in zip(made, candidates, strict=True)
    }
    wholes = [by_span.get((group, 0, count)) for group, count in enumerate(parts)]
    readings: list[list[Candidate] | None] = [
        _reading(by_span, group, count, wholes[group]) for group, count in enumerate(parts)
    ]
    _join(readings, joined)
    rejected = [
        whole
        for whole, reading in zip(wholes[: len(parts) - len(joined)], readings, strict=False)
        if reading == [] and whole is not None
    ]
    return [candidate for reading in readings for candidate in reading or ()], rejected


def _reading(
    by_span: dict[tuple[int, int, int], Candidate], group: int, count: int, whole: Candidate | None
) -> list[Candidate]:
    """What is accepted of one group by itself."""
    if whole is None or count == 1 or _may_be_several(whole):
        skips = [NEVER] * count
        if whole is not None and _several(whole) >= CLEARLY:
            skips = [_skip_cost(by_span.get((group, i, i + 1)), whole) for i in range(count)]
        return _best_path(by_span, group, skips)
    return [whole] if whole.accepted else []


def _skip_cost(piece: Candidate | None, whole: Candidate) -> float:
    """What it costs to leave a piece unread: next to nothing for a sliver."""
    if piece is None:
        return 0.0
    share = piece.box.w * piece.box.h / whole.box.h**2
    return min(SKIP_COST, UNREAD * share)


def _join(readings: list[list[Candidate] | None], joined: Sequence[tuple[int, int]]) -> None:
    """Of two groups and both as one keep what is read better, in place; None: part of another."""
    first = len(readings) - len(joined)
    best = sorted(range(len(joined)), key=lambda i: -_sureness(readings[first + i]))
    for i in best:
        one, two = (readings[group] for group in joined[i])
        both = readings[first + i]
        if both and one is not None and two is not None:
            sure = sorted(_sureness(reading) for reading in (one, two))
            if sure[0] < WORSE and sure[1] <= _sureness(both):
                for group in joined[i]:
                    readings[group] = None
                continue
        readings[first + i] = None


def _sureness(reading: list[Candidate] | None) -> float:
    """The score of the surest digit of a reading; 0 where there is none."""
    return max((candidate.score for candidate in reading or ()), default=0.0)


def _may_be_several(whole: Candidate) -> bool:
    """Whether a group's parts may be digits; a letter's parts often look like some."""
    return len(whole.scores) <= SEVERAL or _several(whole) >= TOUCHING


def _several(whole: Candidate) -> float:
    """How much a group looks like several digits, 0 to 1; 0 where the model has no such class."""
    return float(whole.scores[SEVERAL]) if len(whole.scores) > SEVERAL else 0.0


def _best_path(
    by_span: dict[tuple[int, int, int], Candidate],
    group: int,
    skips: Sequence[float],
) -> list[Candidate]:
    """The accepted parts, from end to end, of the highest scores less the costs of their cuts.

    Args:
        by_span: candidates by group, first cut and last. group: which.
        skips: for each of its pieces what it costs to leave it unread.
    """
    best: list[tuple[float, list[Candidate]] | None] = [(0.0, [])]
    for end in range(1, len(skips) + 1):
        ways = []
        for start in range(end):
            before, candidate = best[start], by_span.get((group, start, end))
            if before is not None and candidate is not None and candidate.accepted:
                gain = candidate.score - 1 - SPLIT_COST
                ways.append((before[0] + gain, [*before[1], candidate]))
        before = best[end - 1]
        if skips[end - 1] < NEVER and before is not None:
            ways.append((before[0] - skips[end - 1], before[1]))
        best.append(max(ways, key=lambda way: way[0], default=None))
    last = best[-1]
    return [] if last is None else last[1]


def is_texture(accepted: int, groups: int) -> bool:
    """Whether a frame holds so much ink that is no digit that the rest is none either."""
    return groups >= MANY and accepted < FEW * groups


def by_size(accepted: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Candidates of a size that fits their own row, and the others, which are accepted no more."""
    fits: list[Candidate] = []
    others: list[Candidate] = []
    everything = sorted(candidate.box.h for candidate in accepted)
    for candidate in accepted:
        box = candidate.box
        heights = sorted(
            other.box.h
            for other in accepted
            if other.box.y < box.y + box.h and box.y < other.box.y + other.box.h
        )
        least, most, usual = LEAST_HEIGHT, MOST_HEIGHT, heights[len(heights) // 2]
        if len(heights) == 1 and len(everything) >= ENOUGH:
            least, most, usual = LEAST_ALONE, MOST_ALONE, everything[len(everything) // 2]
        if least * usual <= box.h <= most * usual:
            fits.append(candidate)
        else:
            others.append(replace(candidate, accepted=False))
    return fits, others
