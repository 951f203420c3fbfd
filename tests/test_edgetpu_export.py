"""``export --edgetpu``: the file for the compiler, and the compiler's report where there is one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from conftest import RunCli
from helpers_models import dense_file, nearest_mean, write

from edgedigits.convert.contents import read_contents
from edgedigits.convert.edgetpu import map_edgetpu
from edgedigits.convert.edgetpu_compiler import CompiledOps, compile_files, read_report
from edgedigits.convert.inspection import inspect_file
from edgedigits.data.builtin import load_digits

FAKE = Path(__file__).parent / "fake_edgetpu_compiler.py"

# As people quote it in issues of google-coral/edgetpu, shortened.
REPORT = """\
Edge TPU Compiler version 15.0.340273435

Model compiled successfully in 1379 ms.

Input model: model.tflite
Input size: 4.41MiB
Output model: model_edgetpu.tflite
Output size: 5.49MiB
On-chip memory used for caching model parameters: 1.92MiB
On-chip memory remaining for caching model parameters: 1.75KiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 19
Operation log: model_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU.
Number of operations that will run on Edge TPU: 18
Number of operations that will run on CPU: 1

Operator                       Count      Status

RESHAPE                        15         Mapped to Edge TPU
MAX_POOL_2D                    3          Mapped to Edge TPU
CUSTOM                         1          Operation is working on an unsupported data type
See the operation log file for individual operation details.
"""


@pytest.fixture
def fake_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fake compiler, first on the PATH."""
    program = tmp_path / "bin" / "edgetpu_compiler"
    write(program, f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "$@"\n'.encode())
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


def test_a_report_is_read() -> None:
    report = read_report(REPORT, Path("x"))
    assert report.version == "15.0.340273435"
    assert report.ops == (
        CompiledOps("RESHAPE", 15, "Mapped to Edge TPU"),
        CompiledOps("MAX_POOL_2D", 3, "Mapped to Edge TPU"),
        CompiledOps("CUSTOM", 1, "Operation is working on an unsupported data type"),
    )
    assert (report.mapped, report.total, report.subgraphs) == (18, 19, 1)
    assert report.on_chip_bytes == round(1.92 * 1024 * 1024)
    assert (report.on_chip_left_bytes, report.streamed_bytes) == (1792, 0)


def test_a_report_that_says_nothing() -> None:
    report = read_report("", Path("x"))
    assert (report.version, report.ops, report.subgraphs) == ("of unknown version", (), None)
    assert report.on_chip_bytes is None


def test_the_file_has_one_scale_a_dense_layer_and_maps_as_a_whole(exported_run: Path) -> None:
    exports = exported_run / "exports"
    made, usual = (
        read_contents((exports / f"{name}.tflite").read_bytes(), name)
        for name in ("edgetpu-int8", "int8")
    )
    scales = [
        [len(c.tensors[op.inputs[1]].scales) for op in c.ops if op.name == "FULLY_CONNECTED"]
        for c in (made, usual)
    ]
    assert scales == [[1, 1], [64, 10]]
    assert made.fully_int8()
    mapping = map_edgetpu(made)
    assert all(op.segment for op in mapping.ops)
    assert mapping.warnings == ()
    (warning,) = map_edgetpu(usual).warnings
    assert "edgedigits export --edgetpu" in warning


def test_without_a_compiler_it_is_said_and_the_file_is_there(exported_run: Path) -> None:
    document = json.loads((exported_run / "export.json").read_text())
    found = {Path(entry["file"]).stem: entry for entry in document["edgetpu"]}
    assert set(found) == {"edgetpu-int8", "pruned-edgetpu-int8"}
    entry = found["edgetpu-int8"]
    assert (entry["compiler"], entry["report"]) == (None, None)
    assert (entry["would_map"], entry["operations"]) == (8, 8)
    assert Path(entry["file"]).is_file()
    assert not (exported_run / "edgetpu").exists()


def test_the_fake_compiler_is_run_and_its_report_kept(
    exported_run: Path, tmp_path: Path, fake_on_path: Path
) -> None:
    lines: list[str] = []
    file = exported_run / "exports" / "edgetpu-int8.tflite"
    (made,) = compile_files([file], tmp_path / "edgetpu", lines.append)
    assert made.compiler == str(fake_on_path)
    assert made.report is not None
    assert (made.report.mapped, made.report.total) == (8, 8)
    assert made.report.on_chip_bytes == 106_752
    assert made.report.file == tmp_path / "edgetpu" / "edgetpu-int8_edgetpu.tflite"
    assert "compiled for the Edge TPU" in inspect_file(made.report.file).objections()
    log = made.report.file.with_suffix(".log").read_text()
    assert "Edge TPU Compiler version 16.0.fake" in log
    (line,) = lines
    assert "8 of 8 operations run on the Edge TPU (8 of 8 operations were expected)" in line
    names = sorted(path.name for path in (tmp_path / "edgetpu").iterdir())
    assert names == ["edgetpu-int8_edgetpu.log", "edgetpu-int8_edgetpu.tflite"]


def test_the_fake_compiler_does_not_map_what_we_warn_about(
    exported_run: Path, tmp_path: Path, fake_on_path: Path
) -> None:
    (made,) = compile_files([exported_run / "exports" / "int8.tflite"], tmp_path, lambda _: None)
    assert made.mapping.warnings
    assert made.report is not None
    assert made.report.mapped == 5  # up to the first Dense layer


def test_what_the_compiler_refuses_is_one_line(tmp_path: Path, fake_on_path: Path) -> None:
    train = load_digits().train
    assert train.labels is not None
    data = dense_file(*nearest_mean(train.images, train.labels, 10))
    file = write(tmp_path / "float.tflite", data)
    (made,) = compile_files([file], tmp_path / "out", lambda _: None)
    assert made.report is None
    assert made.compiler == str(fake_on_path)
    assert made.error is not None
    (line,) = made.error.splitlines()
    assert made.to_json()["error"] == line
    assert line.startswith(f"edgetpu_compiler: refuses {file} (exit code 1): ")
    assert line.endswith("Model not quantized")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_the_command_compiles_into_the_run(run: Path, run_cli: RunCli, fake_on_path: Path) -> None:
    options = ["--edgetpu", "--source", "model", "--json"]
    code, out, error = run_cli("export", run, *options)
    assert code == 0, error
    (entry,) = json.loads(out)["edgetpu"]
    assert entry["report"]["mapped"] == 8
    assert Path(entry["report"]["file"]).parent == run / "edgetpu"


@pytest.mark.slow
def test_the_command_says_what_it_made_where_the_compiler_refuses(
    run: Path, run_cli: RunCli, fake_on_path: Path
) -> None:
    fake_on_path.write_text("#!/bin/sh\necho Model not quantized\nexit 1\n")
    code, out, error = run_cli("export", run, "--edgetpu", "--source", "model", "--json")
    assert code == 1
    line = error.splitlines()[-1]
    assert line.startswith("edgedigits: edgetpu_compiler: refuses ")
    document = json.loads(out)
    assert [made["variant"] for made in document["exported"]] == ["edgetpu-int8"]
    (entry,) = document["edgetpu"]
    assert (entry["report"], f"edgedigits: {entry['error']}") == (None, line)
    assert Path(entry["file"]).is_file()
