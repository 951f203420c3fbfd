"""What a diagnosis found, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edgedigits.diagnose.measure import RangeUse


@dataclass(frozen=True)
class LayerError:
    """What quantising one layer does.

    Attributes:
        layer: its name in Keras; ``input`` for the rounding of the input. op: the operation in the
            file, its number: operation.
        sqnr_db: of what it writes in the variant, where all layers are quantised: the error that
            has gathered up to here, as signal-to-quantisation-noise ratio in dB.
        alone_db: the same with only this layer quantised: its own error.
        end_db: of the model's last values before the softmax, with only this layer quantised: what
            its error does to the answer.
        weights_db, worst_channel_db: of its weights, and of the output channel that keeps least;
            None for a layer without.
        accuracy_alone: with only this layer quantised, 0 to 1; drop_alone: percentage points lost;
            flips_alone: answers that change.
        range: its activations against the range that was calibrated; None where none was.
    """

    layer: str
    op: str
    operation: int
    sqnr_db: float
    alone_db: float
    end_db: float
    weights_db: float | None
    worst_channel_db: float | None
    accuracy_alone: float
    drop_alone: float
    flips_alone: int
    range: RangeUse | None


@dataclass(frozen=True)
class Flip:
    """A picture that the variant answers otherwise than the float model.

    Attributes:
        index: its place in the part. truth: its class. before, after: the float model's answer and
            the variant's; before_score, after_score: their scores, 0 to 1.
    """

    index: int
    truth: int
    before: int
    before_score: float
    after: int
    after_score: float


@dataclass(frozen=True)
class VariantDiagnosis:
    """One file against the float model.

    Attributes:
        variant, file, file_digest: which. reference: the float model it is held against.
        accuracy, reference_accuracy: 0 to 1. drop: percentage points lost.
        end_db: of the last values before the softmax, with all layers quantised.
        layers: in the file's order. flips: by index.
        notes: what the reader should know.
    """

    variant: str
    file: Path
    file_digest: str
    reference: str
    accuracy: float
    reference_accuracy: float
    drop: float
    end_db: float
    layers: tuple[LayerError, ...]
    flips: tuple[Flip, ...]
    notes: tuple[str, ...] = ()

    def worst(self) -> tuple[LayerError, ...]:
        """The layers, the one whose error does most to the answer first."""
        return tuple(sorted(self.layers, key=lambda layer: _order(layer.end_db)))


def _order(decibels: float) -> float:
    return -math.inf if math.isnan(decibels) else decibels


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found on one part of a data set.

    Attributes:
        data, split, n, data_digest: the pictures. class_names: of the data.
        variants: one a file.
    """

    data: str
    split: str
    n: int
    data_digest: str
    class_names: tuple[str, ...]
    variants: tuple[VariantDiagnosis, ...]
