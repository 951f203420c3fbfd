"""Whether what is read beside it speaks for a candidate.

Digits stand in rows and are of a size. What stands between sure digits of its own height is one at
a lower score than what stands by itself, where it would be the only digit among other things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgedigits.device.reading import Box, Candidate

ODDS = 9.0  # how many times likelier, or less likely, than a file's threshold knows
LONE = 0.9  # score from which on a candidate needs nobody, and speaks for others
WITNESSES = 2  # beside a candidate from which on its odds are better; one leaves them as they are
APART = 0.4  # of a height: how far the middles of a row may lie above each other
NEAR = 2.0  # of a height: the gap over which one speaks for another
SHORTER, TALLER = 0.6, 1.5  # of its height: what it speaks for


def least(threshold: float) -> float:
    """The score from which on a candidate among sure digits is one."""
    return threshold / (threshold + (1 - threshold) * ODDS)


def alone(threshold: float) -> float:
    """The score from which on a candidate with nothing beside it is one."""
    most = threshold * ODDS / (threshold * ODDS + 1 - threshold)
    return max(threshold, min(most, LONE))


def by_support(
    chosen: Sequence[Candidate], threshold: float, *, only: bool = False
) -> tuple[list[Candidate], list[Candidate]]:
    """Candidates that count, and the others, which are accepted no more.

    Args:
        chosen: of one frame, each with a score of at least :func:`least`.
        threshold: of the file, for a candidate of which nothing else is known.
        only: whether there is nothing else in the frame that could be one: then it is shown.
    """
    lone = threshold if only else alone(threshold)
    sure = [candidate.box for candidate in chosen if candidate.score >= max(LONE, lone)]
    counts: list[Candidate] = []
    others: list[Candidate] = []
    for candidate in chosen:
        needed = lone
        if candidate.score < lone:
            needed = (lone, threshold, least(threshold))[_witnesses(candidate.box, sure)]
        if candidate.score >= needed:
            counts.append(candidate)
        else:
            others.append(replace(candidate, accepted=False))
    return counts, others


def _witnesses(box: Box, sure: Sequence[Box]) -> int:
    """How many sure digits speak for one that is not sure, up to :data:`WITNESSES`."""
    return min(WITNESSES, sum(speaks_for(other, box) for other in sure))


def speaks_for(sure: Box, box: Box) -> bool:
    """Whether a digit stands in the row of another, near it, and is of its size."""
    if not SHORTER * sure.h <= box.h <= TALLER * sure.h:
        return False
    apart = abs((sure.y + sure.h / 2) - (box.y + box.h / 2))
    gap = max(sure.x, box.x) - min(sure.x + sure.w, box.x + box.w)
    return apart < APART * sure.h and gap < NEAR * sure.h
