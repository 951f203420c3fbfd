"""What is said of a damaged ``.keras`` file, read as data; no Keras is needed."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgedigits.errors import ModelFileError
from edgedigits.keras_files import layer_kinds


@pytest.fixture(scope="module")
def good() -> bytes:
    """An archive as Keras writes it, as far as it is read as data."""
    layer = {"class_name": "Dense", "config": {"name": "answer", "units": 10}}
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": [layer]}}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", np.random.default_rng(0).bytes(3000))
    return held.getvalue()


def _said(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        layer_kinds(path)
    (line,) = str(caught.value).splitlines()
    return line.removeprefix(f"{path}: ")


def test_a_good_one_is_read(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "a.keras"
    path.write_bytes(good)
    assert layer_kinds(path) == {"answer": "Dense"}


@pytest.mark.parametrize("lost", [1, 22, 500, 3000])
def test_one_that_is_cut_short_is_damaged_and_of_no_other_kind(
    lost: int, tmp_path: Path, good: bytes
) -> None:
    assert _said(tmp_path / "a.keras", good[:-lost]).startswith("damaged: a .keras file without")


def test_other_damage(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "a.keras"
    directory = good.rindex(b"PK\x01\x02", 0, good.rindex(b"metadata.json"))
    for at, value, part in (
        (directory + 10, 77, "That compression method is not supported"),
        (directory + 8, 64, "strong encryption"),
        (good.index(b"3.0.0"), 0xFF, "Bad CRC"),
    ):
        data = bytearray(good)
        data[at] = value
        said = _said(path, bytes(data))
        assert said.startswith("damaged, or not saved by Keras (")
        assert part in said
    assert _said(path, b"") == "the file is empty"
    assert _said(path, b"some text").startswith("neither a .keras nor an .h5 file")
