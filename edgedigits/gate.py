"""What may pass: exports that were asked for and made, and variants that lost little enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edgedigits.compare import REFERENCE, Comparison, compare
from edgedigits.convert.edgetpu_compiler import EdgeTpuExport
from edgedigits.convert.export import ExportResult, choose_variants
from edgedigits.convert.qat import QatSettings
from edgedigits.convert.recipes import SLIM, Variant
from edgedigits.errors import ConversionError, QualityError, UsageError
from edgedigits.improvement import Improvement
from edgedigits.progress import SILENT, Progress
from edgedigits.run import RunFolder


@dataclass(frozen=True)
class ExportRequest:
    """What ``edgedigits export`` was asked for.

    Attributes:
        names: recipes by name. everything: also all recipes that run at speed.
        source: only of ``model``, ``pruned`` or ``channels``; None: of all that the run holds.
        slim: leave names and metadata out of the files.
        qat: how ``qat-int8`` is fine-tuned.
        max_drop: percentage points that a variant may lose on the validation part; None: any.
    """

    names: tuple[str, ...]
    everything: bool = False
    source: str | None = None
    slim: bool = False
    qat: QatSettings = field(default_factory=QatSettings)
    max_drop: float | None = None


def plan_export(run: RunFolder, request: ExportRequest) -> list[Variant]:
    """The variants to make, after everything that can be refused beforehand.

    Raises:
        UsageError: an option that does not fit, or a run that lacks what is asked for.
    """
    if request.qat.epochs < 1:
        raise UsageError(f"--qat-epochs {request.qat.epochs}: must be 1 or more")
    variants = choose_variants(
        run,
        list(request.names),
        everything=request.everything,
        source=request.source,
        slim=request.slim,
    )
    if request.max_drop is not None:
        check_limit(request.max_drop)
        made = {variant.name for variant in variants}
        if REFERENCE not in made and not run.export_file(REFERENCE).is_file():
            fix = "export --float32 without --slim first" if request.slim else "add --float32"
            raise UsageError(f"--max-drop: there is no float32 file to compare with; {fix}")
    return variants


def judge_export(
    run: RunFolder,
    request: ExportRequest,
    result: ExportResult,
    compiled: Iterable[EdgeTpuExport] = (),
    *,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> None:
    """Refuse an export that lacks a variant asked for by name, or lost too much accuracy.

    With ``--all``, a variant that this model does not allow is told and is no failure.

    Args:
        compiled: what became of the files for an Edge TPU.

    Raises:
        ConversionError: naming what could not be made or compiled. QualityError: as
            :func:`check_drop`.
    """
    grave = [
        failed.message
        for failed in result.failed
        if not request.everything
        or failed.variant.removesuffix(SLIM) in request.names
        or not result.exported
    ]
    grave += [export.error for export in compiled if export.error is not None]
    if grave:
        raise ConversionError("; ".join(grave))
    if request.max_drop is not None:
        made = {file.variant for file in result.exported}
        gate_exports(run, made, request.max_drop, data_dir=data_dir, progress=progress)


def check_drop(comparison: Comparison, max_drop: float) -> None:
    """Refuse variants that lost more than ``max_drop`` percentage points against float32.

    Raises:
        QualityError: naming each such variant and its drop.
        UsageError: no row has a drop, because there is no float32 variant.
    """
    check_limit(max_drop)
    drops = [(row, row.drop) for row in comparison.rows if row.drop is not None]
    if not drops:
        raise UsageError("--max-drop needs a float32 variant to compare with; export --float32 too")
    over = [f"{row.variant} lost {drop:.2f}" for row, drop in drops if not drop <= max_drop]
    if over:
        raise QualityError(
            f"more than {max_drop:g} points of accuracy lost on the {comparison.split} part "
            f"of {comparison.data}: {', '.join(over)}"
        )


def check_improvement(improvement: Improvement, max_drop: float | None = None) -> None:
    """Refuse a new run that got worse on the pictures the old one is tested by.

    Args:
        improvement: both runs, measured.
        max_drop: percentage points that a variant may lose; None: what chance may do, that is, a
            loss is refused where McNemar's test calls it real.

    Raises:
        QualityError: naming each such variant, what it lost, and how likely that is chance.
        UsageError: ``max_drop`` is below 0.
    """
    if max_drop is not None:
        check_limit(max_drop)
    over = [
        f"{row.variant} lost {-row.gain:.2f} points ({row.lost} pictures lost, {row.gained} "
        f"gained, p {row.mcnemar_p:.2g})"
        for row in improvement.before
        if (row.worse if max_drop is None else not -row.gain <= max_drop)
    ]
    if over:
        where = f"the {improvement.before[0].split} part of {improvement.before[0].data}"
        raise QualityError(
            f"{improvement.new}: worse than {improvement.old} on {where}: {', '.join(over)}; "
            "--allow-worse takes it nevertheless"
        )


def gate_exports(
    run: RunFolder,
    variants: set[str],
    max_drop: float,
    *,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> None:
    """Hold fresh exports against the run's float32 file on its validation part.

    Raises:
        QualityError, UsageError: as :func:`check_drop`.
    """
    if run.export_file(REFERENCE).is_file():
        variants = variants | {REFERENCE}
    comparison = compare(
        [run],
        split="validation",
        only=variants,
        latency=False,
        data_dir=data_dir,
        progress=progress,
    )
    check_drop(comparison, max_drop)


def check_limit(max_drop: float) -> None:
    """Raise UsageError where ``max_drop`` is no number of percentage points."""
    if not 0 <= max_drop < float("inf"):  # also refuses what is not a number
        raise UsageError(f"--max-drop {max_drop:g}: must be a number of percentage points from 0")
