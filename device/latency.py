"""Latency of one picture at a time; several models take short turns on the same machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedigits.device.classifier import Classifier

ROUNDS = 10
ROUND_SECONDS = 0.02  # a model's turn
WARM_UP = 5  # calls before the first turn that do not count
LEAST_CALLS = 3  # a turn, however slow the model


@dataclass(frozen=True)
class Latency:
    """Microseconds from setting the input to holding the output, at batch 1.

    Attributes:
        p50_us, p95_us: over all calls. calls: how many there were.
        round_p50_us: median of each round; two models measured together are best held against each
            other round by round.
    """

    p50_us: float
    p95_us: float
    calls: int
    round_p50_us: tuple[float, ...]


def measure_latency(
    classifiers: list[Classifier],
    images: NDArray[np.uint8],
    *,
    rounds: int = ROUNDS,
    round_seconds: float = ROUND_SECONDS,
) -> list[Latency]:
    """Measure models in interleaved rounds.

    Args:
        classifiers: the models; each is set to batch 1 where it allows that.
        images: uint8 ``[n, 28, 28]``, real pictures to run on, in turn.
        rounds: turns of each model. round_seconds: a turn's length.

    Returns:
        One Latency a model, in the same order.
    """
    inputs = []
    for classifier in classifiers:
        classifier.interpreter.set_batch(1)
        values = classifier.inputs(images)
        batch = classifier.interpreter.batch  # 1, but for a model that allows no other than its own
        inputs.append([np.repeat(values[i : i + 1], batch, axis=0) for i in range(len(values))])
        for _ in range(WARM_UP):
            classifier.interpreter.run(inputs[-1][0])
    calls: list[list[NDArray[np.float64]]] = [[] for _ in classifiers]
    for _ in range(rounds):
        for classifier, pictures, own in zip(classifiers, inputs, calls, strict=True):
            own.append(_turn(classifier, pictures, round_seconds))
    return [_summary(own) for own in calls]


def _turn(
    classifier: Classifier, pictures: list[NDArray[np.generic]], seconds: float
) -> NDArray[np.float64]:
    run = classifier.interpreter.run
    clock = time.perf_counter
    times: list[float] = []
    end = clock() + seconds
    while clock() < end or len(times) < LEAST_CALLS:
        picture = pictures[len(times) % len(pictures)]
        start = clock()
        run(picture)
        times.append(clock() - start)
    return np.asarray(times) * 1e6


def _summary(turns: list[NDArray[np.float64]]) -> Latency:
    every = np.concatenate(turns)
    return Latency(
        p50_us=float(np.percentile(every, 50)),
        p95_us=float(np.percentile(every, 95)),
        calls=len(every),
        round_p50_us=tuple(float(np.median(turn)) for turn in turns),
    )
