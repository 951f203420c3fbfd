"""``edgedigits bundle``: what goes in comes out, and nothing else is taken for a bundle."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunCli
from helpers_bundle import (
    array,
    float_file,
    metadata,
    parts_of,
    with_manifest,
    zipped,
)
from helpers_models import dense_file, nearest_mean, plain_loop
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedigits.bundling import make_bundle
from edgedigits.convert.stamp import stamp
from edgedigits.data.builtin import load_digits
from edgedigits.device.bundle.archive import LARGEST, pack
from edgedigits.device.bundle.contents import bundle_of, is_bundle, open_bundle
from edgedigits.device.bundle.opening import resolve_model
from edgedigits.device.sidecar import file_metadata
from edgedigits.errors import BundleError, DataError, ModelFileError, UsageError
from edgedigits.zoo import zoo_file

NAMES = [
    "manifest.json",
    "model.tflite",
    "model.json",
    "golden/pictures.npy",
    "golden/reference.npy",
    "golden/default.npy",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the smallest shipped file."""
    out = tmp_path_factory.mktemp("bundle") / "a.bundle"
    make_bundle(zoo_file("mnist-8k"), out)
    return out


def refused(data: bytes) -> str:
    """The one line that a file's bytes are refused with."""
    with pytest.raises(BundleError) as error:
        bundle_of(data, Path("x.bundle"))
    line = str(error.value)
    assert line.startswith("x.bundle: ")
    assert line.isprintable()
    assert len(line) < 250
    return line


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


# --- damage --------------------------------------------------------------------------------------


def test_every_flipped_byte_is_refused(bundle: Path) -> None:
    whole = bundle.read_bytes()
    bundle_of(whole, bundle)
    edges = [*range(1500), *range(len(whole) - 1000, len(whole))]
    for position in {*edges, *range(0, len(whole), 37)}:
        data = bytearray(whole)
        data[position] ^= 1 << position % 8
        refused(bytes(data))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_cut_out_put_in_or_appended_is_refused(bundle: Path, data: st.DataObject) -> None:
    whole = bundle.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 400)))
    new = data.draw(st.binary(max_size=40))
    changed = whole[:start] + new + whole[end:]
    if changed != whole:
        refused(changed)


def test_every_truncation_is_refused(bundle: Path) -> None:
    whole = bundle.read_bytes()
    last = range(len(whole) - 90, len(whole))
    for length in [*range(1, 300), *range(300, len(whole), 97), *last]:
        refused(whole[:length])
    assert "ends in the middle of a part; copy it again" in refused(whole[:20_000])


def _renamed(parts: dict[str, bytes], old: str, new: str) -> list[tuple[str, bytes]]:
    return [(new if name == old else name, content) for name, content in parts.items()]


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("../model.tflite", "'../model.tflite' is no part of a bundle"),
        ("/etc/passwd", "'/etc/passwd' is no part of a bundle"),
        ("golden/../../x", "'golden/../../x' is no part of a bundle"),
        ("model.tflite\x1b[2J", "a part is called b'model.tflite\\x1b[2J'"),
        ("mödel.tflite", "not packed by edgedigits"),
        ("MODEL.TFLITE", "'MODEL.TFLITE' is no part of a bundle"),
        ("x" * 5000, "is no part of a bundle"),
    ],
)
def test_names_that_lead_elsewhere(bundle: Path, new: str, said: str) -> None:
    line = refused(zipped(_renamed(parts_of(bundle), "model.tflite", new)))
    assert said in line or (new == "mödel.tflite" and "a part is called" in line)


def test_parts_that_are_too_many_too_few_or_twice_there(bundle: Path) -> None:
    parts = parts_of(bundle)
    for name in NAMES:
        fewer = {key: content for key, content in parts.items() if key != name}
        assert refused(zipped(fewer)) == f"x.bundle: refused: {name} is missing"
    assert "'setup.py' is no part of a bundle" in refused(zipped({**parts, "setup.py": b"x"}))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped([*parts.items(), ("model.tflite", b"another")])
    assert "holds model.tflite twice" in refused(twice)
    many = {**parts, **{f"part{i}": b"" for i in range(5000)}}
    assert "holds more than 16 parts" in refused(zipped(many))


def test_other_orders_and_packers_are_refused(bundle: Path) -> None:
    parts = parts_of(bundle)
    bundle_of(zipped(parts), bundle)  # the helper packs as the program does
    assert "in another order" in refused(zipped(list(parts.items())[::-1]))
    assert "not packed by edgedigits" in refused(zipped(parts, zipfile.ZIP_DEFLATED))
    assert refused(b"MZ" + zipped(parts)).endswith("make one with 'edgedigits bundle'")
    refused(zipped(parts) + b"\0")


def test_a_zip_bomb_is_never_inflated(bundle: Path) -> None:
    bomb = zipped({**parts_of(bundle), "model.tflite": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 200_000
    refused(bomb)


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_part_that_is_not_the_one_named(bundle: Path, name: str) -> None:
    parts = parts_of(bundle)
    other = bytearray(parts[name])
    other[-20] ^= 1
    line = refused(zipped({**parts, name: bytes(other)}))
    assert f"{name} is not the one its manifest names (another sha256)" in line
    line = refused(zipped({**parts, name: parts[name] + b" "}))
    assert f"{name} has {len(parts[name]) + 1:,} bytes, its manifest says" in line


MANIFESTS: dict[str, Any] = {
    "schema version 2, this one reads 1": lambda d: d.update(schema_version=2),
    "schema version None": lambda d: d.update(schema_version=None),
    "its manifest is none": lambda d: d.pop("golden"),
    "its manifest is none ": lambda d: d.update(kind="cake"),
    "its manifest is none  ": lambda d: d.update(parts=3),
    "its manifest is none   ": lambda d: d["made"].update(host=[1]),
    "does not name the parts": lambda d: d["parts"].pop(),
    "does not name the parts ": lambda d: d["parts"].append(d["parts"][0]),
    "does not name the parts  ": lambda d: d["parts"][0].update(name="../x"),
    "": lambda d: d["parts"][0].update(bytes="many"),
}


@pytest.mark.parametrize("said", MANIFESTS)
def test_manifests_of_another_kind(bundle: Path, said: str) -> None:
    assert said.strip() in refused(zipped(with_manifest(parts_of(bundle), MANIFESTS[said])))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b'{"kind": 1}', b"[" * 100_000, b"\xff"])
def test_manifests_that_are_no_json(bundle: Path, text: bytes) -> None:
    refused(zipped({**parts_of(bundle), "manifest.json": text}))


def test_what_a_manifest_says_cannot_reach_the_terminal(bundle: Path) -> None:
    hostile = with_manifest(parts_of(bundle), lambda d: d.update(name="a\x1b[31m\nb" + "c" * 999))
    name = bundle_of(zipped(hostile), bundle).manifest.name
    assert name.isprintable()
    assert len(name) == 200


NPY = b"\x93NUMPY\x01\x00"


def _npy(header: str, body: bytes = b"") -> bytes:
    return NPY + struct.pack("<H", len(header)) + header.encode() + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        NPY,
        _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (40, 28, 28)}"),
        _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 28, 28)}", b"x"),
        _npy("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 28, 28)}", bytes(784)),
        _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (784,)}", bytes(784)),
        _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 28, 28)}"),
        _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 28, 28)}"),
        _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (41, 28, 28)}", bytes(41 * 784)),
        _npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 28, 28)}", bytes(784 * 8)),
        _npy("__import__('os').system('false')"),
    ],
)
def test_arrays_made_to_deceive(bundle: Path, content: bytes) -> None:
    parts = with_manifest({**parts_of(bundle), "golden/pictures.npy": content})
    assert "its pictures" in refused(zipped(parts)) or "its outputs" in refused(zipped(parts))


def test_outputs_that_do_not_fit_together(bundle: Path) -> None:
    parts = parts_of(bundle)
    short = _npy("{'descr': '|i1', 'fortran_order': False, 'shape': (40, 9)}", bytes(360))
    line = refused(zipped(with_manifest({**parts, "golden/default.npy": short})))
    assert line.endswith("its outputs of default kernels are not of the shape of the others")
    wide = _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (40, 10)}", bytes(3200))
    assert "of type float64" in refused(
        zipped(with_manifest({**parts, "golden/reference.npy": wide}))
    )


def test_the_json_beside_must_be_of_this_model(bundle: Path, tmp_path: Path) -> None:
    parts = parts_of(bundle)
    beside = json.loads(parts["model.json"])
    for said, changed in {
        "was written for another model": beside | {"sha256": "0" * 64},
        "says nothing of a model": beside | {"metadata": {}},
        "says nothing of a model ": [],
    }.items():
        text = json.dumps(changed).encode()
        line = refused(zipped(with_manifest({**parts, "model.json": text})))
        assert line == f"x.bundle: refused: model.json {said.strip()}"
    (tmp_path / "m.tflite").write_bytes(float_file())
    make_bundle(tmp_path / "m.tflite", tmp_path / "m.bundle")
    parts = parts_of(tmp_path / "m.bundle")
    beside = json.loads(parts["model.json"])
    beside["metadata"]["labels"][3] = "8"
    parts["model.json"] = json.dumps(beside).encode()
    assert "says something else than the model itself" in refused(zipped(with_manifest(parts)))


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none: no such file$"):
        open_bundle(tmp_path / "none")
    with pytest.raises(BundleError, match=r"not a bundle: not an ordinary file$"):
        open_bundle(tmp_path)
    with pytest.raises(BundleError, match=r"not an ordinary file$"):
        open_bundle(Path("/dev/zero"))
    (tmp_path / "empty").touch()
    with pytest.raises(BundleError, match=r"the file is empty$"):
        open_bundle(tmp_path / "empty")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST + 1)  # sparse
    with pytest.raises(BundleError, match=r"bytes are too many$"):
        open_bundle(tmp_path / "large")


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
    assert answers[0]["rejection"] == answers[1]["rejection"]
    assert list(tmp_path.iterdir()) == [], "the copy is gone"

    broken = tmp_path / "broken.bundle"
    broken.write_bytes(bundle.read_bytes()[:-1])
    code, out, error = run_cli("inspect", broken)
    assert (code, out) == (1, "")
    assert error.startswith(f"edgedigits: {broken}: ")


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
