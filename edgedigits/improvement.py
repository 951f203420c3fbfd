"""An old run's files beside a new run's, on the old pictures and on crops that neither learnt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedigits.compare import Comparison
from edgedigits.data.crops import for_classes, holds_crops, load_crops
from edgedigits.data.dataset import Pictures
from edgedigits.device.classifier import Classifier
from edgedigits.errors import DataError, UsageError
from edgedigits.evaluate import Evaluation, Part, answer
from edgedigits.metrics import SIGNIFICANT, compare_paired, wilson_interval
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.run_crops import load_run_crops, without

CROPS = "held-out crops"


@dataclass(frozen=True)
class ImprovementRow:
    """One variant of both runs on one set of pictures.

    Attributes:
        variant: as in both runs. data, split: the pictures; n: how many.
        old_accuracy, new_accuracy: shares of 1, each with its 95 % Wilson interval.
        gain: accuracy gained, in percentage points, with its 95 % interval for paired answers.
        lost, gained: pictures that only the old file, only the new one got right.
        mcnemar_p: two-sided, of McNemar's exact test. agreement: share of same answers.
    """

    variant: str
    data: str
    split: str
    n: int
    old_accuracy: float
    old_low: float
    old_high: float
    new_accuracy: float
    new_low: float
    new_high: float
    gain: float
    gain_low: float
    gain_high: float
    lost: int
    gained: int
    mcnemar_p: float
    agreement: float

    @property
    def worse(self) -> bool:
        """Whether the new file is worse, beyond what chance makes of as many pictures."""
        return self.gain < 0 and self.mcnemar_p < SIGNIFICANT


@dataclass(frozen=True)
class Improvement:
    """What a new run gained and lost.

    Attributes:
        old, new: the runs' folders. crops: the folder of crops.
        before: rows on the pictures that both runs are tested by. unseen: the same variants on
            held-out crops. notes: what the reader should know.
    """

    old: Path
    new: Path
    crops: Path
    before: tuple[ImprovementRow, ...]
    unseen: tuple[ImprovementRow, ...]
    notes: tuple[str, ...]


def check_crops(runs: list[RunFolder], folder: Path) -> None:
    """Refuse what :func:`measure_improvement` would, before the long work.

    Raises:
        UsageError: not two runs, or no folder of crops.
    """
    if len(runs) != 2:
        raise UsageError(
            f"--crops holds an old run against a new one: name two runs, not {len(runs)}"
        )
    if not folder.is_dir() or not holds_crops(folder):
        raise UsageError(f"--crops {folder}: is no folder of crops; see 'edgedigits label --help'")


def measure_improvement(
    runs: list[RunFolder], comparison: Comparison, folder: Path, progress: Progress = SILENT
) -> Improvement:
    """Hold each variant of an old run against the same variant of a new one.

    Args:
        runs: the old run and the new one. comparison: of these two.
        folder: of labelled crops; of those held out, what either run learnt is left out.

    Raises:
        UsageError: as :func:`check_crops`; or no variant that both have, or of other classes.
        DataError: there are no held-out crops with a label.
    """
    check_crops(runs, folder)
    old, new = ({e.variant: e for e in _of(run, comparison)} for run in runs)
    common = [variant for variant in old if variant in new]
    if not common:
        raise UsageError(
            f"{runs[1].path}: has no variant that {runs[0].path} has too; there is "
            f"{', '.join(new)} and {', '.join(old)}"
        )
    part = _held_out(runs, folder, next(iter(old.values())).class_names, progress)
    before: list[ImprovementRow] = []
    unseen: list[ImprovementRow] = []
    for variant in common:
        progress.update("crops", len(before), len(common), variant)
        pair = old[variant], new[variant]
        before.append(
            _row(variant, comparison.data, comparison.split, pair[0].truth, _scores(pair))
        )
        truth = part.pictures.labels
        assert truth is not None
        answers = [answer(Classifier(one.file), part).scores for one in pair]
        unseen.append(_row(variant, part.data, part.split, truth, (answers[0], answers[1])))
    return Improvement(
        old=runs[0].path,
        new=runs[1].path,
        crops=folder,
        before=tuple(before),
        unseen=tuple(unseen),
        notes=part.notes,
    )


def _of(run: RunFolder, comparison: Comparison) -> list[Evaluation]:
    return [one for one in comparison.evaluations if one.file.parent.parent == run.path]


def _scores(pair: tuple[Evaluation, Evaluation]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    old, new = pair
    if len(old.truth) != len(new.truth):
        raise UsageError(f"{new.file}: was run on other pictures than {old.file}")
    if old.scores.shape[1] != new.scores.shape[1]:
        raise UsageError(
            f"{new.file}: answers {new.scores.shape[1]} classes, {old.file} "
            f"{old.scores.shape[1]}; they cannot be held against each other"
        )
    return old.scores, new.scores


def _held_out(
    runs: list[RunFolder], folder: Path, class_names: tuple[str, ...], progress: Progress
) -> Part:
    crops = for_classes(load_crops(folder, str(folder), progress), class_names)
    if crops.test is None:
        raise DataError(f"{folder}: no labelled crop is among those held out; label some more")
    unseen: Pictures = crops.test
    for run in runs:
        learnt = load_run_crops(run)
        for part in () if learnt is None else (learnt.train, learnt.choosing):
            unseen = without(unseen, part)
    if not len(unseen):
        raise DataError(f"{folder}: the runs learnt every crop that is held out; label some more")
    notes = crops.notes
    if left := len(crops.test) - len(unseen):
        notes += (f"{left:,} held-out crops were left out, as a run has learnt them",)
    return replace(Part(unseen, class_names, folder.name, CROPS), notes=notes)


def _row(
    variant: str,
    data: str,
    split: str,
    truth: NDArray[np.int64],
    scores: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> ImprovementRow:
    pair = compare_paired(truth, *scores)
    rights = [int((one.argmax(axis=1) == truth).sum()) for one in scores]
    old, new = (wilson_interval(right, len(truth)) for right in rights)
    return ImprovementRow(
        variant=variant,
        data=data,
        split=split,
        n=len(truth),
        old_accuracy=rights[0] / len(truth),
        old_low=old[0],
        old_high=old[1],
        new_accuracy=rights[1] / len(truth),
        new_low=new[0],
        new_high=new[1],
        gain=-pair.drop,
        gain_low=-pair.drop_high,
        gain_high=-pair.drop_low,
        lost=pair.lost,
        gained=pair.gained,
        mcnemar_p=pair.mcnemar_p,
        agreement=pair.agreement,
    )
