"""The figures of a reproduced system beside its authors', as rows of text."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from edgedigits.report.rows import NOTHING, Column, Table, count, number, percent
from edgedigits.reproduce.published import Published
from edgedigits.reproduce.systems import find_systems

Document = dict[str, Any]
Value = Callable[[Document], float | None]  # of one seed's results


def reproduction_rows(document: Document) -> Table:
    """The system's figures beside its authors', a row a figure, a column a setting."""
    (system,) = find_systems([document["name"]])
    published, settings = system.published, document["settings"]
    words = {"published": "ours, their settings", "ours": "ours, our settings"}
    names = [words[setting["name"]] for setting in settings]
    names = ["ours" if len(settings) == 1 else name for name in names]
    rows = [
        ("parameters", _count(published.parameters), *[count(document["parameters"])] * len(names)),
        (
            "training accuracy %",
            percent(published.training_accuracy),
            *(_spread(setting, _train_accuracy) for setting in settings),
        ),
        (
            "test accuracy %, float32",
            percent(published.evaluation_accuracy),
            *(_spread(setting, _accuracy("float32")) for setting in settings),
        ),
        *(
            (f"macro {name}", _overall(published, key), *(_macro(s, key) for s in settings))
            for name, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
        ),
        (
            "test accuracy %, int8",
            NOTHING,
            *(_spread(setting, _accuracy("int8")) for setting in settings),
        ),
        (
            "drop of int8, points",
            NOTHING,
            *(_spread(setting, _drop("int8"), 3) for setting in settings),
        ),
        (
            "bytes, float32 → int8",
            NOTHING,
            *(f"{_bytes(s, 'float32')} → {_bytes(s, 'int8')}" for s in settings),
        ),
    ]
    quick = "QUICK " if document["quick"] else ""
    return Table(
        title=f"{quick}{document['system']} {document['name']} on {document['data']['name']}",
        columns=(Column("", right=False), Column("published"), *map(Column, names)),
        rows=tuple(rows),
    )


def _count(value: int | None) -> str:
    return NOTHING if value is None else count(value)


def _overall(published: Published, key: str) -> str:
    return number(getattr(published, key), 4)


def _macro(setting: Document, key: str) -> str:
    return number(statistics.fmean(macro(seed["evaluation"], key) for seed in setting["seeds"]), 4)


def macro(evaluation: Document, key: str) -> float:
    """Mean of a measure over the classes that the data has.

    A head may be wider than the data. One stray answer beyond it would add a class of nothing to
    the mean that ``evaluation["macro"]`` holds, which is scikit-learn's.
    """
    return statistics.fmean(row[key] for row in evaluation["per_class"] if row["true_samples"])


def variant_row(seed: Document, variant: str) -> Document | None:
    """The row of a variant in one seed's results, or None where it could not be made."""
    return next((row for row in seed["variants"] if row["variant"] == variant), None)


def _train_accuracy(seed: Document) -> float | None:
    return 100 * float(seed["training"]["train_accuracy"])


def _accuracy(variant: str) -> Value:
    def value(seed: Document) -> float | None:
        row = variant_row(seed, variant)
        return None if row is None else 100 * float(row["accuracy"])

    return value


def _drop(variant: str) -> Value:
    def value(seed: Document) -> float | None:
        row = variant_row(seed, variant)
        return None if row is None else row["drop"]

    return value


def _spread(setting: Document, value: Value, digits: int = 2) -> str:
    values = [found for seed in setting["seeds"] if (found := value(seed)) is not None]
    return mean_and_spread(values, digits)


def mean_and_spread(values: list[float], digits: int) -> str:
    """Mean ± sample standard deviation; of one value the value alone, of none a dash."""
    if not values:
        return NOTHING
    mean = number(statistics.fmean(values), digits)
    return mean if len(values) == 1 else f"{mean} ± {number(statistics.stdev(values), digits)}"


def _bytes(setting: Document, variant: str) -> str:
    row = variant_row(setting["seeds"][0], variant)
    return NOTHING if row is None else count(row["bytes"])
