"""The smallest file of the same architecture: channels go, the rest is retrained, again and again.

Each step prunes what the step before left, in a run folder of its own. Which file is the smallest
that is still good enough is decided on the validation part. A tenth of a point is six of 6,000
pictures there, so the test part then confirms the choice or, failing that, the next larger file.
The chain of steps is part of a reference system's page; ``edgedigits shrink`` finds its own way.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgedigits.compare import Comparison, compare
from edgedigits.convert.export import choose_variants
from edgedigits.metrics import PairedComparison, compare_paired
from edgedigits.progress import SILENT, Progress
from edgedigits.prune import PruneSettings, prune
from edgedigits.reproduce.one_run import export_missing
from edgedigits.run import RunFolder
from edgedigits.shrink import Limit
from edgedigits.train import import_model

RECIPES = ("int8", "int4")
MAX_DROP = 0.1  # percentage points against float32, on the validation part
LIMIT = Limit(max_drop=MAX_DROP)
EPOCHS = 12  # of retraining a step
BATCH_SIZE = 128
AUGMENT_STRENGTH = 0.5  # narrow networks underfit at full strength


@dataclass(frozen=True)
class SmallFile:
    """One small file.

    Attributes:
        step: 1 for the first pruning. variant: its name. parameters, macs: of its Keras model.
        bytes: of the file. latency_us_p50: microseconds, in turn with the large files.
        validation_drop: percentage points against the large float32 file, on the validation part.
        test: held against the large float32 file on the test part.
        test_accuracy: 0 to 1.
    """

    step: int
    variant: str
    parameters: int
    macs: int
    bytes: int
    latency_us_p50: float
    validation_drop: float
    test_accuracy: float
    test: PairedComparison


@dataclass(frozen=True)
class Shrinking:
    """All small files, and the smallest that lost no more than ``max_drop`` on validation.

    Attributes:
        files: in the order they were made. chosen: one of them; None where none is good enough.
        confirmed: the smallest that loses no more than ``max_drop`` on the test part either.
        sparsities: share of filters and units removed at each step.
        float32_bytes, float32_us: of the large float32 file; int8_bytes, int8_us: of its int8 file;
            latencies in microseconds, measured in the same rounds.
    """

    files: tuple[SmallFile, ...]
    chosen: SmallFile | None
    confirmed: SmallFile | None
    sparsities: tuple[float, ...]
    max_drop: float
    float32_bytes: int
    float32_us: float
    int8_bytes: int
    int8_us: float


def shrink(
    run: RunFolder,
    sparsities: Sequence[float],
    *,
    epochs: int = EPOCHS,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Shrinking:
    """Prune channels step by step, export int8 and int4 of each step, and choose.

    Args:
        run: a finished run with its float32 and int8 files.
        sparsities: share of filters and units to remove at each step, of what is left.
        epochs: of retraining after each step.
        data_dir: where downloaded data lies.
        progress: told of every step.

    Raises:
        EdgedigitsError: as pruning, export and comparison.
    """
    steps = []
    before = run.model_file()
    for number, sparsity in enumerate(sparsities, start=1):
        small = _step(run, number, before, sparsity, epochs, data_dir, progress)
        steps.append(small)
        before = small.model_file("channels")
    compared = [run, *steps]
    only = {"float32", "int8", *(f"channels-{recipe}" for recipe in RECIPES)}
    validation = compare(
        compared, split="validation", only=only, latency=False, data_dir=data_dir, progress=progress
    )
    test = compare(compared, only=only, data_dir=data_dir, progress=progress)
    files = [
        file
        for number, small in enumerate(steps, start=1)
        for file in _files(small, number, run, validation, test)
    ]
    good = [file for file in files if LIMIT.allows(file.validation_drop, file.bytes)]
    large = {row.variant: row for row in test.rows if row.run == run.name}
    return Shrinking(
        files=tuple(files),
        chosen=_smallest(good),
        confirmed=_smallest([file for file in good if LIMIT.allows(file.test.drop, file.bytes)]),
        sparsities=tuple(sparsities),
        max_drop=MAX_DROP,
        float32_bytes=large["float32"].bytes,
        float32_us=large["float32"].latency_us_p50,
        int8_bytes=large["int8"].bytes,
        int8_us=large["int8"].latency_us_p50,
    )


def _smallest(files: list[SmallFile]) -> SmallFile | None:
    return min(files, key=lambda file: file.bytes, default=None)


def _step(
    run: RunFolder,
    number: int,
    before: Path,
    sparsity: float,
    epochs: int,
    data_dir: Path | None,
    progress: Progress,
) -> RunFolder:
    small = RunFolder(run.path.with_name(f"{run.name}-shrunk{number}"))
    if not small.model_file("channels").is_file():
        record = run.manifest()["data"]
        progress.say(f"shrinking, step {number}: {before} loses {100 * sparsity:g} % of its width")
        import_model(
            before,
            record["location"] or record["name"],
            small.path,
            seed=int(run.manifest()["seed"]),
            data_dir=data_dir,
            overwrite=True,
            progress=progress,
        )
        shutil.rmtree(small.path.with_name(f"{small.name}.previous"), ignore_errors=True)
        settings = PruneSettings(
            "channels",
            sparsity,
            epochs=epochs,
            batch_size=BATCH_SIZE,
            augment=True,
            augment_strength=AUGMENT_STRENGTH,
        )
        prune(small, settings, data_dir=data_dir, progress=progress)
    variants = choose_variants(small, list(RECIPES), everything=False, source="channels")
    export_missing(small, variants, data_dir, progress)
    return small


def _files(
    small: RunFolder, number: int, run: RunFolder, validation: Comparison, test: Comparison
) -> list[SmallFile]:
    after = small.manifest()["pruning"]["channels"]["after"]
    rows = {row.file: row for row in test.rows}
    found = []
    for recipe in RECIPES:
        file = small.export_file(f"channels-{recipe}")
        if not file.is_file():
            continue
        on_validation, on_test = (_paired(part, run, file) for part in (validation, test))
        row = rows[file]
        found.append(
            SmallFile(
                step=number,
                variant=row.variant,
                parameters=after["parameters"],
                macs=after["macs"],
                bytes=row.bytes,
                latency_us_p50=row.latency_us_p50,
                validation_drop=on_validation.drop,
                test_accuracy=row.accuracy,
                test=on_test,
            )
        )
    return found


def _paired(comparison: Comparison, run: RunFolder, file: Path) -> PairedComparison:
    """A small file's answers beside those of the large float32 file."""
    by_file = {evaluation.file: evaluation for evaluation in comparison.evaluations}
    large, small = by_file[run.export_file("float32")], by_file[file]
    return compare_paired(small.truth, large.scores, small.scores)
