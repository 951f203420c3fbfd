"""Write the results of a comparison into the run folders."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from edgedigits.calibration.make import load_calibration_set
from edgedigits.compare import Comparison
from edgedigits.data.dataset import Images, Pictures
from edgedigits.data.split import stratified_sample
from edgedigits.errors import MissingPackageError, RunError
from edgedigits.files import write_json
from edgedigits.improvement import Improvement
from edgedigits.progress import SILENT, Progress
from edgedigits.report.diagnosis_section import read_diagnosis
from edgedigits.report.documents import comparison_json, evaluation_json
from edgedigits.report.facts import RunFacts, read_run_facts
from edgedigits.report.page import write_report
from edgedigits.report.style import require_drawing
from edgedigits.run import RunFolder
from edgedigits.run_data import RunData, load_run_data

COMPARISON = "comparison.json"


def save_comparison(
    comparison: Comparison,
    runs: Sequence[RunFolder],
    folder: Path | None = None,
    *,
    improvement: Improvement | None = None,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Path | None:
    """Write ``comparison.json``, ``report.html`` and its pictures, and each evaluation as JSON.

    Without the extra ``report`` the JSON files are written, and the page's absence is said.

    Args:
        comparison: the results.
        runs: the runs compared; evaluations go to ``RUN/evaluations/VARIANT.json``, with
            ``-validation`` added for those on the validation part.
        folder: where the report goes; None: ``RUN/report`` of the first run.
        improvement: of the second run over the first, where that was asked for.
        data_dir: where downloaded data lies.
        progress: told of what is written.

    Returns:
        The page, or None where it could not be drawn.

    Raises:
        RunError, DataError: a record or the data cannot be read, or a folder cannot be written.
    """
    folder = runs[0].report if folder is None else folder
    suffix = "" if comparison.split == "test" else f"-{comparison.split}"
    for evaluation in comparison.evaluations:
        run = RunFolder(evaluation.file.parent.parent)
        document = evaluation_json(evaluation)
        write_json(run.evaluations / f"{evaluation.variant}{suffix}.json", document)
    write_json(folder / COMPARISON, comparison_json(comparison, improvement))

    try:
        require_drawing()
    except MissingPackageError as error:
        progress.say(f"no report page: {error}")
        return None
    facts: list[RunFacts] = []
    images: dict[str, Images] = {}
    for run in runs:
        data = load_run_data(run, data_dir=data_dir, progress=progress)
        facts.append(_facts(run, data))
        if not images:
            part = data.test if comparison.split == "test" else data.validation
            images = _evaluated(comparison, part)
    page = write_report(
        comparison, facts, folder, images=images, improvement=improvement, progress=progress
    )
    progress.say(f"written: {page}")
    return page


def _facts(run: RunFolder, data: RunData) -> RunFacts:
    calibration_images = None
    # The record is shown in any case; its pictures may have gone with the folder they came from.
    with contextlib.suppress(RunError):
        calibration_images = load_calibration_set(run, data).images
    return read_run_facts(run, calibration_images=calibration_images, diagnosis=read_diagnosis(run))


def _evaluated(comparison: Comparison, part: Pictures) -> dict[str, Images]:
    """The pictures behind each evaluation by digest: the whole part, or a slow variant's sample."""
    images: dict[str, Images] = {part.digest: part.images}
    for evaluation in comparison.evaluations:
        n = len(evaluation.truth)
        if evaluation.data_digest not in images and part.labels is not None and n < len(part):
            sample = part.take(stratified_sample(part.labels, n, 0))
            images[sample.digest] = sample.images
    return images
