"""``diagnose`` on a run: its variants, what it writes, the page, and bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import RunCli
from helpers_diagnose import calibrated, diagnosed, digits, fitted
from helpers_report import make_comparison, make_run

from edgedigits.data.dataset import Pictures
from edgedigits.diagnose import Diagnosed, Diagnosis
from edgedigits.errors import RunError
from edgedigits.files import read_json, write_json
from edgedigits.report.diagnosis import diagnosis_json, diagnosis_of, layer_rows, verdict
from edgedigits.report.diagnosis_pictures import save_diagnosis
from edgedigits.report.diagnosis_section import read_diagnosis
from edgedigits.report.facts import RunFacts
from edgedigits.report.page import write_report
from edgedigits.run import RunFolder

KERAS = {"conv_1", "conv_2", "dense_1", "dense_2", "input"}  # of tiny-cnn


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Diagnosed:
    """A network that clips, so that some answers flip."""
    pictures = digits(80)
    dark = Pictures((pictures.images // 4).astype(np.uint8), pictures.labels)
    net = calibrated(fitted(digits()), dark)
    variant = diagnosed(tmp_path_factory.mktemp("net"), net, pictures)
    diagnosis = Diagnosis("digits", "all", 80, "0" * 64, tuple("0123456789"), (variant,))
    return Diagnosed(diagnosis, pictures.images, np.arange(80, dtype=np.int64))


def test_json_and_back(found: Diagnosed) -> None:
    document = json.loads(json.dumps(diagnosis_json(found.diagnosis), allow_nan=False))
    back = diagnosis_of(document, Path("x"))
    assert back.variants == found.diagnosis.variants
    assert document["variants"][0]["worst"][0] == found.diagnosis.variants[0].worst()[0].layer
    del document["variants"][0]["layers"][0]["op"]
    with pytest.raises(RunError, match=r"x: damaged .*diagnose"):
        diagnosis_of(document, Path("x"))


def test_the_worst_layer_is_named_and_marked(found: Diagnosed) -> None:
    variant = found.diagnosis.variants[0]
    worst = min(variant.layers, key=lambda layer: layer.end_db)
    table = layer_rows(variant)
    (marked,) = table.marked
    assert table.rows[marked][0] == worst.layer
    assert f"answer: {worst.layer} (" in verdict(variant)


def test_pictures_and_page(found: Diagnosed, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    run = RunFolder(tmp_path / "run")
    comparison = make_comparison(make_run(str(run.path))[::3])
    written = save_diagnosis(found, run.diagnosis)
    variant = found.diagnosis.variants[0]
    assert variant.flips
    names = ["diagnosis.json", f"{variant.variant}-layers.png", f"{variant.variant}-flips.png"]
    assert [path.name for path in written] == names
    for path in written[1:]:
        drawn = cv2.imread(str(path))
        assert drawn is not None
        assert drawn.std() > 5
    bare = RunFacts(run.path, {"model": {"name": "by hand"}})
    before = write_report(comparison, [bare], tmp_path / "before").read_text(encoding="utf-8")
    facts = replace(bare, diagnosis=found.diagnosis)
    page = write_report(comparison, [facts], tmp_path / "after").read_text(encoding="utf-8")
    assert "Which layer loses" in page
    assert "Which layer loses" not in before
    assert verdict(variant) in page
    assert page.count("data:image/png") == before.count("data:image/png") + 2
    for flip in variant.flips:
        assert f'<th scope="row">{flip.index}</th>' in page


def test_every_variant_of_a_run(run: Path, run_cli: RunCli) -> None:
    code, out, error = run_cli("diagnose", run, "--limit", 60, "--json")
    assert code == 0, error
    document = json.loads(out)
    assert (document["split"], document["n"]) == ("validation", 60)
    found = {variant["variant"]: variant for variant in document["variants"]}
    quantised = {f.stem for f in (run / "exports").glob("*.tflite") if "float32" not in f.stem}
    assert set(found) == quantised
    for name, variant in found.items():
        assert {layer["layer"] for layer in variant["layers"]} <= KERAS, name
        assert variant["layers"], name
        assert (run / "diagnosis" / f"{name}-layers.png").is_file()
    # What the formats hold: float16 has 11 bits, int8 eight, four-bit weights the least.
    assert found["float16"]["end_db"] > 55 > found["int8"]["end_db"] > found["int4"]["end_db"]
    assert found["int8"]["worst"]
    diagnosis = read_diagnosis(RunFolder(run))
    assert diagnosis is not None
    assert {one.variant for one in diagnosis.variants} == quantised
    (run / "exports" / "int8.tflite").write_bytes(b"another file")  # what was said holds no more
    diagnosis = read_diagnosis(RunFolder(run))
    assert diagnosis is not None
    assert {one.variant for one in diagnosis.variants} == quantised - {"int8"}


def test_only_one_variant_and_no_float32_export(run: Path, run_cli: RunCli) -> None:
    (run / "exports" / "float32.tflite").unlink()
    document = read_json(run / "split.json", "the split")
    options = ["--variant", "int8", "--limit", 10_000]
    code, out, error = run_cli("diagnose", run, *options)
    assert code == 0, error
    assert "int8 against model.keras" in out
    assert f"{len(document['validation'])} pictures" in out
    assert "int4" not in out


def test_a_bundle_against_the_model_it_was_made_of(
    exported_run: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    file = exported_run / "exports" / "int8.tflite"
    code, _, error = run_cli("bundle", file, "--out", tmp_path / "a.bundle")
    assert code == 0, error
    options = ("--float", exported_run / "model.keras", "--data", "digits", "--limit", 40, "--json")
    answers = [
        json.loads(run_cli("diagnose", f, *options)[1]) for f in (file, tmp_path / "a.bundle")
    ]
    layers = [answer["variants"][0]["layers"] for answer in answers]
    assert layers[0]
    assert layers[0] == layers[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["RUN", "--variant", "int9"], 2, "--variant int9: "),
        (["RUN", "--limit", "0"], 2, "--limit 0: must be 1 or more"),
        (["RUN", "--split", "train"], 2, "--split train: must be test or validation"),
        (["RUN", "--data", "digits"], 2, "--data goes with a .tflite file"),
        (["RUN/exports/int8.tflite"], 2, "add --float FILE and --data DATA"),
        (["none"], 2, "none"),
        (["mnist-9k", "--float", "RUN/model.keras", "--data", "digits"], 2, "mnist-8k"),
        (
            ["RUN/exports/int8.tflite", "--float", "RUN/exports/int4.tflite", "--data", "digits"],
            1,
            "int4.tflite: is quantised itself",
        ),
        (
            ["RUN/exports/int8.tflite", "--float", "RUN/run.json", "--data", "digits"],
            1,
            "run.json: neither a .keras nor an .h5 file",
        ),
    ],
)
def test_bad_input(
    exported_run: Path, run_cli: RunCli, arguments: list[str], code: int, message: str
) -> None:
    found = run_cli("diagnose", *(a.replace("RUN", str(exported_run)) for a in arguments))
    assert (found[0], found[1]) == (code, ""), found[2]
    assert message in found[2]
    assert len(found[2].strip().splitlines()) == 1


def test_a_run_without_quantised_files(run: Path, run_cli: RunCli) -> None:
    for file in (run / "exports").iterdir():
        if file.stem != "float32":
            file.unlink()
    code, _, error = run_cli("diagnose", run)
    assert code == 2
    assert "holds no quantised export" in error


def test_a_damaged_record(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert read_diagnosis(run) is None
    write_json(run.diagnosis / "diagnosis.json", {"variants": [{}]})
    with pytest.raises(RunError, match=r"diagnosis\.json: damaged"):
        read_diagnosis(run)
