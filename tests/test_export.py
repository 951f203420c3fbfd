"""Exported files are what they say, the same each time, and usable without TensorFlow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import RunCli
from helpers_export import exported_bytes

from edgedigits.convert.contents import Contents, read_contents
from edgedigits.convert.export import WORK_PREFIX, choose_variants, export
from edgedigits.convert.recipes import RECIPES
from edgedigits.convert.worker import check
from edgedigits.errors import ConversionError, UsageError
from edgedigits.run import open_run
from edgedigits.run_data import load_run_data

ALL = [*RECIPES, *(f"pruned-{name}" for name in ("float32", "int8", "int16x8", "edgetpu-int8"))]


def _contents(run: Path, variant: str) -> Contents:
    return read_contents((run / "exports" / f"{variant}.tflite").read_bytes(), variant)


def test_every_variant_is_there_and_nothing_else(exported_run: Path) -> None:
    assert {f.stem for f in (exported_run / "exports").iterdir()} == set(ALL)
    assert not list(exported_run.glob(f"{WORK_PREFIX}*"))
    document = json.loads((exported_run / "export.json").read_text())
    assert [made["variant"] for made in document["exported"]] == ALL
    assert document["failed"] == []
    for made in document["exported"]:
        assert made["bytes"] == Path(made["file"]).stat().st_size


@pytest.mark.parametrize("variant", ["int8", "qat-int8", "int4", "int16x8", "edgetpu-int8"])
def test_integer_variants_hold_no_float(exported_run: Path, variant: str) -> None:
    contents = _contents(exported_run, variant)
    assert not {t.dtype for t in contents.tensors} & {"FLOAT32", "FLOAT16", "FLOAT64"}
    activation = "INT16" if variant == "int16x8" else "INT8"
    ends = [contents.tensors[n] for n in (*contents.inputs, *contents.outputs)]
    assert [t.dtype for t in ends] == [activation, activation]
    assert not contents.islands()
    assert contents.fully_int8() == (variant not in ("int4", "int16x8"))
    assert "QUANTIZE" not in {op.name for op in contents.ops}


@pytest.mark.parametrize("variant", ALL)
def test_the_batch_is_fixed_to_1_and_no_shape_arithmetic_is_left(
    exported_run: Path, variant: str
) -> None:
    contents = _contents(exported_run, variant)
    assert contents.tensors[contents.inputs[0]].shape == (1, 28, 28, 1)
    assert contents.tensors[contents.outputs[0]].shape == (1, 10)
    names = {op.name for op in contents.ops}
    assert not names & {"SHAPE", "STRIDED_SLICE", "PACK", "CUSTOM"}
    assert contents.subgraphs == 1


def test_weights_are_stored_as_the_variant_says(exported_run: Path) -> None:
    """The parameters of tiny-cnn by layer, counted by hand, and the type they are stored in."""
    kernels = {
        (16, 3, 3, 1): "CONV_2D",
        (32, 3, 3, 16): "CONV_2D",
        (64, 1568): "FULLY_CONNECTED",
        (10, 64): "FULLY_CONNECTED",
    }
    stored = {
        "float32": ("FLOAT32", 4.0),
        "float16": ("FLOAT16", 2.0),
        "int8": ("INT8", 1.0),
        "int16x8": ("INT8", 1.0),
        "qat-int8": ("INT8", 1.0),
        "int4": ("INT8", 1.0),
    }
    for variant, (dtype, width) in stored.items():
        found = {}
        for tensor in _contents(exported_run, variant).tensors:
            if tensor.bytes and len(tensor.shape) in (2, 4):
                found[tensor.shape] = tensor
        shapes = {(1, 3, 3, 16) if s == (16, 3, 3, 1) and s not in found else s for s in kernels}
        assert set(found) == shapes, variant
        for shape, tensor in found.items():
            four_bits = variant == "int4" and len(shape) == 2
            assert tensor.dtype == ("INT4" if four_bits else dtype), (variant, shape)
            assert tensor.bytes == int(np.prod(shape) * (0.5 if four_bits else width))


def test_dynamic_has_int8_weights_and_float_ends(exported_run: Path) -> None:
    contents = _contents(exported_run, "dynamic")
    ends = [contents.tensors[n].dtype for n in (*contents.inputs, *contents.outputs)]
    assert ends == ["FLOAT32", "FLOAT32"]
    largest = max(contents.tensors, key=lambda tensor: tensor.bytes)
    assert (largest.dtype, largest.bytes) == ("INT8", 64 * 1568)


def test_sizes_fall_as_expected(exported_run: Path) -> None:
    size = {f.stem: f.stat().st_size for f in (exported_run / "exports").iterdir()}
    assert size["float32"] > 105_866 * 4  # parameters of tiny-cnn
    assert 0.45 < size["float16"] / size["float32"] < 0.55
    assert 0.25 < size["int8"] / size["float32"] < 0.30
    assert 0.12 < size["int4"] / size["float32"] < 0.17


@pytest.mark.parametrize("variant", ["dynamic", "float32", "float16"])
def test_a_float_tensor_in_an_integer_export_is_an_error_that_names_the_op(
    exported_run: Path, variant: str
) -> None:
    data = (exported_run / "exports" / f"{variant}.tflite").read_bytes()
    first = "DEQUANTIZE" if variant == "float16" else "CONV_2D"
    with pytest.raises(
        ConversionError, match=rf"int8: not an integer model: {first} \(operation 0"
    ):
        check(data, RECIPES["int8"], "int8")
    check(data, RECIPES[variant], variant)


def test_sources(exported_run: Path, trained_run: Path) -> None:
    run, bare = open_run(exported_run), open_run(trained_run)
    assert [v.name for v in choose_variants(run, ["int8"], everything=False)] == [
        "int8",
        "pruned-int8",
    ]
    only = choose_variants(run, ["int8"], everything=False, source="model")
    assert [v.name for v in only] == ["int8"]
    with pytest.raises(UsageError, match="--source mine: unknown; choose one of model, pruned"):
        choose_variants(run, ["int8"], everything=False, source="mine")
    with pytest.raises(UsageError, match=r"--source pruned: .* holds no pruned\.keras"):
        choose_variants(bare, ["int8"], everything=False, source="pruned")


def _without(*packages: str) -> str:
    """A program that is the command line of a machine where these packages are not installed."""
    return (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({packages!r}))\n"
        "from edgedigits.cli.main import run\nrun()\n"
    )


TRAINING_PACKAGES = ("tensorflow", "tf_keras", "keras", "sklearn", "tensorflow_model_optimization")


def test_export_without_tensorflow_says_what_to_install(run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _without(*TRAINING_PACKAGES), "export", str(run), "--int8"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "edgedigits: export needs tensorflow, which is not installed: "
        "pip install 'edgedigits[train]'\n"
    )


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "{}", "--data", "digits", "--limit", "20", "--json"],
        ["inspect", "{}", "--json"],
        ["bench", "{}", "--rounds", "1", "--json"],
    ],
)
def test_files_are_used_without_tensorflow(run: Path, command: list[str]) -> None:
    file = str(run / "exports" / "int8.tflite")
    done = subprocess.run(
        [sys.executable, "-c", _without(*TRAINING_PACKAGES), *(a.format(file) for a in command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema_version"] == 1


def test_a_float32_file_is_needed_to_hold_others_against(run: Path, run_cli: RunCli) -> None:
    (run / "exports" / "float32.tflite").unlink()
    code, _, error = run_cli("export", run, "--int8", "--max-drop", 1)
    assert (code, error) == (
        2,
        "edgedigits: --max-drop: there is no float32 file to compare with; add --float32\n",
    )


# --- The slow ones: each starts TensorFlow again -------------------------------------------------


@pytest.mark.slow
def test_the_same_run_exports_to_the_same_bytes(
    exported_run: Path, run: Path, run_cli: RunCli
) -> None:
    shutil.rmtree(run / "exports")
    assert run_cli("export", run, "--all", "--int16x8", "--edgetpu", "--qat-epochs", 1)[0] == 0
    assert exported_bytes(run) == exported_bytes(exported_run)
    (run / "exports" / "int8.tflite").unlink()
    assert run_cli("export", run, "--int8", "--source", "model")[0] == 0
    assert exported_bytes(run) == exported_bytes(exported_run)


@pytest.mark.slow
def test_quantisation_aware_training_again_gives_the_same_bytes(
    exported_run: Path, run: Path, run_cli: RunCli
) -> None:
    (run / "qat.npz").write_bytes(b"damaged, so that it has to be trained again")
    assert run_cli("export", run, "--qat", "--qat-epochs", 1)[0] == 0
    assert exported_bytes(run) == exported_bytes(exported_run)


@pytest.mark.slow
def test_one_variant_that_fails_does_not_stop_the_others(run: Path, run_cli: RunCli) -> None:
    opened = open_run(run)
    (run / "pruned.keras").write_bytes(b"no model at all")
    (run / "exports" / "float32.tflite").unlink()
    before = (run / "exports" / "pruned-float32.tflite").read_bytes()
    variants = choose_variants(opened, ["float32"], everything=False)
    result = export(opened, variants, load_run_data(opened))
    assert [made.variant for made in result.exported] == ["float32"]
    assert [failed.variant for failed in result.failed] == ["pruned-float32"]
    assert "pruned.keras" in result.failed[0].message
    assert (run / "exports" / "float32.tflite").is_file()
    assert (run / "exports" / "pruned-float32.tflite").read_bytes() == before
    # With --all too it is a failure when nothing at all could be made, and the reason is told.
    code, _, error = run_cli("export", run, "--all", "--source", "pruned")
    assert code == 1
    assert "pruned.keras" in error.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_bad_calibration_set_is_caught_by_max_drop(run: Path, run_cli: RunCli) -> None:
    """Blank pictures teach the wrong ranges: the gate sees it, exits with 1, and keeps the file."""
    blank = run.parent / "blank"
    blank.mkdir()
    assert cv2.imwrite(str(blank / "0.png"), np.zeros((28, 28), np.uint8))
    assert run_cli("calibrate", run, "--from", blank)[0] == 0
    before = (run / "exports" / "int8.tflite").read_bytes()
    code, out, error = run_cli("export", run, "--int8", "--source", "model", "--max-drop", 0.5)
    assert code == 1
    line = error.strip().splitlines()[-1]
    assert line.startswith("edgedigits: more than 0.5 points of accuracy lost on the validation")
    assert "int8 lost " in line
    assert (run / "exports" / "int8.tflite").read_bytes() != before
    assert "int8" in out


@pytest.mark.slow
def test_stability_reports_the_scales_of_the_exported_file(run: Path, run_cli: RunCli) -> None:
    code, out, error = run_cli("calibrate", run, "--stability", "--json")
    assert code == 0, error
    found = json.loads(out)["stability"]
    scales = _contents(run, "int8").activation_scales()
    assert found["tensors"] == len(scales)
    assert found["samples"] == [500, 500]
    assert found["shifts"]
    for shift in found["shifts"]:
        assert shift["first"] == scales[shift["tensor"]][0]
        assert shift["change"] == pytest.approx(abs(shift["second"] / shift["first"] - 1))
    assert found["largest_change"] == max(shift["change"] for shift in found["shifts"])
    assert scales[_contents(run, "int8").tensors[0].name][1] == -128  # the input stays as it is
    assert not list(run.glob(f"{WORK_PREFIX}*"))


@pytest.mark.slow
def test_without_tensorflow_in_the_child_only(run: Path, tmp_path: Path, run_cli: RunCli) -> None:
    """A TensorFlow that is there but cannot be imported, as after a broken installation."""
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "tensorflow.py").write_text("raise ImportError('broken')\n")
    code, _, error = run_cli("export", run, "--int8", env={"PYTHONPATH": str(tmp_path / "shadow")})
    assert code == 1
    assert error.strip().splitlines()[-1] == (
        "edgedigits: export needs tensorflow, which is not installed: "
        "pip install 'edgedigits[train]'"
    )
