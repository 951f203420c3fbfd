"""What a file does to the camera: readings of synthetic frames, held against their truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from edgedigits.data.dataset import Pictures
from edgedigits.device.classifier import Classifier
from edgedigits.device.opening import threshold_of
from edgedigits.device.reading import Reading
from edgedigits.device.recogniser import Found, Recogniser, find
from edgedigits.scenes import Conditions, Scene, conditions_for, hard_mix, make_scene
from edgedigits.scoring import Score, score_frame, total

SEED = 2026


def check_scenes(
    digits: Pictures, count: int, condition: str | None = None, *, seed: int = SEED
) -> Iterator[Scene]:
    """Frames to judge by, always the same ones.

    Args:
        digits: what they are written with, labelled; not what the file learnt from.
        count: how many.
        condition: one of ``scenes.CONDITIONS`` alone; None: two to five of them together.
        seed: of the frames.
    """
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        yield make_scene(rng, digits, _conditions(rng, condition))


def _conditions(rng: np.random.Generator, condition: str | None) -> Conditions:
    return hard_mix(rng) if condition is None else conditions_for(condition)


def score_reading(scene: Scene, reading: Reading) -> Score:
    """One frame's reading against its truth."""
    truth = [(digit.digit, digit.box) for digit in scene.digits]
    found = [(candidate.digit, candidate.box) for candidate in reading.digits]
    return score_frame(truth, found, list(scene.text), reading.text)


@dataclass(frozen=True, eq=False)
class FoundScene:
    """A frame in which candidates were found already, to be read with several files."""

    scene: Scene
    found: Found

    def score(self, recogniser: Recogniser) -> Score:
        """Read it, and hold the reading against the truth."""
        height, width = self.scene.image.shape[:2]
        return score_reading(self.scene, recogniser.read_found(self.found, width, height))


def found_scenes(digits: Pictures, count: int) -> tuple[FoundScene, ...]:
    """Frames of several conditions each, with what was found in them; arguments as above."""
    return tuple(FoundScene(scene, find(scene.image)) for scene in check_scenes(digits, count))


def check_camera(classifier: Classifier, scenes: Iterable[FoundScene]) -> Score:
    """Read every frame with a file, and add up what is right and wrong."""
    recogniser = Recogniser(classifier, threshold_of(classifier))
    return total(scene.score(recogniser) for scene in scenes)
