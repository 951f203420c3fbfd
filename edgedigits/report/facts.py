"""What a run folder says about how its model came to be, as rows of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.data.dataset import Images
from edgedigits.diagnose import Diagnosis
from edgedigits.errors import RunError
from edgedigits.files import read_json
from edgedigits.report.rows import NOTHING, Column, Table, count, number, percent, pictures
from edgedigits.run import RunFolder

LONG_LIST = 12  # values of a list that are shown; of a longer one only their number

Facts = tuple[tuple[str, str], ...]  # names and values


@dataclass(frozen=True, eq=False)
class RunFacts:
    """The records of one run.

    Attributes:
        path: the run folder.
        manifest: the content of ``run.json``.
        history: the content of ``history.json``, or None for a model that was not trained here.
        calibration: the content of ``calibration.json``, or None where nothing was calibrated.
        summary: the model's layers as text, or empty.
        calibration_images: uint8 ``[n, 28, 28]``, or None where they are not to be shown.
        diagnosis: of the files that the run holds now, or None.
    """

    path: Path
    manifest: dict[str, Any]
    history: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    summary: str = ""
    calibration_images: Images | None = None
    diagnosis: Diagnosis | None = None


def read_run_facts(
    run: RunFolder,
    *,
    calibration_images: Images | None = None,
    diagnosis: Diagnosis | None = None,
) -> RunFacts:
    """Read the records of a run; all but the manifest may be missing.

    Raises:
        RunError: the manifest is missing, or a record is damaged.
    """
    history, calibration = run.history_file, run.calibration_file
    summary = run.path / "summary.txt"
    return RunFacts(
        path=run.path,
        manifest=run.manifest(),
        history=read_json(history, "the training history") if history.is_file() else None,
        calibration=(
            read_json(calibration, "the calibration set") if calibration.is_file() else None
        ),
        summary=summary.read_text(encoding="utf-8") if summary.is_file() else "",
        calibration_images=calibration_images,
        diagnosis=diagnosis,
    )


def flatten(value: Any, name: str = "") -> Facts:
    """Nested values as (name, text), names of inner values joined by spaces, ``_`` a space."""
    if isinstance(value, dict):
        inner: list[tuple[str, str]] = []
        for key, item in value.items():
            if key != "schema_version":
                inner += flatten(item, f"{name} {key}".strip().replace("_", " "))
        return tuple(inner)
    return ((name, _text(value)),)


def _text(value: Any) -> str:
    if value is None or value == "" or value == []:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value) if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        if len(value) > LONG_LIST:
            return f"{count(len(value))} values"
        return ", ".join(map(_text, value))
    return str(value)


def model_name(facts: RunFacts) -> str:
    """The model of a run, as its manifest calls it."""
    model = facts.manifest.get("model", facts.path.name)
    return str(model.get("name", facts.path.name)) if isinstance(model, dict) else str(model)


def training_rows(facts: RunFacts) -> Table | None:
    """Accuracy and loss in training, validation and test; None where nothing was recorded."""
    training = facts.manifest.get("training")
    results = (training or {}).get("results") or _from_history(facts.history)
    rows = tuple(
        (part, percent(results[f"{key}_accuracy"]), number(results.get(f"{key}_loss"), 4))
        for part, key in (("training", "train"), ("validation", "validation"), ("test", "test"))
        if results.get(f"{key}_accuracy") is not None
    )
    if not rows:
        return None
    return Table(
        title="The trained model before conversion",
        columns=(Column("part", right=False), Column("accuracy %"), Column("loss")),
        rows=rows,
    )


def _from_history(history: dict[str, Any] | None) -> dict[str, Any]:
    """The kept epoch's figures, where the model was not measured afterwards."""
    for epoch in (history or {}).get("epochs", []):
        if epoch["epoch"] == (history or {}).get("best_epoch"):
            return {
                "train_accuracy": epoch["accuracy"],
                "train_loss": epoch["loss"],
                "validation_accuracy": epoch["val_accuracy"],
                "validation_loss": epoch["val_loss"],
            }
    return {}


@dataclass(frozen=True)
class Pruning:
    """One pruned model of a run.

    Attributes:
        source: the model file's stem, ``pruned`` or ``channels``; method: how it was pruned.
        sizes: the model before and after. layers: what was taken from each layer.
        sparsity: (layer, share of zero weights), in the model's order.
    """

    source: str
    method: str
    sizes: Table
    layers: Table
    sparsity: tuple[tuple[str, float], ...]


def read_pruning(facts: RunFacts) -> tuple[Pruning, ...]:
    """The prunings that ``run.json`` records."""
    found = []
    for source, record in facts.manifest.get("pruning", {}).items():
        try:
            found.append(_read_pruning(source, record))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                f"{facts.path / 'run.json'}: damaged, pruning.{source} is not what 'edgedigits "
                "prune' records; prune again"
            ) from error
    return tuple(found)


def _read_pruning(source: str, record: dict[str, Any]) -> Pruning:
    layers = record["layers"]
    return Pruning(
        source=source,
        method=record["method"],
        sizes=Table(
            title=(
                f"{source}: asked for {percent(record['sparsity'], 0)} %, "
                f"{percent(record['measured_sparsity'], 1)} % of the weights left are zero"
            ),
            columns=(
                Column("model", right=False),
                Column("parameters"),
                Column("MACs", "Multiplications with addition for one picture."),
                Column("validation accuracy %"),
                Column("test accuracy %"),
            ),
            rows=tuple(
                (
                    name,
                    count(record[key]["parameters"]),
                    count(record[key]["macs"]),
                    percent(record[key]["validation_accuracy"]),
                    percent(record[key]["test_accuracy"]),
                )
                for name, key in (("before pruning", "before"), ("after retraining", "after"))
            ),
        ),
        layers=Table(
            title="By layer",
            columns=(
                Column("layer", right=False),
                Column("outputs before"),
                Column("outputs after"),
                Column("weights before"),
                Column("weights after"),
                Column("zeros"),
                Column("sparsity %"),
            ),
            rows=tuple(
                (
                    layer["name"],
                    *(
                        count(layer[f"{what}_{when}"])
                        for what in ("outputs", "weights")
                        for when in ("before", "after")
                    ),
                    count(layer["zeros"]),
                    percent(layer["sparsity"], 1),
                )
                for layer in layers
            ),
        ),
        sparsity=tuple((layer["name"], layer["sparsity"]) for layer in layers),
    )


def calibration_facts(calibration: dict[str, Any]) -> Facts:
    """How the calibration set was chosen, and that it is apart from the evaluation pictures."""
    plain = {
        key: value
        for key, value in calibration.items()
        if key not in ("indices", "class_counts", "disjoint", "stability")
    }
    rows = list(flatten(plain))
    disjoint = calibration.get("disjoint")
    if isinstance(disjoint, dict):
        rows.append(
            (
                "also among the evaluation pictures",
                f"{count(disjoint['shared'])} of {pictures(calibration['samples'])}, compared "
                f"pixel by pixel with {count(disjoint['evaluation_pictures'])}; "
                f"{count(disjoint['removed'])} left out beforehand",
            )
        )
    return tuple(rows)


def class_count_rows(calibration: dict[str, Any]) -> Table | None:
    """Calibration pictures by class; None where they have no labels."""
    counts = calibration.get("class_counts")
    if not counts:
        return None
    return Table(
        title="Calibration pictures by class",
        columns=tuple(Column(str(name)) for name in counts),
        rows=(tuple(count(number) for number in counts.values()),),
    )
