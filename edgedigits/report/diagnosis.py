"""A diagnosis as tables, sentences and JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgedigits.diagnose import Diagnosis, Flip, LayerError, RangeUse, VariantDiagnosis
from edgedigits.errors import RunError
from edgedigits.report.rows import NOTHING, Column, Table, count, number, percent, pictures

if TYPE_CHECKING:
    from rich.console import Group

NO_ERROR = "exact"
SHOWN_FLIPS = 20
SHOWN_WORST = 3

COLUMNS = (
    Column("layer", "As in Keras; input is the rounding of the pictures.", right=False),
    Column("operation", right=False),
    Column(
        "error\ndB",
        "Signal-to-quantisation-noise ratio of what the layer writes in this file: the error that "
        "has gathered up to here. 6 dB more is half the error.",
    ),
    Column("alone\ndB", "The same with only this layer quantised: its own error."),
    Column(
        "at the end\ndB",
        "The ratio at the model's last values before the softmax with only this layer quantised: "
        "what its error does to the answer. The lowest is the layer to blame.",
    ),
    Column(
        "weights\ndB",
        "Of the layer's weights, and of the output channel that keeps least. Where the two are far "
        "apart, one channel's range is taken for all.",
    ),
    Column("top-1\nalone %", "Accuracy with only this layer quantised."),
    Column("drop\nalone", "Percentage points lost with only this layer quantised."),
    Column("flips\nalone", "Answers that change with only this layer quantised."),
    Column("clipped\n%", "Values that lie beyond the range that was calibrated."),
    Column("wasted\n%", "Share of the calibrated range, at its ends, in which no value lies."),
)


def db(value: float | None) -> str:
    """A ratio in dB; a word where there is no error."""
    return NO_ERROR if value == math.inf else number(value, 1)


def layer_rows(found: VariantDiagnosis) -> Table:
    """The layers of one file, the three worst marked."""
    worst = [layer for layer in found.worst() if layer.end_db != math.inf][:1]
    return Table(
        title=f"{found.variant} against {found.reference}: {summary(found)}",
        columns=COLUMNS,
        rows=tuple(_cells(layer) for layer in found.layers),
        marked=frozenset(found.layers.index(layer) for layer in worst),
        keys=2,
    )


def _cells(layer: LayerError) -> tuple[str, ...]:
    weights = NOTHING
    if layer.weights_db is not None:
        weights = f"{db(layer.weights_db)} / {db(layer.worst_channel_db)}"
    used = layer.range
    return (
        layer.layer,
        layer.op,
        db(layer.sqnr_db),
        db(layer.alone_db),
        db(layer.end_db),
        weights,
        percent(layer.accuracy_alone),
        number(layer.drop_alone, 2),
        count(layer.flips_alone),
        NOTHING if used is None else percent(used.clipped),
        NOTHING if used is None else percent(used.wasted, 1),
    )


def summary(found: VariantDiagnosis) -> str:
    """Accuracy, what it was, and how many answers flip."""
    return (
        f"accuracy {percent(found.accuracy)} %, float {percent(found.reference_accuracy)} %; "
        f"{pictures(len(found.flips))} answered otherwise; {db(found.end_db)} dB at the end"
    )


def verdict(found: VariantDiagnosis) -> str:
    """One sentence: the worst layers, and what stands out in their ranges."""
    worst = [layer for layer in found.worst() if layer.end_db != math.inf][:SHOWN_WORST]
    if not worst:
        return f"{found.variant}: no layer computes otherwise than in float."
    named = ", ".join(
        f"{layer.layer} ({layer.op}) {db(layer.end_db)} dB, {count(layer.flips_alone)} flips"
        for layer in worst
    )
    return f"{found.variant}: worst layers by what each alone does to the answer: {named}."


def flip_rows(found: VariantDiagnosis, names: tuple[str, ...], split: str) -> Table:
    """The pictures whose answer flips."""
    shown = found.flips[:SHOWN_FLIPS]
    total = len(found.flips)
    how_many = f"{total}" if len(shown) == total else f"{len(shown)} of {total}"
    return Table(
        title=f"{found.variant}: {how_many} pictures whose answer flips; index in the {split} part",
        columns=(
            Column("index"),
            Column("true class", right=False),
            Column("float", right=False),
            Column("score %"),
            Column(found.variant, right=False),
            Column("score %"),
        ),
        rows=tuple(
            (
                str(flip.index),
                _name(names, flip.truth),
                _name(names, flip.before),
                percent(flip.before_score, 1),
                _name(names, flip.after),
                percent(flip.after_score, 1),
            )
            for flip in shown
        ),
    )


def _name(names: tuple[str, ...], label: int) -> str:
    return names[label] if label < len(names) else str(label)


def diagnosis_view(diagnosis: Diagnosis) -> Group:
    """A diagnosis for a rich console."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [
        Text(f"{diagnosis.data} ({diagnosis.split}), {pictures(diagnosis.n)}"),
    ]
    for found in diagnosis.variants:
        parts += [Text(""), layer_rows(found), Text(verdict(found))]
        parts += [Text(f"Note: {note}") for note in found.notes]
        if found.flips:
            parts += [Text(""), flip_rows(found, diagnosis.class_names, diagnosis.split)]
    return Group(*parts)


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """A diagnosis as plain values: dB are null where there is no error, drops percentage points."""
    return {
        "data": diagnosis.data,
        "split": diagnosis.split,
        "n": diagnosis.n,
        "data_digest": diagnosis.data_digest,
        "class_names": list(diagnosis.class_names),
        "variants": [_variant_json(found) for found in diagnosis.variants],
    }


def _variant_json(found: VariantDiagnosis) -> dict[str, Any]:
    values = asdict(found) | {"file": str(found.file), "notes": list(found.notes)}
    values["worst"] = [layer.layer for layer in found.worst() if layer.end_db != math.inf]
    values["end_db"] = _finite(found.end_db)
    values["layers"] = [
        {key: _finite(value) for key, value in asdict(layer).items()} for layer in found.layers
    ]
    values["flips"] = [asdict(flip) for flip in found.flips]
    return values


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def diagnosis_of(document: dict[str, Any], where: Path) -> Diagnosis:
    """A diagnosis from its JSON.

    Raises:
        RunError: the document is not one.
    """
    try:
        variants = tuple(map(_variant_of, document["variants"]))
        kept = {key: document[key] for key in ("data", "split", "n", "data_digest")}
        return Diagnosis(**kept, class_names=tuple(document["class_names"]), variants=variants)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{where}: damaged ({error}); run 'edgedigits diagnose' again") from error


def _variant_of(values: dict[str, Any]) -> VariantDiagnosis:
    values = {key: value for key, value in values.items() if key != "worst"}
    return VariantDiagnosis(
        **values
        | {
            "file": Path(values["file"]),
            "end_db": _decibels(values["end_db"]),
            "layers": tuple(map(_layer_of, values["layers"])),
            "flips": tuple(Flip(**flip) for flip in values["flips"]),
            "notes": tuple(values["notes"]),
        }
    )


def _layer_of(values: dict[str, Any]) -> LayerError:
    used = values["range"]
    if used is not None:
        pairs = {key: tuple(used[key]) for key in ("calibrated", "seen")}
        used = RangeUse(**used | pairs)
    ratios = {key: _decibels(values[key]) for key in ("sqnr_db", "alone_db", "end_db")}
    return LayerError(**values | ratios | {"range": used})


def _decibels(value: float | None) -> float:
    return math.inf if value is None else float(value)
