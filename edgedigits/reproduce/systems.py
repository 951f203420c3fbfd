"""The five reference systems as data: what was published, and how each is trained here."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from edgedigits.errors import UsageError
from edgedigits.reproduce import published
from edgedigits.reproduce.published import Published
from edgedigits.train.settings import TrainSettings

THREE = (0, 1, 2)


@dataclass(frozen=True)
class Setting:
    """One way of training a system.

    Attributes:
        name: ``published``: as its authors did, whatever comes of it; ``ours``: the best that the
            same layers gave on the validation part.
        train: the settings; data and seed are filled in.
        seeds: one run each. about: one sentence.
        before: a training that goes before, whose weights it starts from, in a run of its own;
            None: it starts from random ones.
        teacher: the training of a model whose answers are learnt too, one run for all seeds; its
            seed chooses the validation part of them all. None: only labels are learnt.
    """

    name: str
    train: TrainSettings
    seeds: tuple[int, ...]
    about: str
    before: TrainSettings | None = None
    teacher: TrainSettings | None = None


@dataclass(frozen=True)
class System:
    """One reference system.

    Attributes:
        key: R1 to R5. name: in the model registry. data: the data set it is about.
        published: its authors' figures. settings: how it is trained, the one reported first last.
        as_csv: whether data goes through CSV files, which are explored, and predictions are
            written for one of them without labels.
        shrink: shares of filters and units removed, one after the other, on the way to the
            smallest file; empty: that is not looked for.
    """

    key: str
    name: str
    data: str
    published: Published
    settings: tuple[Setting, ...]
    as_csv: bool = False
    shrink: tuple[float, ...] = ()


SYSTEMS: tuple[System, ...] = (
    System(
        key="R1",
        name="alexnet-number",
        data="mnist",
        published=published.ALEXNET_NUMBER,
        settings=(
            Setting(
                "ours",
                TrainSettings(
                    "alexnet-number",
                    epochs=2,
                    batch_size=128,
                    learning_rate=0.0003,
                    schedule="cosine",
                    augment=True,
                    augment_strength=0.5,
                    precision="bfloat16",
                ),
                (0,),
                "Settings are not published. Six epochs on augmented pictures, then two more on "
                "pictures augmented half as far, from a lower learning rate.",
                before=TrainSettings(
                    "alexnet-number",
                    epochs=6,
                    batch_size=128,
                    learning_rate=0.001,
                    schedule="cosine",
                    augment=True,
                    precision="bfloat16",
                ),
            ),
        ),
        shrink=(0.875, 0.5),
    ),
    System(
        key="R2",
        name="fashion-cnn",
        data="fashion-mnist",
        published=published.FASHION_CNN,
        settings=(
            Setting(
                "published",
                TrainSettings("fashion-cnn", epochs=30, batch_size=32, learning_rate=0.005),
                THREE,
                "As published; the best epoch is kept, by validation.",
            ),
            Setting(
                "ours",
                TrainSettings(
                    "fashion-cnn",
                    epochs=45,
                    batch_size=64,
                    learning_rate=0.003,
                    schedule="cosine",
                    augment=True,
                    augment_strength=0.65,
                    precision="bfloat16",
                    normalise=True,
                ),
                THREE,
                "The same layers on pictures mirrored, moved and scaled, at a falling rate, with "
                "the answers of a larger model beside the labels.",
                teacher=TrainSettings(
                    "teacher-cnn",
                    epochs=25,
                    batch_size=128,
                    learning_rate=0.002,
                    schedule="cosine",
                    augment=True,
                    precision="bfloat16",
                ),
            ),
        ),
    ),
    System(
        key="R3",
        name="mnist-cnn",
        data="mnist",
        published=published.MNIST_CNN,
        settings=(
            Setting(
                "published",
                TrainSettings("mnist-cnn", epochs=10, batch_size=32),
                THREE,
                "As published; the best epoch is kept, by validation.",
            ),
            Setting(
                "ours",
                TrainSettings(
                    "mnist-cnn",
                    epochs=30,
                    batch_size=64,
                    learning_rate=0.0015,
                    schedule="cosine",
                    augment=True,
                    augment_strength=0.5,
                    precision="bfloat16",
                ),
                THREE,
                "The same layers on augmented pictures, at a falling rate.",
            ),
        ),
    ),
    System(
        key="R4",
        name="mnist-dense",
        data="mnist",
        published=published.MNIST_DENSE,
        settings=(
            Setting(
                "ours",
                TrainSettings(
                    "mnist-dense",
                    epochs=40,
                    batch_size=128,
                    learning_rate=0.002,
                    schedule="cosine",
                    augment=True,
                ),
                THREE,
                "Neither layers nor settings are published. Augmented pictures, a falling rate.",
            ),
        ),
    ),
    System(
        key="R5",
        name="alexnet-digits",
        data="mnist",
        published=published.ALEXNET_DIGITS,
        settings=(
            Setting(
                "ours",
                TrainSettings(
                    "alexnet-digits",
                    epochs=8,
                    batch_size=128,
                    learning_rate=0.001,
                    schedule="cosine",
                    augment=True,
                    augment_strength=0.5,
                    early_stopping=3,
                    precision="bfloat16",
                ),
                (0,),
                "Early stopping on the validation part, as published; the rest is ours.",
            ),
        ),
        as_csv=True,
    ),
)


def find_systems(names: list[str], *, everything: bool = False) -> tuple[System, ...]:
    """Systems by name or key, in the order of ``SYSTEMS``.

    Raises:
        UsageError: no name and not everything, both, or a name that is none of the five.
    """
    known = {system.name: system for system in SYSTEMS} | {s.key.lower(): s for s in SYSTEMS}
    listed = ", ".join(system.name for system in SYSTEMS)
    if everything and names:
        raise UsageError("--all reproduces every system; leave the names out")
    if not everything and not names:
        raise UsageError(f"nothing to reproduce: name one or more of {listed}, or add --all")
    for name in names:
        if name.lower() not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {listed}"
            raise UsageError(f"no reference system is called {name}: {hint}")
    wanted = {known[name.lower()].key for name in names}
    return tuple(system for system in SYSTEMS if everything or system.key in wanted)
