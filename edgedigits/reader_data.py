"""What a reader learns from: digits, what is none, and what the finder cuts out of frames.

The data set has two classes more than the digits. "Not a digit": drawn symbols and spoilt digits,
and whatever the device's own finder takes for a digit in synthetic camera frames and is none.
"Several digits": digits that touch, which tells them from letters that could be cut into digits.
Digits cut out of the same frames show the model what paper, light and camera do to ink.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.crop_labels import BEYOND
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.device.finder.hypotheses import VISIBLE, Hypothesis
from edgedigits.device.reading import DIGITS, SEVERAL, Box
from edgedigits.device.recogniser import find
from edgedigits.errors import DataError, UsageError
from edgedigits.files import atomic_path
from edgedigits.negatives import JOINED, Negatives, make_negatives
from edgedigits.preprocess import extent
from edgedigits.progress import SILENT, Progress
from edgedigits.scenes import Scene, hard_mix, make_scene
from edgedigits.scoring import overlap
from edgedigits.styles import other_styles
from edgedigits.wear import worn

NOT_A_DIGIT, NAMES = DIGITS, BEYOND
NEGATIVES, SCENES = 30_000, 3_000
SAME, OTHER = 0.7, 0.35  # overlap with a true box from which, and up to which, the label is clear
UPRIGHT = 1.8  # height to width from which on a stroke can look like a 1
KEPT = 0.5  # share of the candidates of frames that are none
INSIDE = 0.6  # of a true box: a candidate that holds so much of two digits is none
WHOLE, REST = 0.85, 0.2  # of true boxes: several digits hold all of some and nearly none of others

U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class ReaderData:
    """What was written.

    Attributes:
        file: an ``.npz`` that every command takes as DATA.
        digits, negatives: pictures of digits and of anything else in the training part.
        from_scenes: how many of them were cut out of frames.
        test_digits, test_negatives: the same of the test part.
    """

    file: Path
    digits: int
    negatives: int
    from_scenes: int
    test_digits: int
    test_negatives: int


def write_reader_data(
    dataset: DataSet,
    file: Path,
    *,
    negatives: int = NEGATIVES,
    scenes: int = SCENES,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> ReaderData:
    """Write a data set of digits, an eleventh class, not a digit, and a twelfth, several digits.

    Nothing of the test part is made of training digits.

    Args:
        dataset: digits 0 to 9, with a test part.
        file: the ``.npz`` to write.
        negatives: drawn symbols and spoilt digits; a tenth as many go to the test part. A fifth as
            many digits in other styles of writing are added to the training part, and as many
            worn copies of digits, with a quarter as many of the others.
        scenes: synthetic frames whose candidates are added to the training part.
        seed: of everything random.
        overwrite: whether the file may be there already.
        progress: told of every frame.

    Raises:
        UsageError: the file is there, or its name does not end in .npz; a number below 0.
        DataError: the data has no labels, no test part, or other classes than ten digits.
        RunError: the file cannot be written.
    """
    train, test = _checked(dataset)
    _check_options(file, negatives, scenes, seed, overwrite)
    rng = np.random.default_rng([seed, 0])
    styled = other_styles(np.random.default_rng([seed, 3]), negatives // 5, train)
    drawn = make_negatives(rng, negatives, train)
    written = Pictures(*_joined((train, styled)))
    cut = cut_from_scenes(written, scenes, seed, progress)
    old = _worn(np.random.default_rng([seed, 4]), written, _none(drawn), negatives)
    test_drawn = make_negatives(np.random.default_rng([seed, 1]), negatives // 10, test)
    x_train, y_train = _joined((train, styled, _none(drawn), old, cut))
    x_test, y_test = _joined((test, _none(test_drawn)))
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            x_train=x_train,
            y_train=y_train,
            x_test=x_test,
            y_test=y_test,
            class_names=np.array([*dataset.class_names, *NAMES]),
        )
    return ReaderData(
        file=file,
        digits=int((y_train < NOT_A_DIGIT).sum()),
        negatives=int((y_train >= NOT_A_DIGIT).sum()),
        from_scenes=len(cut),
        test_digits=int((y_test < NOT_A_DIGIT).sum()),
        test_negatives=int((y_test >= NOT_A_DIGIT).sum()),
    )


def _checked(dataset: DataSet) -> tuple[Pictures, Pictures]:
    train, test = dataset.train, dataset.test
    if test is None or test.labels is None or train.labels is None:
        raise DataError(f"{dataset.name}: needs labels and a test part of its own; use mnist")
    if len(dataset.class_names) != NOT_A_DIGIT:
        raise DataError(
            f"{dataset.name}: has {len(dataset.class_names)} classes; a reader learns ten digits"
        )
    return train, test


def _check_options(file: Path, negatives: int, scenes: int, seed: int, overwrite: bool) -> None:
    if file.suffix != ".npz":
        raise UsageError(f"--out {file}: must end in .npz")
    if file.exists() and not overwrite:
        raise UsageError(f"{file}: already exists; add --overwrite, or name another --out")
    for option, value in (("negatives", negatives), ("scenes", scenes), ("seed", seed)):
        if value < 0:
            raise UsageError(f"--{option} is {value}; it must be 0 or more")


def _worn(rng: np.random.Generator, digits: Pictures, others: Pictures, count: int) -> Pictures:
    """Copies of some digits, and a quarter as many of what is none, as coarse scanners see them."""
    images, labels = _joined(
        (
            digits.take(rng.integers(len(digits), size=count)),
            others.take(rng.integers(len(others), size=count // 4 if len(others) else 0)),
        )
    )
    return Pictures(worn(rng, images), labels)


def _none(made: Negatives) -> Pictures:
    return Pictures(made.images, np.where(made.kinds == JOINED, SEVERAL, NOT_A_DIGIT))


def _joined(parts: tuple[Pictures, ...]) -> tuple[U8, NDArray[np.int64]]:
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts if part.labels is not None])
    return images, labels


def cut_from_scenes(
    digits: Pictures, count: int, seed: int, progress: Progress = SILENT
) -> Pictures:
    """What the finder cuts out of synthetic frames, with the label of the truth.

    Args:
        digits: what the frames are written with. count: frames. seed: of the frames.
        progress: told of every frame.

    Returns:
        All digits and several digits; of what is none every second, as there is much more of it,
        and nothing that could be a 1.
    """
    images: list[U8] = []
    labels: list[int] = []
    for number in range(count):
        rng = np.random.default_rng([seed, 2, number])
        scene = make_scene(rng, digits, hard_mix(rng))
        for hypothesis in find(scene.image).hypotheses:
            label = true_label(hypothesis, scene)
            if label == NOT_A_DIGIT and (rng.random() > KEPT or _upright(hypothesis.crop)):
                continue
            if label is not None:
                images.append(hypothesis.crop)
                labels.append(label)
        if number % 10 == 9:
            progress.update("cutting digits out of frames", number + 1, count)
    if not images:
        return Pictures(np.empty((0, 28, 28), np.uint8), np.empty(0, np.int64))
    return Pictures(np.stack(images), np.array(labels, np.int64))


def true_label(hypothesis: Hypothesis, scene: Scene) -> int | None:
    """A candidate's digit, ``NOT_A_DIGIT``, ``SEVERAL``, or None where one could argue."""
    inside = [_inside(digit.box, hypothesis.box) for digit in scene.digits]
    if sum(share >= INSIDE for share in inside) > 1:
        clear = all(share >= WHOLE or share <= REST for share in inside)
        return SEVERAL if clear else NOT_A_DIGIT
    overlaps = [(overlap(hypothesis.box, digit.box), digit.digit) for digit in scene.digits]
    most, digit = max(overlaps, default=(0.0, 0))
    if most >= SAME:
        return digit
    box = hypothesis.box
    # The stem of a 4 is a 1 by itself; what it belongs to is for the choice of readings to tell.
    if box.h > UPRIGHT * box.w and any(_inside(box, digit.box) >= INSIDE for digit in scene.digits):
        return None
    return NOT_A_DIGIT if most <= OTHER else None


def _upright(crop: U8) -> bool:
    """Whether it could be a 1: the stem of a 4 or an N is one to who sees nothing else.

    What it belongs to is for the choice among readings to tell, and no lesson for the model.
    """
    _, _, width, height = extent(crop, VISIBLE)
    return height > UPRIGHT * width


def _inside(box: Box, outer: Box) -> float:
    """The share of a box that lies in another."""
    wide = min(box.x + box.w, outer.x + outer.w) - max(box.x, outer.x)
    high = min(box.y + box.h, outer.y + outer.h) - max(box.y, outer.y)
    return max(0, wide) * max(0, high) / (box.w * box.h)
