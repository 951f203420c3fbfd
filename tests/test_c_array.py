"""C source for TensorFlow Lite Micro: compiled, and read back."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_models import Graph, dense_file, nearest_mean, write

from edgedigits.convert.arena import plan_arena
from edgedigits.convert.c_array import c_array, identifier, quote, write_c_array
from edgedigits.convert.contents import read_contents
from edgedigits.data.builtin import load_digits
from edgedigits.errors import ConversionError
from edgedigits.zoo import reader_file

COMPILER = shutil.which("cc")
# In CI a compiler is promised: there the tests run, and fail where it is missing.
needs_compiler = pytest.mark.skipif(
    COMPILER is None and os.environ.get("CI") != "1", reason="no C compiler 'cc' is installed"
)
needs_cplusplus = pytest.mark.skipif(
    shutil.which("c++") is None and os.environ.get("CI") != "1",
    reason="no C++ compiler 'c++' is installed",
)

PROGRAM = """
#include <stdio.h>
#include <stdint.h>
#include "{name}.h"
static unsigned char arena[{upper}_ARENA_BYTES];
int main(void) {{
  fprintf(stderr, "%u %u %d", {name}_length, (unsigned)sizeof arena, (int)((uintptr_t){name} % 16));
  for (int i = 0; i < {upper}_LABEL_COUNT; ++i) fprintf(stderr, "\\n%s", {name}_labels[i]);
  return fwrite({name}, 1, {name}_length, stdout) != {upper}_LENGTH;
}}
"""


def run_c(folder: Path, name: str, *language: str) -> tuple[bytes, list[str]]:
    """Compile the source strictly with a program that prints it, and run that."""
    assert COMPILER is not None
    (folder / "main.c").write_text(PROGRAM.format(name=name, upper=name.upper()))
    command = [COMPILER, *language, "-Wall", "-Wextra", "-Werror", "-pedantic", "-o", "program"]
    subprocess.run([*command, "main.c", f"{name}.c"], cwd=folder, check=True)
    result = subprocess.run([str(folder / "program")], capture_output=True, check=True)
    return result.stdout, result.stderr.decode().split("\n")


@needs_compiler
def test_the_compiled_array_is_the_file(tmp_path: Path) -> None:
    file = Path(shutil.copy(reader_file(), tmp_path))
    made = write_c_array(file)
    content, told = run_c(tmp_path, "digit_reader_model", "-std=c11")
    data = file.read_bytes()
    assert content == data
    assert told[0] == f"{len(data)} {made.arena_bytes} 0"
    assert told[1:11] == list("0123456789")
    assert made.arena_bytes == plan_arena(read_contents(data, "x"), "x").smallest


@needs_compiler
def test_the_array_asks_for_its_alignment(tmp_path: Path) -> None:
    # Compilers align long arrays anyway: what the declaration asks for is what counts.
    assert COMPILER is not None
    write_c_array(Path(shutil.copy(reader_file(), tmp_path)))
    asked = '_Static_assert(__alignof__(digit_reader_model) == 16, "not aligned");\n'
    write(tmp_path / "asked.c", f'#include "digit_reader_model.c"\n{asked}'.encode())
    subprocess.run([COMPILER, "-std=gnu11", "-c", "asked.c"], cwd=tmp_path, check=True)


@needs_compiler
@needs_cplusplus
def test_the_same_source_compiles_as_cplusplus(tmp_path: Path) -> None:
    file = write(tmp_path / "8-bit.tflite", dense_file(*nearest_mean_of_digits()))
    write_c_array(file)
    content, told = run_c(tmp_path, "m8_bit_model", "-x", "c++", "-std=c++11")
    assert content == file.read_bytes()
    assert told[1:] == list("0123456789")  # a file without metadata: its classes are numbered


def nearest_mean_of_digits() -> tuple[np.ndarray, np.ndarray]:
    train = load_digits().train
    assert train.labels is not None
    return nearest_mean(train.images, train.labels, 10)


@needs_compiler
@pytest.mark.parametrize("text", ['a "b" \\n', "Größe", "what??/", "T-shirt/top", "1\n2", "é7"])
def test_quoted_text_reads_the_same_in_c(tmp_path: Path, text: str) -> None:
    assert COMPILER is not None
    program = f"#include <stdio.h>\nint main(void) {{ return fputs({quote(text)}, stdout) < 0; }}\n"
    write(tmp_path / "quote.c", program.encode("ascii"))
    command = [COMPILER, "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", "quote", "quote.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    told = subprocess.run([str(tmp_path / "quote")], capture_output=True, check=True).stdout
    assert told.decode() == text


def test_names_that_c_allows() -> None:
    assert identifier("channels-int8") == "channels_int8"
    assert identifier("8k") == "m8k"
    assert identifier("é") == "m_"


def test_the_header_says_what_the_arena_is_made_of() -> None:
    made = c_array(reader_file().read_bytes(), "digit-reader.tflite")
    arena = plan_arena(read_contents(reader_file().read_bytes(), "x"), "x")
    comment = " ".join(made.header.replace("\n *", "").split())
    assert f"{arena.head:,} for the tensors and {arena.tail:,} for the tables" in comment
    assert f"on 32 bits they want {arena.target:,}." in comment
    assert f"_ARENA_BYTES {arena.head + arena.tail}\n" in made.header
    assert "Input: int8 1x28x28x1; real value = 0.00392156886 * (stored - (-128))" in comment
    assert "CONV_2D" in comment


def test_what_micro_does_not_run_is_refused() -> None:
    graph = Graph()
    a, b = graph.tensor([1, 4]), graph.tensor([1, 2])
    weights = graph.tensor([2, 4], "INT8", np.ones((2, 4), np.int8), scale=0.1)
    graph.op("FULLY_CONNECTED", [a, weights, -1], [b])
    graph.ends([a], [b])
    with pytest.raises(ConversionError, match=re.escape("d.tflite: its weights are int8 and its")):
        c_array(graph.bytes(), "d.tflite")


@pytest.mark.parametrize("variant", ["float16", "dynamic", "int4"])
def test_variants_that_micro_does_not_run_are_refused(exported_run: Path, variant: str) -> None:
    with pytest.raises(ConversionError, match="which TensorFlow Lite Micro does not run; use one"):
        write_c_array(exported_run / "exports" / f"{variant}.tflite", exported_run)


@pytest.mark.parametrize("variant", ["float32", "int8", "int16x8", "qat-int8"])
def test_variants_that_micro_runs_are_written(
    exported_run: Path, tmp_path: Path, variant: str
) -> None:
    file = exported_run / "exports" / f"{variant}.tflite"
    made = write_c_array(file, tmp_path)
    body = made.source.read_text().partition("[] = {")[2].partition("}")[0]
    assert bytes(int(value, 16) for value in re.findall(r"0x(\w\w)", body)) == file.read_bytes()


def test_export_writes_c_beside_the_files_that_micro_runs(run: Path, run_cli: RunCli) -> None:
    shutil.rmtree(run / "exports")
    options = ["--int8", "--float16", "--source", "model", "--c-array", "--json"]
    code, out, error = run_cli("export", run, *options)
    assert code == 0, error
    names = sorted(file.name for file in (run / "exports").iterdir())
    assert names == ["float16.tflite", "int8.tflite", "int8_model.c", "int8_model.h"]
    (written,) = json.loads(out)["c_arrays"]
    assert written["source"] == str(run / "exports" / "int8_model.c")
    assert f"_ARENA_BYTES {written['arena_bytes']}\n" in Path(written["header"]).read_text()
    assert "float16.tflite: its weights are float16" in " ".join(error.split())


def test_c_is_refused_before_the_work_where_nothing_can_be_written(
    run: Path, run_cli: RunCli
) -> None:
    code, _, error = run_cli("export", run, "--dynamic", "--float16", "--c-array")
    assert code == 2
    assert error == (
        "edgedigits: --c-array: TensorFlow Lite Micro does not run float16 or dynamic; "
        "add --int8 or --float32\n"
    )
    assert len(error.splitlines()) == 1
