"""Steady answers from many frames: digits that keep their identity, and text that is said once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedigits.device.matching import covered, match, scene_shift
from edgedigits.device.reading import DIGITS, Box, Candidate, Reading
from edgedigits.errors import UsageError

FOLLOW = 0.5  # how far a smoothed box goes towards the one just seen
FORGET_NEW = 3  # frames unseen after which a track that was never committed is dropped


@dataclass(frozen=True)
class Track:
    """One digit over several frames.

    Attributes:
        id: stays as long as the digit is followed; never used again.
        box: smoothed over the frames.
        digit: the answer; of a committed track it changes only when another has out-voted it.
        score: mean of that class's scores over the last frames, the latest counting most.
        committed: whether its answer has been the same long enough to be said.
        missed: frames since it was last seen; 0: it is in this frame.
    """

    id: int
    box: Box
    digit: int
    score: float
    committed: bool
    missed: int


@dataclass(frozen=True)
class Tracked:
    """What is known after a frame.

    Attributes:
        tracks: those in this frame, in the order of ``Reading.digits``, then those not seen now.
        text: committed digits as read, one line a row; a digit missing for less than
            ``commit_after`` frames is still in it.
        new_text: ``text``, in the one frame where it is complete, steady and not yet reported.
    """

    tracks: tuple[Track, ...]
    text: str
    new_text: str | None


class _Following:
    """A track while it is followed."""

    def __init__(self, number: int, candidate: Candidate) -> None:
        self.number = number
        self.place = np.array(candidate.box, dtype=np.float64)  # where it was last seen
        self.smooth = self.place.copy()
        self.votes = np.zeros(len(candidate.scores[:DIGITS]))
        self.weight = 0.0
        self.winner = -1
        self.streak = 0
        self.digit: int | None = None  # the committed answer
        self.missed = 0

    def vote(self, candidate: Candidate, decay: float, commit_after: int) -> None:
        """Take over what was seen in this frame."""
        self.go_to(candidate.box)
        self.missed = 0
        self.votes = self.votes * decay + np.clip(candidate.scores[:DIGITS], 0.0, 1.0)
        self.weight = self.weight * decay + 1
        winner = int(self.votes.argmax())
        self.streak = self.streak + 1 if winner == self.winner else 1
        self.winner = winner
        # The same rule for the first answer and for another one: lead the smoothed votes for long.
        if self.streak >= commit_after:
            self.digit = winner

    def go_to(self, box: Box) -> None:
        """Follow a box without taking its answer."""
        self.place = np.array(box, dtype=np.float64)
        self.smooth += FOLLOW * (self.place - self.smooth)

    def move(self, x: float, y: float) -> None:
        """Go with the scene."""
        for box in (self.place, self.smooth):
            box[:2] += (x, y)

    def result(self) -> Track:
        digit = self.winner if self.digit is None else self.digit
        x, y, w, h = np.rint(self.smooth).astype(int).tolist()
        return Track(
            id=self.number,
            box=Box(x, y, w, h),
            digit=digit,
            score=float(self.votes[digit] / self.weight),
            committed=self.digit is not None,
            missed=self.missed,
        )


class Tracker:
    """Follows digits from frame to frame.

    Args:
        commit_after: frames for which an answer must lead the votes before it counts, and for which
            the text must stay the same before it is reported.
        drop_after: frames unseen after which a digit is forgotten; default twice ``commit_after``.
        window: frames over which votes are summed; one frame ago counts ``1 - 1/window`` of now.

    Raises:
        UsageError: a number below 1.
    """

    def __init__(
        self, commit_after: int = 5, *, drop_after: int | None = None, window: int = 8
    ) -> None:
        self.commit_after = commit_after
        self.drop_after = 2 * commit_after if drop_after is None else drop_after
        numbers = {"commit_after": commit_after, "drop_after": self.drop_after, "window": window}
        for name, value in numbers.items():
            if value < 1:
                raise UsageError(f"{name} is {value}; it is a number of frames, at least 1")
        self._decay = 1 - 1 / window
        self._next = 1
        self._tracks: list[_Following] = []
        self._rows: list[list[int]] = []  # numbers of all tracks, in reading order
        self._frame = (0, 0)
        self._text = ""
        self._steady = 0  # frames for which the text has been the same
        self._reported: str | None = None

    def update(self, reading: Reading) -> Tracked:
        """Take the next frame's reading, and say what is known now."""
        if (reading.width, reading.height) != self._frame:  # other pixels: places mean nothing
            self._frame = (reading.width, reading.height)
            self._tracks, self._rows = [], []
        digits = reading.digits
        self._move(digits)
        seen = self._take(digits)
        self._follow_rejected(reading.rejected)
        self._drop(seen)
        rows, first = [], 0
        for row in reading.rows:
            rows.append([track.number for track in seen[first : first + len(row)]])
            first += len(row)
        self._rows = merge_rows(rows, self._rows, {track.number for track in self._tracks})
        text = self._committed_text()
        new_text = self._report(text, complete=all(track.digit is not None for track in seen))
        unseen = [track for track in self._tracks if track.missed]
        tracks = tuple(track.result() for track in [*seen, *unseen])
        return Tracked(tracks=tracks, text=text, new_text=new_text)

    def _agreement(
        self, tracks: Sequence[_Following], found: Sequence[Candidate]
    ) -> NDArray[np.float64]:
        if not (tracks and found):
            return np.zeros((len(tracks), len(found)))
        known = np.array([track.votes / max(track.weight, 1e-9) for track in tracks])
        scores = np.clip(np.array([candidate.scores[:DIGITS] for candidate in found]), 0.0, 1.0)
        return np.asarray(known @ scores.T, dtype=np.float64)

    def _move(self, digits: Sequence[Candidate]) -> None:
        x, y = scene_shift(
            _places(self._tracks), _boxes(digits), self._agreement(self._tracks, digits)
        )
        for track in self._tracks:
            track.move(x, y)

    def _take(self, digits: Sequence[Candidate]) -> list[_Following]:
        """The track of each digit, new ones among them; all others are marked as missed."""
        for track in self._tracks:
            track.missed += 1
        agreement = self._agreement(self._tracks, digits)
        pairs = match(_places(self._tracks), _boxes(digits), agreement)
        found = {now: self._tracks[before] for before, now in pairs}
        seen = []
        for index, candidate in enumerate(digits):
            if index in found:
                track = found[index]
            else:
                track = _Following(self._next, candidate)
                self._next += 1
                self._tracks.append(track)
            track.vote(candidate, self._decay, self.commit_after)
            seen.append(track)
        return seen

    def _follow_rejected(self, rejected: Sequence[Candidate]) -> None:
        """A digit that is blurred for a moment is no digit then, but tells where it is."""
        missed = [track for track in self._tracks if track.missed]
        agreement = self._agreement(missed, rejected)
        for before, now in match(_places(missed), _boxes(rejected), agreement):
            missed[before].go_to(rejected[now].box)

    def _drop(self, seen: Sequence[_Following]) -> None:
        hidden = covered(_places(self._tracks), _places(seen))

        def stays(index: int, track: _Following) -> bool:
            if not track.missed:
                return True
            new = track.digit is None
            limit = min(FORGET_NEW, self.drop_after) if new else self.drop_after
            return track.missed < limit and not hidden[index]

        self._tracks = [track for index, track in enumerate(self._tracks) if stays(index, track)]

    def _committed_text(self) -> str:
        tracks = {track.number: track for track in self._tracks}
        rows = []
        for row in self._rows:
            known = [tracks[number] for number in row]
            row_text = "".join(
                str(track.digit)
                for track in known
                if track.digit is not None and track.missed < self.commit_after
            )
            if row_text:
                rows.append(row_text)
        return "\n".join(rows)

    def _report(self, text: str, *, complete: bool) -> str | None:
        self._steady = self._steady + 1 if text == self._text else 1
        self._text = text
        if self._steady < self.commit_after or not complete:
            return None
        if not text:
            self._reported = None  # what is shown after an empty scene is news
            return None
        if text == self._reported:
            return None
        self._reported = text
        return text


def _places(tracks: Sequence[_Following]) -> NDArray[np.float64]:
    return np.array([track.place for track in tracks], dtype=np.float64).reshape(-1, 4)


def _boxes(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    boxes = [candidate.box for candidate in candidates]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def merge_rows(now: list[list[int]], before: list[list[int]], known: set[int]) -> list[list[int]]:
    """The rows of this frame, with what was only in the last one put where it stood.

    Args:
        now: numbers of the tracks seen, in reading order.
        before: rows as this function returned them for the frame before.
        known: numbers of all tracks that are still followed.
    """
    rows = [list(row) for row in now]
    where = {number: row for row in rows for number in row}
    above: list[int] | None = None  # where the row above went
    for old in before:
        old = [number for number in old if number in known]
        anchors = [index for index, number in enumerate(old) if number in where]
        if not old:
            continue
        if not anchors:
            position = (
                0
                if above is None
                else next(index for index, row in enumerate(rows) if row is above) + 1
            )
            above = list(old)
            rows.insert(position, above)
            where.update(dict.fromkeys(old, above))
            continue
        first = anchors[0]
        for index in (*range(first - 1, -1, -1), *range(first + 1, len(old))):
            if old[index] in where:
                continue
            beside = old[index + 1] if index < first else old[index - 1]
            row = where[beside]
            row.insert(row.index(beside) + (0 if index < first else 1), old[index])
            where[old[index]] = row
        above = where[old[-1]]
    return rows
