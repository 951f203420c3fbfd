"""The tables of one reproduced system as Markdown, from its document alone."""

from __future__ import annotations

import math
import statistics
from typing import Any

from edgedigits.report.rows import NOTHING, count, number, percent
from edgedigits.reproduce.published import Published
from edgedigits.reproduce.rows import Document, macro, mean_and_spread, variant_row


def table(headings: list[str], rows: list[list[str]], *, left: int = 1) -> str:
    """A Markdown table; all columns but the first ``left`` are set to the right."""
    rule = ["---"] * left + ["---:"] * (len(headings) - left)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headings, rule, *rows])


def layers_table(document: Document, published: Published) -> str:
    """Layers and parameters, published beside ours; ours alone where none are published."""
    totals = [
        ("total", published.parameters, document["parameters"]),
        ("trainable", published.trainable, document["trainable"]),
        ("not trainable", published.fixed, document["fixed"]),
    ]
    ours = list(document["layers"])
    if not published.layers:
        rows = [_layer_cells([layer]) for layer in ours]
        rows += [[f"**{name}**", "", f"**{count(own)}**"] for name, _, own in totals]
        return table(["layer", "output shape", "parameters"], rows)
    rows = []
    for row in published.layers:
        taken, ours = ours[: row.layers], ours[row.layers :]
        theirs = [row.what, _shape(row.output_shape), count(row.parameters)]
        rows.append([*theirs, *_layer_cells(taken)])
    for name, theirs_total, own in totals:
        shown = NOTHING if theirs_total is None else f"**{count(theirs_total)}**"
        rows.append([f"**{name}**", "", shown, "", "", f"**{count(own)}**"])
    headings = [
        "published layer",
        "output shape",
        "parameters",
        "our layers",
        "shape",
        "parameters",
    ]
    return table(headings, rows)


def _layer_cells(layers: list[Document]) -> list[str]:
    return [
        ", ".join(f"`{layer['name']}`" for layer in layers),
        _shape(layers[-1]["output_shape"]),
        count(sum(layer["parameters"] for layer in layers)),
    ]


def _shape(shape: Any) -> str:
    return "×".join(map(str, shape))


def accuracy_table(document: Document, published: Published) -> str:
    """Training and test accuracy, published beside each setting, mean and spread over the seeds."""
    trainings = [
        [seed["training"] for seed in setting["seeds"]] for setting in document["settings"]
    ]
    rows = [
        [
            name,
            percent(theirs),
            *(mean_and_spread([100 * t[key] for t in found], 2) for found in trainings),
        ]
        for name, theirs, key in (
            ("training accuracy %", published.training_accuracy, "train_accuracy"),
            ("validation accuracy %", None, "validation_accuracy"),
            ("test accuracy %", published.evaluation_accuracy, "test_accuracy"),
        )
    ]
    epochs = [
        ", ".join(f"{t['best_epoch']} of {t['epochs']}" for t in found) for found in trainings
    ]
    rows.append(["best epoch", NOTHING, *epochs])
    return table(["", f"published ({published.accuracy_text})", *setting_names(document)], rows)


def setting_names(document: Document) -> list[str]:
    """A heading a setting, with its number of seeds."""
    settings = document["settings"]
    return [
        f"{'ours' if len(settings) == 1 else _setting_name(setting)} ({_seeds(setting)})"
        for setting in settings
    ]


def _setting_name(setting: Document) -> str:
    return "ours, their settings" if setting["name"] == "published" else "ours, our settings"


def _seeds(setting: Document) -> str:
    seeds = [str(seed["seed"]) for seed in setting["seeds"]]
    return f"seed{'' if len(seeds) == 1 else 's'} {', '.join(seeds)}"


def variants_table(setting: Document) -> str:
    """Every variant over the seeds: bytes, accuracy, drop with its interval, latency."""
    seeds = setting["seeds"]
    rows = []
    for name in (row["variant"] for row in seeds[0]["variants"]):
        pairs = [
            (row, variant_row(seed, "float32"))
            for seed in seeds
            if (row := variant_row(seed, name)) is not None
        ]
        found = [row for row, _ in pairs]
        ratios = [
            row["latency_us_p50"] / base["latency_us_p50"]
            for row, base in pairs
            if base is not None
        ]
        first = found[0]
        rows.append(
            [
                f"`{name}`",
                count(first["bytes"]),
                count(first["gzip_bytes"]),
                mean_and_spread([100 * row["accuracy"] for row in found], 2),
                mean_and_spread([row["drop"] for row in found], 3),
                _interval(found),
                number(statistics.median(row["latency_us_p50"] for row in found), 0),
                number(statistics.median(ratios), 2),
            ]
        )
    headings = [
        "variant", "bytes", "gzip", "accuracy %", "drop, points", "95 % interval", "p50 µs",
        "of float32's",
    ]  # fmt: skip
    return table(headings, rows)


def _interval(rows: list[Document]) -> str:
    """Of the mean drop: each seed's half-width, combined as of independent estimates."""
    half = math.sqrt(sum(((r["drop_high"] - r["drop_low"]) / 2) ** 2 for r in rows)) / len(rows)
    mean = statistics.fmean(row["drop"] for row in rows)
    return f"{number(mean - half, 3)} to {number(mean + half, 3)}"


def classification_table(evaluation: Document) -> str:
    """Precision, recall, F1 and support by class, then the averages."""
    rows = [
        [
            _class(row, evaluation),
            *(number(row[key], 4) for key in ("precision", "recall", "f1")),
            count(row["true_samples"]),
        ]
        for row in evaluation["per_class"]
    ]
    rows.append(["accuracy", "", "", number(evaluation["accuracy"], 4), count(evaluation["n"])])
    for name in ("macro", "weighted"):
        average = evaluation[name]
        cells = [number(average[key], 4) for key in ("precision", "recall", "f1")]
        rows.append([f"{name} average", *cells, count(average["support"])])
    if any(not row["true_samples"] for row in evaluation["per_class"]):
        cells = [number(macro(evaluation, key), 4) for key in ("precision", "recall", "f1")]
        rows.append(["macro average of the data's classes", *cells, count(evaluation["n"])])
    return table(["class", "precision", "recall", "F1", "support"], rows)


def per_class_table(evaluation: Document, published: Published) -> str:
    """The per-class table in R1's form, published beside ours where there is one."""
    theirs = {row.label: row for row in published.per_class}
    keys = ("accuracy", "precision", "recall", "f1")
    rows = []
    for row in evaluation["per_class"]:
        cells = [_class(row, evaluation)]
        if theirs and row["class"] not in theirs:
            cells += [NOTHING] * 6
        elif theirs:
            their = theirs[row["class"]]
            cells += [count(their.true_samples), count(their.classified_samples)]
            cells += [number(getattr(their, key), 4) for key in keys]
        cells += [count(row["true_samples"]), count(row["classified_samples"])]
        cells += [number(row[key], 4) for key in keys]
        rows.append(cells)
    columns = ["true samples", "classified samples", "accuracy", "precision", "recall", "F1"]
    if not theirs:
        return table(["class", *columns], rows)
    return table(["class", *(f"{c} (published)" for c in columns), *columns], rows)


def _class(row: Document, evaluation: Document) -> str:
    name = str(row["name"])
    return name if name == str(row["class"]) else f"{row['class']} {name}"


def confusion_table(confusion: Any, names: list[str]) -> str:
    """A confusion matrix as numbers: rows are true classes, columns answers."""
    rows = [[name, *map(str, line)] for name, line in zip(names, confusion, strict=True)]
    return table(["true class", *names], rows)


def f1_table(evaluation: Document, published: Published) -> str:
    """F1 by class, published beside ours."""
    pairs = zip(evaluation["per_class"], published.f1_by_class, strict=True)
    rows = [
        [_class(row, evaluation), number(theirs, 2), number(row["f1"], 2)] for row, theirs in pairs
    ]
    return table(["class", "F1 (published)", "F1 (ours)"], rows)


def epochs_table(setting: Document, published: Published) -> str:
    """Training accuracy by epoch, published beside each seed of ours."""
    histories = [seed["history"] for seed in setting["seeds"]]
    rows = []
    for i, theirs in enumerate(published.accuracy_by_epoch):
        cells = [number(history[i]["accuracy"], 4) if i < len(history) else NOTHING
                 for history in histories]  # fmt: skip
        rows.append([str(i + 1), number(theirs, 4), *cells])
    return table(["epoch", "published", *(f"seed {s['seed']}" for s in setting["seeds"])], rows)


def shrinking_table(shrinking: Document) -> str:
    """The small files on the way to the smallest."""
    rows = []
    for file in shrinking["files"]:
        mark = "**" if file == shrinking["confirmed"] else ""
        test = file["test"]
        rows.append(
            [
                f"{mark}{file['step']}{mark}",
                f"`{file['variant'].removeprefix('channels-')}`",
                count(file["parameters"]),
                count(file["bytes"]),
                number(file["validation_drop"], 3),
                percent(file["test_accuracy"]),
                f"{number(test['drop'], 2)} ({number(test['drop_low'], 2)} to "
                f"{number(test['drop_high'], 2)})",
                number(shrinking["float32_bytes"] / file["bytes"], 0),
                number(shrinking["int8_bytes"] / file["bytes"], 0),
                number(shrinking["float32_us"] / file["latency_us_p50"], 0),
                number(shrinking["int8_us"] / file["latency_us_p50"], 0),
            ]
        )
    headings = [
        "step", "variant", "parameters", "bytes", "drop on validation", "test accuracy %",
        "drop on test (95 %)", "times smaller than float32", "than int8",
        "times faster than float32", "than int8",
    ]  # fmt: skip
    return table(headings, rows, left=2)


def exploration_table(exploration: Document) -> str:
    """Shape and label counts of each CSV file."""
    parts = exploration["parts"]
    labels = max(len(part["class_counts"] or ()) for part in parts)
    rows = [
        [
            f"`{part['file']}`",
            _shape(part["shape"]),
            *(
                [count(n) for n in part["class_counts"]]
                if part["class_counts"]
                else [NOTHING] * labels
            ),
        ]
        for part in parts
    ]
    return table(["file", "pictures", *map(str, range(labels))], rows)
