"""``edgedigits bundle``: what goes in comes out, and nothing else is taken for a bundle."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_bundle import (
    NAMES,
    array,
    float_file,
    metadata,
    parts_of,
)
from helpers_models import dense_file, nearest_mean, plain_loop

from edgedigits.bundling import make_bundle
from edgedigits.convert.stamp import stamp
from edgedigits.data.builtin import load_digits
from edgedigits.device.bundle.archive import pack
from edgedigits.device.bundle.contents import is_bundle, open_bundle
from edgedigits.device.bundle.opening import resolve_model
from edgedigits.device.sidecar import file_metadata
from edgedigits.errors import DataError, ModelFileError, UsageError
from edgedigits.zoo import zoo_file

# --- round trip ----------------------------------------------------------------------------------


def test_what_went_in_comes_out(bundle: Path) -> None:
    source = zoo_file("mnist-8k")
    parts = parts_of(bundle)
    assert list(parts) == NAMES
    assert parts["model.tflite"] == source.read_bytes()
    document = json.loads(parts["manifest.json"])
    assert (document["schema_version"], document["name"]) == (1, "mnist-8k")
    assert [part["name"] for part in document["parts"]] == NAMES[1:]
    for part in document["parts"]:
        content = parts[part["name"]]
        assert part["bytes"] == len(content)
        assert part["sha256"] == hashlib.sha256(content).hexdigest()
    opened = open_bundle(bundle)
    assert opened.metadata == file_metadata(source, source.read_bytes())
    assert opened.metadata.rejection is not None
    assert opened.sha256 == hashlib.sha256(bundle.read_bytes()).hexdigest()


def test_golden_pictures_are_those_of_the_rule(bundle: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    test = load_digits().test
    assert test is not None
    runner = Interpreter(model_path=str(zoo_file("mnist-8k")))
    runner.allocate_tensors()
    source, target = runner.get_input_details()[0], runner.get_output_details()[0]
    outputs = []
    for picture in test.images:
        row = (picture.astype(np.int16) - 128).astype(np.int8)
        runner.set_tensor(source["index"], row.reshape(source["shape"]))
        runner.invoke()
        outputs.append(runner.get_tensor(target["index"])[0].astype(int))
    ordered = np.sort(np.array(outputs), axis=1)
    margins = ordered[:, -1] - ordered[:, -2]

    parts = parts_of(bundle)
    pictures, stored = array(parts["golden/pictures.npy"]), array(parts["golden/default.npy"])
    assert (len(pictures), pictures.dtype, stored.dtype) == (40, np.uint8, np.int8)
    position = {picture.tobytes(): i for i, picture in enumerate(test.images)}
    chosen = [position[picture.tobytes()] for picture in pictures]
    assert len(set(chosen)) == 40
    assert sorted(margins[chosen[:16]]) == sorted(margins)[:16]
    assert test.labels is not None
    counts = np.bincount(test.labels[chosen[16:]], minlength=10)
    assert counts.min() >= 2
    assert (stored == np.array(outputs)[chosen]).all()
    assert (stored.argmax(axis=1) == plain_loop(zoo_file("mnist-8k"), pictures)).all()


@pytest.mark.parametrize("softmax", [True, False])
def test_float_outputs_are_those_of_numpy(tmp_path: Path, softmax: bool) -> None:
    (tmp_path / "m.tflite").write_bytes(float_file(softmax=softmax))
    make_bundle(tmp_path / "m.tflite", tmp_path / "m.bundle")
    parts = parts_of(tmp_path / "m.bundle")
    train = load_digits().train
    assert train.labels is not None
    weights, bias = nearest_mean(train.images, train.labels, 10)
    pictures = array(parts["golden/pictures.npy"])
    expected = pictures.reshape(len(pictures), -1) / 255 @ weights.T.astype(float) + bias
    if softmax:
        powers = np.exp(expected - expected.max(axis=1, keepdims=True))
        expected = powers / powers.sum(axis=1, keepdims=True)
    for kernels in ("reference", "default"):
        found = array(parts[f"golden/{kernels}.npy"])
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < 1e-3


def test_the_same_inputs_give_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    make_bundle(zoo_file("mnist-8k"), tmp_path / "another name")
    assert (tmp_path / "another name").read_bytes() == bundle.read_bytes()


def test_the_container_byte_by_byte() -> None:
    """Written out by the zip format's description, so that no Python writes another."""
    parts = {"a": b"one", "b/c": b""}
    body, directory = b"", b""
    for name, content in parts.items():
        fields = struct.pack(
            "<5H3I2H", 20, 0, 0, 0, 33, zlib.crc32(content), len(content), len(content),
            len(name), 0,
        )  # fmt: skip
        directory += b"PK\1\2" + struct.pack("<BB", 20, 3) + fields
        directory += struct.pack("<3H2I", 0, 0, 0, 0o100644 << 16, len(body)) + name.encode()
        body += b"PK\3\4" + fields + name.encode() + content
    end = b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 2, 2, len(directory), len(body), 0)
    assert pack(parts) == body + directory + end


def test_a_bundle_is_no_larger_than_what_is_in_it(bundle: Path) -> None:
    parts = parts_of(bundle)
    assert bundle.stat().st_size < sum(map(len, parts.values())) + 150 * len(parts)


# --- making one ----------------------------------------------------------------------------------


def test_files_that_no_bundle_is_made_of(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(dense_file(np.zeros((10, 784), np.float32), np.zeros(10, np.float32)))
    with pytest.raises(ModelFileError, match=r"foreign\.tflite: does not say what its classes are"):
        make_bundle(foreign, tmp_path / "x")
    with pytest.raises(UsageError, match=r": is a folder; name a file with --out"):
        make_bundle(foreign, tmp_path)
    (tmp_path / "there").touch()
    with pytest.raises(UsageError, match=r"there: already exists; add --overwrite"):
        make_bundle(zoo_file("mnist-8k"), tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign.tflite", "there"]


def test_other_classes_need_their_data(tmp_path: Path) -> None:
    names = tuple(f"shirt {i}" for i in range(10))
    clothes = tmp_path / "clothes.tflite"
    clothes.write_bytes(float_file(labels=names))
    with pytest.raises(
        UsageError, match=r"\(shirt 0, .*\) are not the digits; name its data .*--d"
    ):
        make_bundle(clothes, tmp_path / "x")
    with pytest.raises(DataError, match=r"digits: its classes \(0, 1, 2, …\) are not those of"):
        make_bundle(clothes, tmp_path / "x", data="digits")
    digits = load_digits().test
    assert digits is not None
    images, labels = digits.images[:30], digits.labels
    assert labels is not None
    mine = tmp_path / "mine.npz"
    np.savez(mine, images=images, labels=labels[:30], class_names=np.array(names))
    made = make_bundle(clothes, tmp_path / "x", data=str(mine))
    assert made.metadata.labels == names
    assert len(made.golden) == 30
    assert made.manifest.golden.data == "mine.npz"
    assert str(tmp_path) not in made.manifest_text.decode()


# --- as FILE of other commands -------------------------------------------------------------------


def test_a_bundle_is_a_file_too(bundle: Path, run_cli: RunCli, tmp_path: Path) -> None:
    assert is_bundle(bundle)
    assert not is_bundle(zoo_file("mnist-8k"))
    assert not is_bundle(tmp_path / "none")
    file = resolve_model(bundle)
    assert file.read_bytes() == zoo_file("mnist-8k").read_bytes()
    assert file_metadata(file, file.read_bytes()) is not None

    answers = []
    for named in (bundle, "mnist-8k"):
        code, out, error = run_cli(
            "evaluate", named, "--data", "digits", "--json", env={"TMPDIR": str(tmp_path)}
        )
        assert code == 0, error
        answers.append(json.loads(out))
    assert answers[0]["confusion"] == answers[1]["confusion"]
    assert answers[0]["file"] == str(bundle)
    assert answers[0]["rejection"] == answers[1]["rejection"]
    assert list(tmp_path.iterdir()) == [], "the copy is gone"

    for command, *options in (
        ("inspect",),
        ("bench", "--rounds", 1),
        ("predict", "--data", "digits", "--out", tmp_path / "answers.csv"),
    ):
        code, out, error = run_cli(command, bundle, *options, "--json")
        assert code == 0, error
        document = json.loads(out)
        assert document.get("rows", [document])[0]["file"] == str(bundle)

    broken = tmp_path / "broken.bundle"
    broken.write_bytes(bundle.read_bytes()[:-1])
    code, out, error = run_cli("inspect", broken)
    assert (code, out) == (1, "")
    assert error.startswith(f"edgedigits: {broken}: ")


def test_a_refused_bundle_is_called_by_its_own_name(bundle: Path, run_cli: RunCli) -> None:
    words = ("evaluate", bundle, "--data", "digits", "--split", "validation")
    code, _, error = run_cli(*words)
    assert code == 2
    assert error.startswith(
        f"edgedigits: --split validation: {bundle} does not lie in a run folder"
    )


def test_the_program_makes_and_refuses(run_cli: RunCli, tmp_path: Path) -> None:
    code, out, error = run_cli("bundle", "mnist-8k", "--out", "b", "--json", cwd=tmp_path)
    assert code == 0, error
    document = json.loads(out)
    assert document["sha256"] == hashlib.sha256((tmp_path / "b").read_bytes()).hexdigest()
    assert (document["golden"]["pictures"], document["signer"]) == (40, None)
    code, out, error = run_cli("verify", "none", cwd=tmp_path)
    assert (code, out, error) == (2, "", "edgedigits: none: no such file\n")
    (tmp_path / "m.tflite").write_bytes(stamp(float_file(), metadata()))
    before = sorted(tmp_path.iterdir())
    code, out, error = run_cli("verify", "m.tflite", cwd=tmp_path)
    assert (code, out) == (1, "")
    assert error == "edgedigits: m.tflite: not a bundle; make one with 'edgedigits bundle'\n"
    assert sorted(tmp_path.iterdir()) == before
