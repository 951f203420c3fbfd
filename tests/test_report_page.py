"""The HTML file: whole, self-contained, escaped, and holding the figures of the tables."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers_report import DIGITS, make_comparison, make_evaluation, make_run
from numpy.typing import NDArray

from edgedigits.compare import Comparison
from edgedigits.files import write_json
from edgedigits.report.facts import (
    RunFacts,
    calibration_facts,
    flatten,
    read_run_facts,
    training_rows,
)
from edgedigits.report.tables import comparison_rows
from edgedigits.run import RunFolder

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from edgedigits.report.page import write_report

VOID = {"meta", "img", "br", "link", "hr"}


class Reader(HTMLParser):
    """Checks that tags are closed in order, and keeps cells, pictures and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.sources: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "img":
            self.sources.append(dict(attrs)["src"] or "")
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data
        if "style" not in self.open:
            self.text += data


def make_facts(path: str = "runs/a", **changes: Any) -> RunFacts:
    epochs = [
        {
            "epoch": i,
            "loss": 1 / i,
            "accuracy": 0.9,
            "val_loss": 1 / i,
            "val_accuracy": 0.8 + i / 50,
        }
        for i in (1, 2, 3)
    ]
    layer = {"name": "dense", "outputs_before": 256, "outputs_after": 128, "weights_before": 4000}
    layer |= {"weights_after": 2000, "zeros": 1500, "sparsity": 0.75}
    size = {"parameters": 50_186, "macs": 3_869_824, "validation_accuracy": 0.98}
    manifest = {
        "schema_version": 1,
        "command": "edgedigits train mnist-cnn --data digits",
        "model": {"name": "mnist-cnn"},
        "data": {"name": "digits", "digest": "ab" * 32},
        "seed": 7,
        "settings": {"batch_size": 32, "learning_rate": 0.001, "augmentation": None},
        "versions": {"numpy": "2.4.0"},
        "host": {"system": "Linux 6"},
        "training": {
            "complete": True,
            "results": {
                "train_accuracy": 0.9971,
                "train_loss": 0.01,
                "validation_accuracy": 0.9855,
                "test_accuracy": 0.9733,
            },
        },
        "pruning": {
            "pruned": {
                "method": "magnitude",
                "sparsity": 0.8,
                "measured_sparsity": 0.75,
                "layers": [layer],
                "before": {**size, "test_accuracy": 0.97},
                "after": {**size, "test_accuracy": None},
            }
        },
    }
    calibration = {
        "schema_version": 1,
        "samples": 100,
        "method": "stratified",
        "digest": "cd" * 32,
        "class_counts": dict.fromkeys(DIGITS, 10),
        "disjoint": {"evaluation_pictures": 720, "shared": 0, "removed": 1},
        "indices": list(range(100)),
    }
    facts = RunFacts(
        path=Path(path),
        manifest=manifest,
        history={"epochs": epochs, "best_epoch": 2},
        calibration=calibration,
        summary="Layer (type)",
        calibration_images=make_images(100),
    )
    return replace(facts, **changes)


def make_images(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def render(comparison: Comparison, facts: list[RunFacts], folder: Path, **options: Any) -> Reader:
    path = write_report(comparison, facts, folder, **options)
    assert path == folder / "report.html"
    return Reader(path.read_text(encoding="utf-8"))


def test_the_whole_report(tmp_path: Path) -> None:
    evaluations = make_run(n=120)[::3]  # float32 and int8
    comparison = make_comparison(evaluations, int8="Only a part.")
    page = render(comparison, [make_facts()], tmp_path, images={"d" * 64: make_images(120)})
    for row in comparison_rows(comparison).rows:
        for cell in row:
            assert cell in page.cells
    for text in (
        *("99.71", "98.55", "97.33"),  # training beside validation and test
        *("3,869,824", "75.0", "magnitude"),  # pruning
        *("0 of 100 pictures, compared pixel by pixel with 720; 1 left out beforehand",),
        *("ab" * 32, "cd" * 32, "learning rate", "numpy", "Linux 6", "Layer (type)"),
        *("Note on int8: Only a part.", "How to read the columns", "Example CPU"),
        "The smallest file whose accuracy cannot be told from that of float32",
    ):
        assert text in page.text
    # accuracy against bytes, curves, sparsity, calibration set, and three for each variant
    assert len(page.sources) == 4 + 3 * len(evaluations)
    for source in page.sources:
        kind, data = source.split(",")
        assert kind == "data:image/png;base64"
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
    names = {path.name for path in tmp_path.iterdir()}
    assert {"report.html", "accuracy-against-bytes.png", "int8-mistakes.png"} <= names
    assert len(names) == 1 + len(page.sources)


def test_nothing_is_loaded_from_outside(tmp_path: Path) -> None:
    page = render(make_comparison(make_run(n=40)[:1]), [make_facts()], tmp_path)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|@import|url\(|//[a-z]", re.sub(r"base64,[^\"]+", "", source))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in page.tags:
        assert not set(attributes) & {"href", "srcset", "onclick", "onload", "background"}


def test_what_others_wrote_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    names = (evil, 'a"><img src=x onerror=y>', "&amp;")
    evaluation = make_evaluation(
        class_names=names, n=30, variant="float32", data=evil, notes=(evil,)
    )
    comparison = replace(make_comparison([evaluation], float32=evil), data=evil, processor=evil)
    manifest = {**make_facts().manifest, "command": evil, "settings": {evil: evil}}
    facts = make_facts(manifest=manifest, summary=evil)
    page = render(comparison, [facts], tmp_path, images={"d" * 64: make_images(30)})
    assert page.text.count(evil) >= 8
    assert f"0 {evil}" in page.cells
    assert "2 &amp;" in page.cells
    assert "script" not in {tag for tag, _ in page.tags}
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)


def test_two_runs_with_the_same_variants(tmp_path: Path) -> None:
    evaluations = make_run("monday/a", n=60)[:1] + make_run("tuesday/a", n=60, skill=2.0)[:1]
    comparison = make_comparison(evaluations)
    page = render(comparison, [make_facts("monday/a"), make_facts("tuesday/a")], tmp_path)
    assert page.cells.count("monday/a") == page.cells.count("tuesday/a") == 1
    # One picture for both, curves, sparsity and calibration of either, a confusion matrix each.
    assert len(page.sources) == 1 + 2 * 3 + 2
    assert len(set(page.sources)) >= 1 + 2
    assert len(list(tmp_path.glob("*-confusion.png"))) == 2


def test_wide_head_without_records_pictures_and_float32(tmp_path: Path) -> None:
    evaluation = make_evaluation(width=35, n=50, skill=1.0)
    comparison = make_comparison([evaluation])
    assert len(evaluation.report.classes) > 12
    page = render(comparison, [], tmp_path)
    assert "without float32 a drop cannot be told" in page.text
    assert page.cells.count("–") >= 4
    assert len(page.sources) == 2
    bare = make_facts(manifest={}, history=None, calibration=None, calibration_images=None)
    assert len(render(comparison, [bare], tmp_path / "bare").sources) == 2


def test_removed_channels_are_a_table_without_bars_of_zeros(tmp_path: Path) -> None:
    manifest = make_facts().manifest
    record = manifest["pruning"]["pruned"]
    layer = {**record["layers"][0], "zeros": 0, "sparsity": 0.0}
    manifest["pruning"] = {"channels": {**record, "method": "channels", "layers": [layer]}}
    page = render(
        make_comparison([make_evaluation(n=9)]), [make_facts(manifest=manifest)], tmp_path
    )
    assert "Pruning: channels" in page.text
    assert "128" in page.cells  # outputs that are left
    assert not list(tmp_path.glob("*sparsity*"))


def test_a_failed_report_leaves_the_former_one(tmp_path: Path) -> None:
    comparison = make_comparison([make_evaluation(n=20)])
    former = write_report(comparison, [], tmp_path).read_bytes()
    broken = make_facts(history={"epochs": [{"epoch": 1}], "best_epoch": 1})
    with pytest.raises(KeyError):
        write_report(comparison, [broken], tmp_path)
    assert (tmp_path / "report.html").read_bytes() == former
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_read_run_facts(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_json(run.manifest_file, {"seed": 1})
    bare = read_run_facts(run)
    assert (bare.history, bare.calibration, bare.summary) == (None, None, "")
    assert training_rows(bare) is None
    write_json(run.history_file, make_facts().history or {})
    write_json(run.calibration_file, {"samples": 3})
    (tmp_path / "summary.txt").write_text("layers")
    full = read_run_facts(run)
    assert full.calibration is not None
    assert full.calibration["samples"] == 3
    assert full.summary == "layers"
    # Without measured results the best epoch's figures stand in.
    table = training_rows(full)
    assert table is not None
    assert table.rows == (("training", "90.00", "0.5000"), ("validation", "84.00", "0.5000"))


def test_flatten() -> None:
    nested = {
        "schema_version": 1,
        "learning_rate": 0.001,
        "augment": {"max_shift": 2, "on": True},
        "none": None,
        "names": ["a", "b"],
        "indices": list(range(5000)),
        "pictures": 60_000,
    }
    assert flatten(nested) == (
        ("learning rate", "0.001"),
        ("augment max shift", "2"),
        ("augment on", "yes"),
        ("none", "–"),
        ("names", "a, b"),
        ("indices", "5,000 values"),
        ("pictures", "60,000"),
    )


def test_calibration_facts_leave_the_indices_out() -> None:
    facts = calibration_facts(make_facts().calibration or {})
    assert "indices" not in dict(facts)
    assert dict(facts)["samples"] == "100"
    assert json.dumps(facts).count("pixel by pixel") == 1
