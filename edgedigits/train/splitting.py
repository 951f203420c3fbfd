"""Which pictures a training is validated by: none that anything it starts from has learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgedigits.data.dataset import DataSet
from edgedigits.errors import UsageError
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder
from edgedigits.run_data import Split, choose_split, load_split
from edgedigits.train.distillation import teacher_runs, teachers_split
from edgedigits.train.finetuning import old_split
from edgedigits.train.settings import Plan
from edgedigits.train.starting import init_file


def split_for(made: Plan, dataset: DataSet, progress: Progress = SILENT) -> Split:
    """How the data is divided: as for the run that is fine-tuned, the teachers, or the run that
    the weights come from; by the seed where there is none.

    Raises:
        UsageError: teachers were trained on other data or parts of it than each other or than the
            run that the weights come from.
        RunError: such a run is damaged.
        DataError: the data cannot be divided.
    """
    if made.finetune is not None:
        return old_split(made, dataset, progress)
    first = None if made.init is None else _of_init(made.init, dataset)
    if made.teacher is not None:
        split = teachers_split(teacher_runs(made.teacher), dataset)
        if first is not None and not np.array_equal(first.validation, split.validation):
            raise UsageError(
                f"--init {made.init}: has learnt pictures that --teacher {made.teacher} is "
                "validated by; start from a run with that --teacher or that --seed"
            )
        return split
    if first is not None:
        progress.say(f"validated by the same pictures as {made.init}, which it starts from")
        return first
    return choose_split(dataset, made.validation, made.seed)


def _of_init(init: str, dataset: DataSet) -> Split | None:
    """That of a run that learnt from the same data; None: a file, or other data."""
    run = RunFolder(init_file(init).parent)
    if not Path(init).is_dir() or not run.manifest_file.is_file():
        return None
    same = run.manifest().get("data", {}).get("digest") == dataset.digest
    return load_split(run) if same else None
