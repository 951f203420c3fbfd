"""Damaged and hostile bundles: each is refused in one line, and nothing is written."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from helpers_bundle import (
    NAMES,
    float_file,
    parts_of,
    with_manifest,
    zipped,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedigits.bundling import make_bundle
from edgedigits.device.bundle.archive import LARGEST
from edgedigits.device.bundle.contents import bundle_of, open_bundle
from edgedigits.errors import BundleError, UsageError


def refused(data: bytes) -> str:
    """The one line that a file's bytes are refused with."""
    with pytest.raises(BundleError) as error:
        bundle_of(data, Path("x.bundle"))
    line = str(error.value)
    assert line.startswith("x.bundle: ")
    assert line.isprintable()
    assert len(line) < 250
    return line


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
