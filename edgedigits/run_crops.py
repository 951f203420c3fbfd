"""The crops that a run was fine-tuned on, kept with it: their folder goes on changing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgedigits.data.dataset import Pictures
from edgedigits.data.split import picture_digests
from edgedigits.errors import RunError
from edgedigits.files import DAMAGED_NPZ, atomic_path
from edgedigits.run import RunFolder


@dataclass(frozen=True, eq=False)
class RunCrops:
    """Labelled crops of a run, numbered as its classes; none of them is for testing.

    Attributes:
        train: what the model learns from. choosing: what the best epoch is chosen by; may be empty.
        origin: the folder they came from.
    """

    train: Pictures
    choosing: Pictures
    origin: str

    def save(self, run: RunFolder) -> None:
        """Write ``crops.npz``. Raises RunError where it cannot be written."""
        with atomic_path(run.crops_file) as temporary:
            np.savez_compressed(
                temporary,
                x_train=self.train.images,
                y_train=_labels(self.train),
                x_choosing=self.choosing.images,
                y_choosing=_labels(self.choosing),
            )

    def record(self) -> dict[str, Any]:
        """What ``run.json`` says of them."""
        return {
            "origin": self.origin,
            "train": len(self.train),
            "choosing": len(self.choosing),
            "labels": np.bincount(_labels(self.train)).tolist(),
            "train_digest": self.train.digest,
            "choosing_digest": self.choosing.digest,
        }


def load_run_crops(run: RunFolder) -> RunCrops | None:
    """The crops of a run; None where it was not fine-tuned.

    Raises:
        RunError: they are missing, damaged, or not those recorded.
    """
    record = run.manifest().get("crops")
    if not isinstance(record, dict):
        return None
    try:
        with np.load(run.crops_file, allow_pickle=False) as stored:
            train, choosing = (
                Pictures(
                    np.asarray(stored[f"x_{part}"], np.uint8),
                    np.asarray(stored[f"y_{part}"], np.int64),
                )
                for part in ("train", "choosing")
            )
        recorded = (record["train_digest"], record["choosing_digest"])
    except DAMAGED_NPZ as error:
        raise RunError(f"{run.crops_file}: missing or damaged; fine-tune again") from error
    if (train.digest, choosing.digest) != recorded:
        raise RunError(f"{run.crops_file}: not the crops this run was made with; fine-tune again")
    return RunCrops(train, choosing, str(record.get("origin")))


def joined(first: Pictures, second: Pictures) -> Pictures:
    """Labelled pictures one after the other."""
    return Pictures(
        np.concatenate([first.images, second.images]),
        np.concatenate([_labels(first), _labels(second)]),
    )


def without(pictures: Pictures, others: Pictures) -> Pictures:
    """Those whose pixels are not also among others."""
    known = set(picture_digests(others.images))
    new = [digest not in known for digest in picture_digests(pictures.images)]
    return pictures.take(np.flatnonzero(new))


def _labels(pictures: Pictures) -> Any:
    assert pictures.labels is not None
    return pictures.labels
