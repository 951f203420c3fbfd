"""What a model sees of the training pictures: shuffled and changed, epoch by epoch, in steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgedigits.augment import Augmentation, augment
from edgedigits.data.dataset import Pictures
from edgedigits.model_input import Range, Shape, model_input
from edgedigits.train.averaging import PICTURES

if TYPE_CHECKING:
    from edgedigits.train.lessons import Lessons

AUGMENTED_AT_ONCE = 256  # pictures; one call costs about 0.4 ms beside its pictures

Picked = Callable[[int], NDArray[np.int64]]  # from an epoch to positions of pictures


def training_batches(
    pictures: Pictures,
    *,
    batch_size: int,
    epochs: range,
    seed: int,
    augmentation: Augmentation | None,
    input_shape: Shape,
    input_range: Range,
    targets: NDArray[np.float32] | None = None,
    lessons: Lessons | None = None,
    picked: Picked | None = None,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64] | NDArray[np.float32]]]:
    """All steps of some epochs, each epoch in an order that follows from seed and epoch alone.

    Yields:
        float32 ``[b, *input_shape]`` and int64 ``[b]``, the labels, or float32 ``[b, classes]``,
        the targets; the last step of an epoch may be smaller. Lessons are used as they are, one
        view an epoch, in place of pictures, augmentation and targets.
    """
    labels = pictures.labels
    assert labels is not None
    together = batch_size * max(1, AUGMENTED_AT_ONCE // batch_size)
    for epoch in epochs:
        view = 0 if lessons is None else (epoch - 1) % len(lessons.images)
        # read at once: picked one by one from a file that the system does not keep, they cost more
        source = pictures.images if lessons is None else np.array(lessons.images[view])
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(pictures) if picked is None else picked(epoch))
        for start in range(0, len(order), together):
            chosen = order[start : start + together]
            images = source[chosen]
            wanted: NDArray[np.int64] | NDArray[np.float32]
            if lessons is not None:
                wanted = lessons.targets(view, chosen)
            else:
                wanted = labels[chosen] if targets is None else targets[chosen]
                if augmentation is not None:
                    images = augment(images, rng, augmentation)
            for step in range(0, len(chosen), batch_size):
                part = slice(step, step + batch_size)
                yield model_input(images[part], input_shape, input_range), wanted[part]


def statistics_inputs(
    pictures: Pictures,
    *,
    seed: int,
    augmentation: Augmentation | None,
    input_shape: Shape,
    input_range: Range = (0.0, 1.0),
) -> NDArray[np.float32]:
    """What :func:`edgedigits.train.averaging.averaged` measures on: float32 ``[n, *input_shape]``.

    The first of the pictures in the order and the changes of an epoch before the first.
    """
    batches = training_batches(
        pictures,
        batch_size=PICTURES,
        epochs=range(1),
        seed=seed,
        augmentation=augmentation,
        input_shape=input_shape,
        input_range=input_range,
    )
    return next(batches)[0]
