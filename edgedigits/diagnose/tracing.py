"""A float file with its branches and a variant, run side by side over the same pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.convert.contents import Contents, read_contents
from edgedigits.device.interpreter import Interpreter
from edgedigits.diagnose.branches import Branch, Branched
from edgedigits.diagnose.measure import NoiseSum, RangeSum, RangeUse
from edgedigits.diagnose.stored import Steps
from edgedigits.progress import SILENT, Progress

MOST_BATCH = 32
MOST_BYTES = 1 << 28  # of activations kept at once
Array = NDArray[Any]
Answers = NDArray[np.int64]


@dataclass(frozen=True)
class Watched:
    """What is watched of an operation.

    Attributes:
        reference, variant: the tensor that it writes in either file. steps: how the variant stores
            it. calibrated: whether its range was found by calibration.
    """

    reference: int
    variant: int
    steps: Steps | None
    calibrated: bool


@dataclass(frozen=True)
class Trace:
    """What one operation writes in the variant, against the float file.

    Attributes:
        decibels: signal-to-quantisation-noise ratio.
        range: the float values against the variant's range; None where that was not calibrated.
    """

    decibels: float
    range: RangeUse | None


@dataclass(frozen=True, eq=False)
class AloneTrace:
    """A branch: the float file with one layer quantised.

    Attributes:
        decibels: of what the layer writes. end: of the values at the end.
        answers: int64 ``[n]``.
    """

    decibels: float
    end: float
    answers: Answers


@dataclass(frozen=True, eq=False)
class Traces:
    """All of them: of each operation watched, of each branch, and the float file's answers."""

    operations: tuple[Trace, ...]
    branches: tuple[AloneTrace, ...]
    end: float
    answers: Answers


class Inside:
    """A file that shows what its operations write.

    Args:
        data: its bytes. name: for messages. batch: pictures at once.
    """

    def __init__(self, data: bytes, name: str, batch: int) -> None:
        self._interpreter = Interpreter(data, name, inside=True)
        self._interpreter.set_batch(batch)
        self.batch = self._interpreter.batch

    def run(self, inputs: Array) -> None:
        """Run pictures, at most a batch of them."""
        self._count = len(inputs)
        missing = self.batch - len(inputs)
        if missing:
            inputs = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)])
        self._interpreter.run(inputs)

    def values(self, tensor: int) -> Array:
        """What a tensor holds, a row a picture."""
        # A fixed batch of 1 in a reshape may have folded the pictures into another axis.
        values: Array = self._interpreter.values(tensor).reshape(self.batch, -1)[: self._count]
        return values


def end_tensor(contents: Contents) -> int:
    """The tensor of a float file's last values: those before a softmax at the end."""
    last = contents.ops[-1]
    return last.inputs[0] if last.name == "SOFTMAX" else contents.outputs[0]


def trace(
    branched: Branched,
    variant: bytes,
    inputs: tuple[Array, Array],
    contents: Contents,
    watched: tuple[Watched, ...],
    *,
    progress: Progress = SILENT,
    what: str = "diagnose",
) -> Traces:
    """Run both files, and hold what is watched against the float file's values.

    Args:
        branched: the float file with its branches. variant: bytes.
        inputs: for either file, ``[n, ...]``.
        contents: of the float file. watched: operations; the last is the model's last.
    """
    output, end = contents.outputs[0], end_tensor(contents)
    batch = _batch(branched.data)
    mine, other = Inside(branched.data, "the float file", batch), Inside(variant, what, batch)
    step = min(mine.batch, other.batch)
    operations = [_OperationSum(one) for one in watched]
    chosen = branched.layers if branched.input is None else (branched.input, *branched.layers)
    branches = [_BranchSum(one, end, output) for one in chosen]
    answers = []
    for start in range(0, len(inputs[0]), step):
        progress.update(what, start, len(inputs[0]))
        mine.run(inputs[0][start : start + step])
        other.run(inputs[1][start : start + step])
        exact: dict[int, Array] = {}  # each read once
        for number in {end, *(s.reads for s in operations), *(s.reads for s in branches)}:
            exact[number] = mine.values(number)
        for operation in operations:
            operation.add(exact, other)
        for branch in branches:
            branch.add(exact, mine)
        answers.append(mine.values(output).argmax(axis=1))
    return Traces(
        operations=tuple(one.trace() for one in operations),
        branches=tuple(one.trace() for one in branches),
        end=next((s.noise.decibels for s in operations if s.reads == end), math.nan),
        answers=np.concatenate(answers).astype(np.int64),
    )


def _batch(data: bytes) -> int:
    """Pictures at once, so that what is kept of them stays small."""
    tensors = read_contents(data, "the float file").tensors
    a_picture = sum(4 * math.prod(t.shape[1:]) for t in tensors if t.bytes == 0)
    return max(1, min(MOST_BATCH, MOST_BYTES // max(1, a_picture)))


class _OperationSum:
    def __init__(self, watched: Watched) -> None:
        self.reads, self._writes, self._steps = watched.reference, watched.variant, watched.steps
        self.noise = NoiseSum()
        steps = watched.steps if watched.calibrated else None
        self._range = None if steps is None else RangeSum(steps.range, steps.scale)

    def add(self, exact: dict[int, Array], variant: Inside) -> None:
        actual = variant.values(self._writes)
        if self._steps is not None:
            actual = self._steps.real(actual)
        self.noise.add(exact[self.reads], actual)
        if self._range is not None:
            self._range.add(exact[self.reads])

    def trace(self) -> Trace:
        return Trace(self.noise.decibels, None if self._range is None else self._range.use)


class _BranchSum:
    def __init__(self, branch: Branch, end: int, output: int) -> None:
        self.reads, self._branch, self._end, self._output = branch.exact, branch, end, output
        self._own, self._after = NoiseSum(), NoiseSum()
        self._answers: list[Array] = []

    def add(self, exact: dict[int, Array], file: Inside) -> None:
        self._own.add(exact[self.reads], file.values(self._branch.of(self.reads)))
        self._after.add(exact[self._end], file.values(self._branch.of(self._end)))
        self._answers.append(file.values(self._branch.of(self._output)).argmax(axis=1))

    def trace(self) -> AloneTrace:
        behind = self._end not in self._branch.copies  # as the softmax is
        return AloneTrace(
            decibels=self._own.decibels,
            end=(self._own if behind else self._after).decibels,
            answers=np.concatenate(self._answers).astype(np.int64),
        )
