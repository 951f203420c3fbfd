"""The sections of the HTML page: which tables, figures and pictures they hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.compare import ComparisonRow
from edgedigits.data.dataset import Images
from edgedigits.evaluate import Evaluation
from edgedigits.report.diagnosis_section import DiagnosisSection, diagnosis_section
from edgedigits.report.embedded import Picture, embed
from edgedigits.report.facts import (
    Facts,
    Pruning,
    RunFacts,
    calibration_facts,
    class_count_rows,
    flatten,
    model_name,
    read_pruning,
    training_rows,
)
from edgedigits.report.grids import draw_calibration_sample, draw_examples, draw_mistakes
from edgedigits.report.pictures import draw_confusion, draw_curves, draw_sparsity
from edgedigits.report.reading import reference_row, smallest_within_noise
from edgedigits.report.rows import Table, count, number, percent
from edgedigits.report.tables import (
    classification_rows,
    confusion_rows,
    per_class_rows,
    summary_line,
)
from edgedigits.run import RunFolder


@dataclass(frozen=True)
class Card:
    """One figure of the summary: what it is, the figure, and what stands beside it."""

    name: str
    figure: str
    beside: str


@dataclass(frozen=True)
class PrunedSection:
    """One pruned model; the picture is None where whole channels went and no weight is zero."""

    record: Pruning
    picture: Picture | None


@dataclass(frozen=True)
class RunSection:
    """How one run's model came to be. What the run does not record is None or empty."""

    name: str
    model: str
    cards: tuple[Card, ...]
    training: Table | None
    curves: Picture | None
    settings: Facts
    data: Facts
    summary: str
    prunings: tuple[PrunedSection, ...]
    calibration: Facts
    class_counts: Table | None
    calibration_sample: Picture | None
    origin: Facts
    diagnosis: DiagnosisSection | None = None


@dataclass(frozen=True)
class VariantSection:
    """One variant in detail."""

    title: str
    line: str
    digest: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]


def _file_name(name: str) -> str:
    """A file name from anything; what is not a letter or digit becomes a hyphen."""
    return re.sub(r"[^\w.]+", "-", name).strip("-.") or "picture"


def _cards(rows: tuple[ComparisonRow, ...]) -> tuple[Card, ...]:
    reference, best = reference_row(rows), smallest_within_noise(rows)
    cards = []
    if reference is not None:
        cards.append(_card("float32", reference))
    if best is not None and best is not reference:
        cards.append(_card(f"{best.variant}, the smallest within the noise", best))
        if reference is not None:
            cards.append(
                Card(
                    "size",
                    f"{percent(best.bytes / reference.bytes, 1)} %",
                    "of float32; after gzip "
                    f"{percent(best.gzip_bytes / reference.gzip_bytes, 1)} %",
                )
            )
            cards.append(
                Card(
                    "accuracy lost",
                    f"{number(best.drop, 2)} points",
                    f"95 % interval {number(best.drop_low, 2)} to {number(best.drop_high, 2)}",
                )
            )
    return tuple(cards)


def _card(name: str, row: ComparisonRow) -> Card:
    return Card(name, f"{percent(row.accuracy)} %", f"{count(row.bytes)} bytes")


def run_section(
    name: str, rows: tuple[ComparisonRow, ...], facts: RunFacts | None, folder: Path
) -> RunSection:
    """What is told of one run; its pictures are written as files too.

    Args:
        name: what the run is called. rows: its variants. facts: its records, None where there are
            none. folder: where pictures go.
    """
    if facts is None:
        return RunSection(name, "", _cards(rows), None, None, (), (), "", (), (), None, None, ())
    prefix = _file_name(name)
    manifest = facts.manifest
    curves = sample = None
    if facts.history is not None and facts.history.get("epochs"):
        title = f"{model_name(facts)}: accuracy and loss by epoch"
        words = f"Accuracy and loss by epoch of {model_name(facts)}."
        curves = embed(
            draw_curves(facts.history, folder / f"{prefix}-curves.png", title=title), words
        )
    if facts.calibration_images is not None:
        path = folder / f"{prefix}-calibration.png"
        sample = embed(
            draw_calibration_sample(facts.calibration_images, path),
            "A sample of the calibration set.",
        )
    return RunSection(
        name=name,
        model=model_name(facts),
        cards=_cards(rows),
        training=training_rows(facts),
        curves=curves,
        settings=(*flatten(_only(manifest, "seed")), *flatten(manifest.get("settings", {}))),
        data=(
            *flatten(manifest.get("data", {})),
            *flatten(_only(manifest, "pictures", "crops", "finetuned_from")),
        ),
        summary=facts.summary,
        prunings=tuple(_pruned_section(one, prefix, folder) for one in read_pruning(facts)),
        calibration=calibration_facts(facts.calibration) if facts.calibration else (),
        class_counts=class_count_rows(facts.calibration) if facts.calibration else None,
        calibration_sample=sample,
        origin=flatten(_only(manifest, "command", "versions", "host")),
        diagnosis=(
            None
            if facts.diagnosis is None
            else diagnosis_section(facts.diagnosis, RunFolder(facts.path).diagnosis)
        ),
    )


def _only(manifest: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: manifest[key] for key in keys if key in manifest}


def _pruned_section(pruning: Pruning, prefix: str, folder: Path) -> PrunedSection:
    if not any(share for _, share in pruning.sparsity):
        return PrunedSection(pruning, None)
    title = f"{pruning.source}: zero weights by layer"
    path = folder / f"{prefix}-{_file_name(pruning.source)}-sparsity.png"
    drawn = draw_sparsity(list(pruning.sparsity), path, title=title)
    return PrunedSection(pruning, embed(drawn, f"{title}."))


def variant_section(
    name: str, evaluation: Evaluation, folder: Path, images: Mapping[str, Images]
) -> VariantSection:
    """What is told of one variant; its pictures are written as files too.

    Args:
        name: what the variant is called. evaluation: its answers. folder: where pictures go.
        images: the pictures evaluated, by digest.
    """
    prefix = _file_name(name)
    confusion = draw_confusion(evaluation, folder / f"{prefix}-confusion.png")
    pictures = [embed(confusion, f"Confusion matrix of {name}.")]
    shown = images.get(evaluation.data_digest)
    if shown is not None:
        examples = draw_examples(evaluation, shown, folder / f"{prefix}-examples.png")
        mistakes = draw_mistakes(evaluation, shown, folder / f"{prefix}-mistakes.png")
        pictures.append(embed(examples, f"Pictures with the answers of {name}."))
        pictures.append(embed(mistakes, f"The wrong answers that {name} was surest of."))
    report = evaluation.report
    return VariantSection(
        title=name,
        line=summary_line(evaluation),
        digest=evaluation.file_digest,
        notes=evaluation.notes,
        tables=(confusion_rows(report), classification_rows(report), per_class_rows(report)),
        pictures=tuple(pictures),
    )
