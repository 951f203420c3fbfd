"""The reference systems as data, their documents, and the page made of them."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunCli

from edgedigits.errors import RunError, UsageError
from edgedigits.models.registry import get_model
from edgedigits.reproduce.page import load_documents, render_page
from edgedigits.reproduce.rows import reproduction_rows
from edgedigits.reproduce.systems import SYSTEMS, System, find_systems
from edgedigits.train.settings import plan

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reference"
PAGE = ROOT / "docs" / "reference-systems.md"
BY_NAME = {system.name: system for system in SYSTEMS}
DOCUMENTS = load_documents(RESULTS)


def named(systems: Any) -> Any:
    return [pytest.param(system, id=system.name) for system in systems]


# --- what was published -------------------------------------------------------------------------


@pytest.mark.parametrize("system", named(s for s in SYSTEMS if s.published.layers))
def test_our_layers_are_the_published_ones_row_by_row(system: System) -> None:
    facts = list(get_model(system.name).facts)
    for row in system.published.layers:
        taken, facts = facts[: row.layers], facts[row.layers :]
        assert taken[-1].output_shape == row.output_shape, row.what
        assert sum(fact.parameters for fact in taken) == row.parameters, row.what
    assert facts == []
    assert sum(row.parameters for row in system.published.layers) == system.published.parameters


def test_the_published_tables_agree_with_themselves() -> None:
    alexnet, fashion = BY_NAME["alexnet-number"].published, BY_NAME["fashion-cnn"].published
    samples = sum(row.true_samples for row in alexnet.per_class)
    right = sum(row.true_samples * row.accuracy for row in alexnet.per_class)
    assert samples == 9_989
    assert right / samples == pytest.approx(0.9952, abs=1e-4)
    assert np.mean([row.f1 for row in alexnet.per_class]) == pytest.approx(alexnet.f1, abs=1e-4)
    assert np.mean(fashion.f1_by_class) == pytest.approx(fashion.f1, abs=0.005)
    confusion = np.array(BY_NAME["mnist-dense"].published.confusion)
    assert (confusion.sum(), np.trace(confusion)) == (10_000, 9_845)
    epochs = BY_NAME["mnist-cnn"].published.accuracy_by_epoch
    assert (len(epochs), epochs[0], epochs[-1]) == (10, 0.9445, 0.9971)


def test_published_settings_are_used_where_there_are_any() -> None:
    settings = {s.name: {t.name: plan(t.train) for t in s.settings} for s in SYSTEMS}
    fashion, mnist = settings["fashion-cnn"]["published"], settings["mnist-cnn"]["published"]
    assert (fashion.learning_rate, fashion.batch_size, fashion.epochs) == (0.005, 32, 30)
    assert (mnist.batch_size, mnist.epochs) == (32, 10)
    for made in (fashion, mnist):
        assert (made.augment, made.schedule, made.precision) == (False, "constant", "float32")
    assert settings["alexnet-digits"]["ours"].early_stopping > 0


def test_each_system_has_its_data_and_seeds() -> None:
    assert [(s.key, s.name, s.data, s.as_csv) for s in SYSTEMS] == [
        ("R1", "alexnet-number", "mnist", False),
        ("R2", "fashion-cnn", "fashion-mnist", False),
        ("R3", "mnist-cnn", "mnist", False),
        ("R4", "mnist-dense", "mnist", False),
        ("R5", "alexnet-digits", "mnist", True),
    ]
    for system in SYSTEMS:
        seeds = (0,) if "alexnet" in system.name else (0, 1, 2)
        assert {setting.seeds for setting in system.settings} == {seeds}


def test_what_goes_before_is_of_the_same_model_and_split() -> None:
    """Or pictures that one validates with would be among those the other learnt from."""
    (setting,) = BY_NAME["alexnet-number"].settings
    assert setting.before is not None
    first, second = plan(setting.before), plan(setting.train)
    assert (first.model, first.validation) == (second.model, second.validation)


# --- choosing -----------------------------------------------------------------------------------


def test_systems_are_found_by_name_and_by_key_in_their_order() -> None:
    assert [s.key for s in find_systems(["mnist-dense", "r1"])] == ["R1", "R4"]
    assert find_systems([], everything=True) == SYSTEMS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to reproduce: name one or more of alexnet-number, fashion-cnn"),
        (["mnist-cn"], "no reference system is called mnist-cn: did you mean mnist-cnn?"),
        (["R9"], "no reference system is called R9"),
        (["r1", "--all"], "--all reproduces every system; leave the names out"),
    ],
)
def test_wrong_names_are_one_line_and_exit_code_2(
    arguments: list[str], message: str, run_cli: RunCli, tmp_path: Path
) -> None:
    code, out, error = run_cli("reproduce", *arguments, cwd=tmp_path)
    assert (code, out) == (2, "")
    (line,) = error.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


# --- documents and page -------------------------------------------------------------------------


@pytest.mark.parametrize("system", named(SYSTEMS))
def test_the_page_says_of_every_system_whether_it_was_run(system: System) -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition(f"## {system.key} {system.name}\n")[2].partition("\n## ")[0]
    assert section.strip().startswith("Not run yet.") == (system.name not in DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_complete_and_agrees_with_itself(name: str) -> None:
    document = DOCUMENTS[name]
    spec, system = get_model(name), BY_NAME[name]
    assert (document["parameters"], document["macs"]) == (spec.parameters, spec.macs)
    assert sum(layer["parameters"] for layer in document["layers"]) == spec.parameters
    assert [s["name"] for s in document["settings"]] == [s.name for s in system.settings]
    for setting, ours in zip(document["settings"], system.settings, strict=True):
        assert tuple(seed["seed"] for seed in setting["seeds"]) == ours.seeds
        recorded = {key: setting["plan"][key] for key in ("epochs", "batch_size", "learning_rate")}
        made = plan(ours.train)
        assert recorded == {key: getattr(made, key) for key in recorded}
        for seed in setting["seeds"]:
            confusion = np.array(seed["evaluation"]["confusion"])
            assert confusion.sum() == document["data"]["test_pictures"] == 10_000
            accuracy = np.trace(confusion) / confusion.sum()
            assert seed["evaluation"]["accuracy"] == pytest.approx(accuracy, abs=1e-12)
            by_name = {row["variant"]: row for row in seed["variants"]}
            assert by_name["float32"]["accuracy"] == pytest.approx(accuracy, abs=1e-12)
            drop = 100 * (accuracy - by_name["int8"]["accuracy"])
            assert by_name["int8"]["drop"] == pytest.approx(drop, abs=1e-9)
            # The Keras model and its float32 file are the same arithmetic in another order.
            assert seed["training"]["test_accuracy"] == pytest.approx(accuracy, abs=0.0005)
            best = max(seed["history"], key=lambda e: (e["val_accuracy"], -e["val_loss"]))
            assert best["epoch"] == seed["training"]["best_epoch"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_pictures_are_those_that_belong_to_the_document(name: str) -> None:
    document = DOCUMENTS[name]
    pictures = [p for setting in document["settings"] for p in setting["pictures"].values()]
    if document["exploration"]:
        pictures.append(document["exploration"]["picture"])
    assert len(pictures) >= 4
    for picture in pictures:
        data = (RESULTS / picture["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == picture["sha256"], picture["file"]


def test_the_page_shows_what_was_published_and_what_was_measured() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in DOCUMENTS:
        published = BY_NAME[name].published
        for total in (published.parameters, published.trainable, published.fixed):
            assert total is None or page.count(f"**{total:,}**") >= 2  # theirs and ours
        for share in (published.evaluation_accuracy, published.training_accuracy):
            assert share is None or f"{100 * share:.2f}" in page
    for name, document in DOCUMENTS.items():
        section = page.partition(f"## {BY_NAME[name].key} {name}\n")[2].partition("\n## ")[0]
        for setting in document["settings"]:
            for row in setting["seeds"][0]["variants"]:
                assert f"| `{row['variant']}` | {row['bytes']:,} |" in section
            for picture in setting["pictures"].values():
                assert picture["file"] in section
        matrix = document["settings"][-1]["seeds"][0]["evaluation"]["confusion"]
        assert "| " + " | ".join(map(str, ["0", *matrix[0]])) + " |" in section
    assert "| 0 | 975 | 1 | 1 | 0 | 0 | 0 | 1 | 0 | 1 | 1 |" in page


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for path in RESULTS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_the_page_changes_with_a_document(copied: Path) -> None:
    page = render_page(copied, "../benchmarks/results/reference")
    assert page == PAGE.read_text(encoding="utf-8")
    path = copied / "mnist-dense.json"
    document = json.loads(path.read_text())
    document["settings"][0]["seeds"][0]["evaluation"]["confusion"][3][5] += 1
    path.write_text(json.dumps(document))
    assert render_page(copied, "../benchmarks/results/reference") != page


def test_a_quick_document_gets_onto_no_page(copied: Path) -> None:
    path = copied / "mnist-dense.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "quick": True}))
    with pytest.raises(RunError, match="of a quick reproduction; its figures mean nothing"):
        render_page(copied, "x")


def test_the_table_in_the_terminal_has_the_same_figures() -> None:
    document = copy.deepcopy(DOCUMENTS["mnist-dense"])
    values = [0.98, 0.981, 0.985]
    for seed, value in zip(document["settings"][0]["seeds"], values, strict=True):
        for row in seed["variants"]:
            if row["variant"] == "float32":
                row["accuracy"] = value
    table = reproduction_rows(document)
    cells = {row[0]: row[1:] for row in table.rows}
    # Mean 98.2; squared distances 0.04 + 0.01 + 0.09 over 2 are 0.07, whose root is 0.26.
    assert cells["test accuracy %, float32"] == ("98.45", "98.20 ± 0.26")
    assert cells["parameters"] == ("–", "109,386")


@pytest.mark.parametrize("arguments", [["nobody"], ["--all", "r1"]])
def test_library_and_program_refuse_the_same(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        find_systems([a for a in arguments if a != "--all"], everything="--all" in arguments)
