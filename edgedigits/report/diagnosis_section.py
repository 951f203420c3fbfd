"""What a run's last diagnosis says, for the HTML page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgedigits.diagnose import Diagnosis
from edgedigits.files import file_digest, read_json
from edgedigits.report.diagnosis import diagnosis_of, flip_rows, layer_rows, verdict
from edgedigits.report.diagnosis_pictures import DIAGNOSIS, flips_picture, layers_picture
from edgedigits.report.embedded import Picture, embed
from edgedigits.report.rows import Table, pictures
from edgedigits.run import RunFolder


@dataclass(frozen=True)
class DiagnosedVariant:
    """One variant: its sentence, tables and pictures."""

    title: str
    verdict: str
    layers: Table
    flips: Table | None
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class DiagnosisSection:
    """A diagnosis: what it was made on, and the variants."""

    line: str
    variants: tuple[DiagnosedVariant, ...]


def read_diagnosis(run: RunFolder) -> Diagnosis | None:
    """The run's diagnosis of the files that it holds now; None where there is none.

    Raises:
        RunError: the record is damaged.
    """
    path = run.diagnosis / DIAGNOSIS
    if not path.is_file():
        return None
    diagnosis = diagnosis_of(read_json(path, "a diagnosis"), path)
    present = {
        file.stem: file_digest(file)
        for file in run.exports.glob("*.tflite")
        if any(found.variant == file.stem for found in diagnosis.variants)
    }
    kept = tuple(
        found for found in diagnosis.variants if present.get(found.variant) == found.file_digest
    )
    return replace(diagnosis, variants=kept) if kept else None


def diagnosis_section(diagnosis: Diagnosis, folder: Path) -> DiagnosisSection:
    """A diagnosis for the page.

    Args:
        folder: where its pictures lie.
    """
    variants = []
    for found in diagnosis.variants:
        shown = (
            (layers_picture(folder, found.variant), "error and activation range by layer"),
            (flips_picture(folder, found.variant), "pictures whose answer flips"),
        )
        variants.append(
            DiagnosedVariant(
                title=found.variant,
                verdict=verdict(found),
                layers=layer_rows(found),
                flips=flip_rows(found, diagnosis.class_names, diagnosis.split)
                if found.flips
                else None,
                pictures=tuple(
                    embed(path, f"{found.variant}: {words}.")
                    for path, words in shown
                    if path.is_file()
                ),
            )
        )
    line = f"{diagnosis.data} ({diagnosis.split}), {pictures(diagnosis.n)}, against the float model"
    return DiagnosisSection(line, tuple(variants))
