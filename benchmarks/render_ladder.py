"""The tables of ``docs/ladder.md``, from ``ladder.json`` and ``ablations.json`` of the results."""

from __future__ import annotations

import statistics
from typing import Any

from edgedigits.reproduce.markdown import table
from edgedigits.reproduce.rows import mean_and_spread

Document = dict[str, Any]

NOTHING = "–"
TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
KIB = 1024


def ladder(document: Document) -> str:
    """Aims, files, robustness, in this order; only the aims where no file is measured yet."""
    parts = ["### Aims", aims(document)]
    if document["rows"]:
        parts += ["### Files", files(document), _reference(document)]
    if any(row["robustness"] for row in document["rows"]):
        parts += ["### Digits made harder", robustness(document)]
    return "\n\n".join(parts)


def aims(document: Document) -> str:
    """Each aim, and the file that answers it, by the mean over its seeds."""
    headings = ["data", "at most", "aim, %", "file", "bytes", "test accuracy, %", "seeds", "met"]
    rows = []
    for entry in document["aims"]:
        tests = entry["test_accuracies"]
        said = {True: "yes", False: "**no**", None: "not known"}[entry["met"]]
        rows.append(
            [
                TITLES[entry["data"]],
                "any size" if entry["limit"] is None else f"{entry['limit'] // KIB} KiB",
                f"{100 * entry['aim']:.2f}",
                "no file" if entry["name"] is None else f"`{entry['name']}`",
                _count(entry["bytes"]),
                mean_and_spread([100 * value for value in tests], 2),
                str(len(tests)),
                said,
            ]
        )
    return table(headings, rows)


def files(document: Document) -> str:
    """Each file: size, accuracy of the file itself and over the seeds, latency, memory."""
    headings = [
        "file", "data", "bytes", "parameters", "this file, %", "all seeds, %",
        "float, all seeds, %", "µs", "of mnist-cnn's", "without XNNPACK", "of mnist-cnn's",
        "arena, planned",
        "with Micro's tables", "Micro's own",
    ]  # fmt: skip
    rows = [
        [
            f"`{row['name']}`",
            TITLES[row["data"]],
            _count(row["bytes"]),
            _count(row["parameters"]),
            f"{100 * row['accuracy']:.2f}",
            mean_and_spread(_seeds(row, "test_accuracy"), 2),
            mean_and_spread(_seeds(row, "float_test_accuracy"), 2),
            f"{row['latency_us_p50']:.1f}",
            NOTHING if row["latency_ratio"] is None else f"{row['latency_ratio']:.2f}",
            f"{row['builtin_us_p50']:.1f}",
            NOTHING if row["builtin_ratio"] is None else f"{row['builtin_ratio']:.2f}",
            _count(row["arena_head"]),
            _count(row["arena_estimate"]),
            _count(row["arena_micro"]),
        ]
        for row in document["rows"]
    ]
    return table(headings, rows, left=2)


def robustness(document: Document) -> str:
    """Accuracy of each digit file on other digits and on test pictures made harder."""
    rows = [row for row in document["rows"] if row["robustness"]]
    parts = list(rows[0]["robustness"])
    cells = [
        [
            f"`{row['name']}`",
            f"{100 * row['accuracy']:.2f}",
            *(f"{100 * row['robustness'][part]:.2f}" for part in parts),
        ]
        for row in rows
    ]
    return table(["file", "as they are", *parts], cells)


def ablations(document: Document) -> str:
    """Each technique beside the recipe that differs from it in nothing else."""
    by_variant: dict[str, list[Document]] = {}
    for row in document["rows"]:
        by_variant.setdefault(row["variant"], []).append(row)
    recipe, *_ = by_variant.values()
    rows = []
    for variant, found in by_variant.items():
        accuracies, floats = (
            [100 * row[key] for row in found]
            for key in ("validation_accuracy", "float_validation_accuracy")
        )
        rows.append(
            [
                variant,
                _count(found[0]["bytes"]),
                mean_and_spread(floats, 2),
                f"{statistics.fmean(row['float_validation_loss'] for row in found):.4f}",
                mean_and_spread(accuracies, 2),
                NOTHING if found is recipe else _gain(found, recipe),
            ]
        )
    headings = ["variant", "bytes", "float, %", "float, loss", "int8, %", "to the recipe, points"]
    seeds = sorted({row["seed"] for row in document["rows"]})
    said = (
        f"`{document['rung']}`, {document['epochs']} epochs, "
        f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}, "
        f"{document['n']:,} validation pictures."
    )
    missing = [name for name in document["settings"] if name not in by_variant]
    later = [f"Not measured yet: {', '.join(missing)}."] if missing else []
    return "\n\n".join([said, table(headings, rows), *later, measured_on(document)])


def _gain(found: list[Document], recipe: list[Document]) -> str:
    """Difference of the int8 accuracies over the seeds that both have, in points."""
    own = {row["seed"]: row["validation_accuracy"] for row in recipe}
    shared = [row for row in found if row["seed"] in own]
    gains = [100 * (row["validation_accuracy"] - own[row["seed"]]) for row in shared]
    return f"{statistics.fmean(gains):+.2f}".replace("-", "−") if gains else NOTHING


def measured_on(document: Document) -> str:
    """One line: processor, Python and versions."""
    host = document["host"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    return f"Measured on {host['processor']}, Python {host['python']}, {versions}."


def _reference(document: Document) -> str:
    reference = document["reference"]
    beside = (
        "No file of mnist-cnn was measured beside them."
        if reference is None
        else f"Latency beside {reference['name']}, {reference['bytes']:,} bytes."
    )
    return f"{beside} {measured_on(document)}"


def _seeds(row: Document, key: str) -> list[float]:
    return [100 * seed[key] for seed in row["seeds"] if seed.get(key) is not None]


def _count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"
