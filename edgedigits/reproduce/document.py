"""A reproduced reference system as one JSON document, and the pictures that belong to it."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgedigits.data.look import DataLook
from edgedigits.files import file_digest, read_json, write_json
from edgedigits.models.registry import get_model
from edgedigits.provenance import code_digest, command_line, host_facts, package_versions
from edgedigits.report.documents import comparison_json, evaluation_json
from edgedigits.report.grids import draw_examples, draw_mistakes
from edgedigits.report.look import draw_labels
from edgedigits.report.pictures import draw_confusion, draw_curves
from edgedigits.report.style import require_drawing
from edgedigits.reproduce.one_run import BEFORE, FinishedRun
from edgedigits.reproduce.reproducing import Exploration, Reproduction
from edgedigits.reproduce.systems import Setting
from edgedigits.run import RunFolder
from edgedigits.train.settings import plan as plan_of

PACKAGES = (
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "numpy",
)
QUICK_NOTE = (
    "QUICK: one epoch on a small part of the data; of the two large systems only the float32 and "
    "int8 files. It shows that every step works; the figures mean nothing."
)

Document = dict[str, Any]


def save_reproduction(reproduction: Reproduction, folder: Path) -> Path:
    """Write ``NAME.json`` and the pictures it names; returns the document's path.

    Args:
        reproduction: the results.
        folder: where the files go; made if need be. Of a quick reproduction all names begin with
            ``quick-``.

    Raises:
        MissingPackageError: matplotlib is not installed. RunError: the folder cannot be written.
    """
    require_drawing()
    prefix = f"{'quick-' if reproduction.quick else ''}{reproduction.system.name}"
    document = reproduction_json(reproduction)
    for setting in document["settings"]:
        run = reproduction.runs[setting["name"]][0]
        setting["pictures"] = _draw_run(run, folder, f"{prefix}-{setting['name']}")
    if reproduction.exploration is not None:
        picture = draw_labels(reproduction.exploration.labelled, folder / f"{prefix}-labels.png")
        document["exploration"]["picture"] = _picture(picture)
    path = folder / f"{prefix}.json"
    write_json(path, document)
    return path


def _draw_run(run: FinishedRun, folder: Path, prefix: str) -> dict[str, Document]:
    history = whole_history(run.run)
    title = f"{run.run.name}: accuracy and loss by epoch"
    evaluation, images = run.float32, run.images
    drawn = {
        "curves": draw_curves(history, folder / f"{prefix}-curves.png", title=title),
        "confusion": draw_confusion(evaluation, folder / f"{prefix}-confusion.png"),
        "examples": draw_examples(evaluation, images, folder / f"{prefix}-examples.png"),
        "mistakes": draw_mistakes(evaluation, images, folder / f"{prefix}-mistakes.png"),
    }
    return {name: _picture(path) for name, path in drawn.items()}


def _history_before(run: RunFolder) -> list[Document]:
    """The epochs of the training that a run started from; none where it started from nothing."""
    file = RunFolder(run.path.with_name(run.name + BEFORE)).history_file
    return read_json(file, "the training history")["epochs"] if file.is_file() else []


def whole_history(run: RunFolder) -> Document:
    """As ``history.json``, with the epochs of the training before in front, counted on."""
    history, before = read_json(run.history_file, "the training history"), _history_before(run)
    own = [{**epoch, "epoch": epoch["epoch"] + len(before)} for epoch in history["epochs"]]
    return {"epochs": [*before, *own], "best_epoch": history["best_epoch"] + len(before)}


def _picture(path: Path) -> Document:
    return {"file": path.name, "sha256": file_digest(path)}


def reproduction_json(reproduction: Reproduction) -> Document:
    """Everything measured, as plain values: shares of 1, drops in percentage points, microseconds.

    ``code`` at the top is the digest of the code that wrote the document, that of each seed the
    digest of the code that trained it.
    """
    system = reproduction.system
    spec = get_model(system.name)
    first = reproduction.runs[system.settings[0].name][0].run.manifest()["data"]
    return {
        "system": system.key,
        "name": system.name,
        "quick": reproduction.quick,
        "note": QUICK_NOTE if reproduction.quick else "",
        "command": command_line(),
        "written": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "code": code_digest(),
        "versions": package_versions(*PACKAGES),
        "host": host_facts(),
        "data": {
            "name": system.data,
            "form": "CSV" if system.as_csv else "as published",
            "digest": first["digest"],
            "train_pictures": first["train_pictures"],
            "test_pictures": first["test_pictures"],
        },
        "parameters": spec.parameters,
        "trainable": spec.trainable,
        "fixed": spec.fixed,
        "macs": spec.macs,
        "layers": [
            {
                "name": fact.name,
                "output_shape": list(fact.output_shape),
                "parameters": fact.parameters,
            }
            for fact in spec.facts
        ],
        "settings": [
            _setting_json(setting, reproduction.runs[setting.name]) for setting in system.settings
        ],
        "exploration": _exploration_json(reproduction.exploration),
        "predictions": None
        if reproduction.predictions is None
        else {
            "n": len(reproduction.predictions.answers),
            "counts": reproduction.predictions.counts,
            "sha256": reproduction.predictions.sha256,
        },
        "shrinking": None if reproduction.shrinking is None else asdict(reproduction.shrinking),
    }


def _setting_json(setting: Setting, runs: tuple[FinishedRun, ...]) -> Document:
    plan = runs[0].run.manifest()["settings"]
    return {
        "name": setting.name,
        "about": setting.about,
        "before": None if setting.before is None else plan_of(setting.before).to_json(),
        "teacher": _teacher_json(runs[0].run),
        "plan": {key: plan[key] for key in plan if key not in ("data", "seed", "init", "teacher")},
        "seeds": [_seed_json(run) for run in runs],
    }


def _teacher_json(run: RunFolder) -> Document | None:
    path = run.manifest()["settings"].get("teacher")
    if path is None:
        return None
    manifest = RunFolder(Path(path)).manifest()
    plan = {key: value for key, value in manifest["settings"].items() if key != "data"}
    return {"plan": plan, "code": manifest["code"], "training": manifest["training"]["results"]}


def _seed_json(run: FinishedRun) -> Document:
    manifest = run.run.manifest()
    evaluation = evaluation_json(run.float32)
    del evaluation["file"], evaluation["seconds"]
    evaluation["data"] = Path(evaluation["data"]).name  # a folder of CSV files lies anywhere
    variants = comparison_json(run.comparison)["rows"]
    for row in variants:
        del row["run"], row["file"]
    return {
        "seed": manifest["seed"],
        "code": manifest.get("code"),
        "host": manifest["host"],
        "training": manifest["training"]["results"],
        "before": _history_before(run.run),
        "history": read_json(run.run.history_file, "the training history")["epochs"],
        "evaluation": evaluation,
        "variants": variants,
        "refused": run.refused,
    }


def _exploration_json(exploration: Exploration | None) -> Document | None:
    if exploration is None:
        return None
    looks: list[tuple[str, DataLook]] = [
        ("", exploration.labelled),
        ("-unlabelled", exploration.unlabelled),
    ]
    return {
        "parts": [
            {
                "file": "test-unlabelled.csv" if suffix else f"{part.part}.csv",
                "shape": list(part.shape),
                "class_counts": None if part.class_counts is None else list(part.class_counts),
                "mean": part.mean,
                "std": part.std,
                "repeated": part.duplicates,
            }
            for suffix, look in looks
            for part in look.parts
        ],
    }
