"""One HTML file that holds a whole comparison and opens anywhere, offline and without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgedigits import __version__
from edgedigits.compare import Comparison
from edgedigits.data.dataset import Images
from edgedigits.errors import MissingPackageError
from edgedigits.files import write_text
from edgedigits.improvement import Improvement
from edgedigits.progress import SILENT, Progress
from edgedigits.report.embedded import embed
from edgedigits.report.facts import RunFacts
from edgedigits.report.improvement import improvement_rows
from edgedigits.report.reading import by_run, reading, run_path
from edgedigits.report.sections import run_section, variant_section
from edgedigits.report.tables import comparison_notes, comparison_rows, measured_on
from edgedigits.report.tradeoff import draw_accuracy_against_bytes

PAGE = "report.html"
TEMPLATE = "report.html"


def write_report(
    comparison: Comparison,
    runs: Sequence[RunFacts],
    folder: Path,
    *,
    images: Mapping[str, Images] | None = None,
    improvement: Improvement | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Write ``report.html`` and its pictures.

    The pictures are files of the folder and, once more, inside the page, which needs nothing else.

    Args:
        comparison: the results.
        runs: the records of the runs compared.
        folder: where the files go; made if need be.
        images: the pictures evaluated, uint8 ``[n, 28, 28]``, by their digest
            (``Evaluation.data_digest``); variants without are shown without examples.
        improvement: an old run beside a new one, as a section of its own.
        progress: told of each variant.

    Returns:
        The page.

    Raises:
        MissingPackageError: matplotlib or jinja2 is not installed.
        RunError: the folder cannot be written.
    """
    template = _template()
    names = _names(comparison)
    tradeoff = embed(
        draw_accuracy_against_bytes(comparison, folder / "accuracy-against-bytes.png"),
        "Accuracy of every variant against the bytes of its file, with the Pareto line.",
    )
    known = {facts.path: facts for facts in runs}
    run_sections = [
        run_section(name, rows, known.get(run_path(rows[0])), folder)
        for name, rows in by_run(comparison).items()
    ]
    variants = []
    for i, evaluation in enumerate(comparison.evaluations):
        name = names[evaluation.file]
        progress.update("report", i, len(comparison.evaluations), name)
        variants.append(variant_section(name, evaluation, folder, images or {}))
    table = comparison_rows(comparison)
    page = template.render(
        title=f"{comparison.data}: accuracy against size",
        measured_on=measured_on(comparison),
        comparison=comparison,
        reading=reading(comparison),
        table=table,
        notes=comparison_notes(comparison),
        improvement=improvement,
        improvement_table=None if improvement is None else improvement_rows(improvement),
        tradeoff=tradeoff,
        runs=run_sections,
        variants=variants,
        version=__version__,
    )
    write_text(folder / PAGE, page)
    return folder / PAGE


def _template() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise MissingPackageError("writing the report", "report", "jinja2") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)


def _names(comparison: Comparison) -> dict[Path, str]:
    """What each file is called: its variant, with several runs after the run's name."""
    runs = by_run(comparison)
    return {
        row.file: f"{name} {row.variant}" if len(runs) > 1 else row.variant
        for name, rows in runs.items()
        for row in rows
    }
