"""Files that come with the package: each is what the JSON beside it says, and is found by name."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import pytest
from conftest import RunCli

import edgedigits.zoo
from edgedigits.device.classifier import Classifier
from edgedigits.device.sidecar import is_as_written
from edgedigits.errors import ModelFileError, UsageError
from edgedigits.models.registry import MODELS
from edgedigits.zoo import Spread, copy_out, resolve_file, spread, zoo_entry, zoo_file, zoo_files

FILES = sorted(Path(edgedigits.zoo.__file__).parent.glob("*.tflite"))


def test_there_is_a_reader() -> None:
    assert edgedigits.zoo.reader_file() in FILES
    assert sorted(zoo_files().values()) == FILES


def test_files_for_the_same_data_stand_together_the_smallest_first() -> None:
    entries = [zoo_entry(name) for name in zoo_files()]
    together = [list(group) for _, group in groupby(entries, key=lambda entry: entry.data)]
    assert len(together) == len({entry.data for entry in entries})
    for files in together:
        sizes = [entry.bytes for entry in files]
        assert sizes == sorted(sizes)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_and_how_it_was_made(file: Path) -> None:
    document = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    data = file.read_bytes()
    assert document["bytes"] == len(data)
    assert document["sha256"] == hashlib.sha256(data).hexdigest()
    assert is_as_written(file, data)
    metadata = Classifier(file).metadata
    assert metadata is not None
    assert document["metadata"] == metadata.to_json()
    assert document["rejection"] == (metadata.rejection and asdict(metadata.rejection))
    assert document["model"] == metadata.model
    assert all(command.startswith("edgedigits ") for command in document["commands"])
    assert document["settings"]["seed"] == document["shipped_seed"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_keeps_to_the_kibibytes_of_its_name(file: Path) -> None:
    limit = re.search(r"-(\d+)k\b", file.stem)
    assert limit is not None or file == edgedigits.zoo.reader_file()
    if limit is not None:
        assert file.stat().st_size <= int(limit[1]) * 1024


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_entry_is_its_document(file: Path) -> None:
    entry = zoo_entry(file.stem)
    assert (entry.path, entry.bytes) == (file, file.stat().st_size)
    assert entry.shipped_seed in [seed.seed for seed in entry.seeds]
    assert entry.data == entry.metadata["data"]
    assert 0 < entry.parameters < 2 * entry.bytes  # at least four bits a number
    assert entry.macs > entry.parameters
    assert entry.model in MODELS  # 'edgedigits models --json' lists files by model
    assert zoo_file(file.stem) == resolve_file(file.stem) == file


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped files that a test may change, in place of the package's."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    for file in FILES:
        shutil.copy(file, folder)
        shutil.copy(file.with_suffix(".json"), folder)
    monkeypatch.setattr(edgedigits.zoo, "FOLDER", folder)
    return folder


def test_what_exists_at_the_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_file("digit-reader") == edgedigits.zoo.reader_file()
    Path("digit-reader").write_bytes(b"mine")
    assert resolve_file("digit-reader") == Path("digit-reader")


def test_what_is_neither_path_nor_name_is_refused() -> None:
    for typed in ("digit-raeder", "digit-reader.tflite", "runs/a/digit-reader.tflite"):
        with pytest.raises(UsageError, match=rf"^{typed}: no such file; did you mean the shipped"):
            resolve_file(typed)
    with pytest.raises(UsageError, match=r"^x/q: no such file; of shipped files there are .*digit"):
        resolve_file("x/q")
    too_long = "x" * 5000  # a path, whose reader says what is wrong with it
    assert resolve_file(too_long) == Path(too_long)
    with pytest.raises(UsageError, match=r"no shipped file is called q; of shipped files"):
        zoo_entry("q")


def test_a_damaged_shipped_file_is_refused(zoo: Path) -> None:
    file = zoo / "digit-reader.tflite"
    data = bytearray(file.read_bytes())
    data[5000] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"digit-reader\.tflite: is not the file that was sh"):
        resolve_file("digit-reader")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bytes": "x"}'])
def test_a_damaged_description_is_refused(zoo: Path, text: str) -> None:
    (zoo / "digit-reader.json").write_text(text)
    with pytest.raises(ModelFileError, match=r"digit-reader\.json: cannot be read as a descr"):
        zoo_entry("digit-reader")


def test_mean_and_deviation_by_hand() -> None:
    assert spread([]) is None
    assert spread([None]) is None
    assert spread([0.5, None]) == Spread(0.5, None, 1)
    found = spread([0.9, 0.8, None, 0.7])
    assert found is not None
    assert found.deviation is not None
    assert (found.n, round(found.mean, 9), round(found.deviation, 9)) == (3, 0.8, 0.1)
    two = spread([0.0, 1.0])
    assert two is not None
    assert two.deviation == pytest.approx(math.sqrt(0.5))


def test_commands_take_a_name(run_cli: RunCli, tmp_path: Path) -> None:
    code, out, error = run_cli("bench", "digit-reader", "--rounds", 1, "--json", cwd=tmp_path)
    assert code == 0, error
    assert json.loads(out)["rows"][0]["file"] == str(edgedigits.zoo.reader_file())
    code, out, error = run_cli("inspect", "digit-reader", "--json", cwd=tmp_path)
    assert code == 0, error
    assert json.loads(out)["metadata"] == zoo_entry("digit-reader").metadata
    for command in (
        ("evaluate", "digit-raeder", "--data", "digits"),
        ("predict", "digit-raeder", "--data", "digits", "--out", "x.csv"),
        ("recognise", __file__, "--model", "digit-raeder"),
        ("camera", "--model", "digit-raeder"),
    ):
        code, out, error = run_cli(*command, cwd=tmp_path)
        assert (code, out) == (2, ""), command
        assert "no such file; did you mean the shipped file digit-reader?" in error


def test_looking_a_file_up_imports_nothing_heavy() -> None:
    code = (
        "import sys; from edgedigits.zoo import zoo_file; zoo_file('digit-reader');"
        "print(sorted({'numpy', 'cv2', 'tensorflow', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_copied_out_whole_and_not_over_another_file(tmp_path: Path) -> None:
    target = tmp_path / "sub" / "mine.tflite"
    written = copy_out("digit-reader", target)
    assert written == (target, target.with_suffix(".json"))
    reader = edgedigits.zoo.reader_file()
    assert target.read_bytes() == reader.read_bytes()
    assert Classifier(target).metadata == Classifier(reader).metadata
    target.unlink()
    with pytest.raises(UsageError, match=r"mine\.json: already exists; add --overwrite"):
        copy_out("digit-reader", target)
    copy_out("digit-reader", target, overwrite=True)
    assert target.is_file()
    with pytest.raises(UsageError, match=r"--out .*mine: the file's name must end in \.tflite"):
        copy_out("digit-reader", tmp_path / "mine")
    assert sorted(path.name for path in target.parent.iterdir()) == ["mine.json", "mine.tflite"]


@pytest.mark.parametrize("before", ["nothing", "a folder", "other files"])
def test_nothing_in_part_where_a_file_cannot_be_written(before: str, tmp_path: Path) -> None:
    """The JSON file fits into the limit and the model does not, as on a disk that runs full."""
    target, beside = tmp_path / "a.tflite", tmp_path / "a.json"
    if before == "a folder":
        target.mkdir()
    elif before == "other files":
        target.write_text("mine")
        beside.write_text("mine too")
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000));"
        "from edgedigits.cli.main import run; run()"
    )
    words = ("export", "--from-zoo", "mnist-8k", "--out", str(target), "--overwrite")
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == (2 if before == "a folder" else 1)
    assert done.stderr.startswith(f"edgedigits: {target}: ")
    assert done.stderr.count("\n") == 1
    if before == "other files":
        assert (target.read_text(), beside.read_text()) == ("mine", "mine too")
        beside.unlink()
        target.unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["a.tflite"] * (before == "a folder")


def test_export_from_zoo(run_cli: RunCli, tmp_path: Path) -> None:
    call = ("export", "--from-zoo", "digit-reader", "--out", "a.tflite")
    code, out, error = run_cli(*call, "--json", cwd=tmp_path)
    assert code == 0, error
    (made,) = json.loads(out)["exported"]
    data = (tmp_path / "a.tflite").read_bytes()
    assert made["sha256"] == hashlib.sha256(data).hexdigest() == zoo_entry("digit-reader").sha256
    assert json.loads((tmp_path / "a.json").read_text())["sha256"] == made["sha256"]
    refused = {
        call: "a.tflite: already exists; add --overwrite",
        ("export", "--from-zoo", "digit-raeder", "--out", "b.tflite"): "did you mean",
        ("export", "--from-zoo", "digit-reader"): "add --out FILE.tflite",
        (*call, "--int8"): "--from-zoo writes a shipped file as it is",
        (*call, "runs/a"): "--from-zoo writes a shipped file as it is",
        ("export",): "no RUN: name a run folder",
        ("export", "runs/a", "--int8", "--out", "b.tflite"): "--out and --overwrite go with",
    }
    for words, expected in refused.items():
        code, out, error = run_cli(*words, cwd=tmp_path)
        assert (code, out) == (2, ""), words
        assert expected in error, words
    code, out, error = run_cli(*call, "--overwrite", cwd=tmp_path)
    assert code == 0, error
    assert "a.json says how it was made" in out
    assert not list(tmp_path.glob("*.c"))


def test_export_from_zoo_as_c(run_cli: RunCli, tmp_path: Path) -> None:
    call = ("export", "--from-zoo", "mnist-8k", "--c-array", "--out", "small.tflite")
    (tmp_path / "small_model.h").write_text("mine")
    code, out, error = run_cli(*call, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert "small_model.h: already exists; add --overwrite" in error
    assert not (tmp_path / "small.tflite").exists()
    code, out, error = run_cli(*call, "--overwrite", "--json", cwd=tmp_path)
    assert code == 0, error
    (array,) = json.loads(out)["c_arrays"]
    assert array["source"] == "small_model.c"
    assert array["arena_bytes"] >= (zoo_entry("mnist-8k").arena_bytes or 0) > 0
    text = (tmp_path / "small_model.c").read_text()
    numbers = re.findall(r"0x[0-9a-f]{2}", text)
    assert bytes(int(n, 16) for n in numbers) == (tmp_path / "small.tflite").read_bytes()
    defined = f"#define SMALL_MODEL_ARENA_BYTES {array['arena_bytes']}"
    assert defined in (tmp_path / "small_model.h").read_text()
