"""What a file says of itself: round trips, any flipped byte found, damaged bytes survived."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from helpers_models import Graph, dense_file
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedigits.convert.contents import read_contents
from edgedigits.convert.stamp import stamp
from edgedigits.device.metadata import (
    METADATA_NAME,
    Metadata,
    is_unchanged,
    read_metadata,
)
from edgedigits.errors import ModelFileError
from edgedigits.preprocess import Preprocessing

VALUES: dict[str, Any] = {
    "variant": "int8",
    "source": "pruned",
    "model": "tiny-cnn",
    "recipe": {"name": "int8", "calibrated": True},
    "labels": ("Null", 'a "quoted" name', "Füße", "\\"),
    "preprocessing": Preprocessing(low=-1.0, high=1.0),
    "output": "probabilities",
    "data": "some/path.csv",
    "digests": {"model": "0" * 64, "data": "f" * 64},
    "versions": {"numpy": "2.4"},
}
METADATA = Metadata(**VALUES)


def _plain(seed: int = 0) -> bytes:
    weights = np.random.default_rng(seed).normal(size=(4, 784)).astype(np.float32)
    return dense_file(weights, np.zeros(4, np.float32))


STAMPED = stamp(_plain(), METADATA)


def _answers(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    picture = np.random.default_rng(1).random((1, 28, 28, 1), np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    output = interpreter.get_output_details()[0]["index"]
    return np.array(interpreter.get_tensor(output))


def _with_entry(
    blob: bytes, name: bytes = METADATA_NAME.encode(), buffer: int | None = None
) -> bytes:
    """A file with any bytes as our metadata entry, written by the schema's own code."""
    model = schema.ModelT.InitFromPackedBuf(_plain(), 0)
    stored = schema.BufferT()
    stored.data = np.frombuffer(blob, np.uint8)
    model.buffers.append(stored)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name, len(model.buffers) - 1 if buffer is None else buffer
    model.metadata = [entry]
    graph = Graph()
    graph.model = model
    return graph.bytes()


def test_round_trip() -> None:
    assert read_metadata(STAMPED) == METADATA
    assert is_unchanged(STAMPED)


def test_the_stamped_file_runs_in_the_plain_runtime_as_before() -> None:
    np.testing.assert_array_equal(_answers(STAMPED), _answers(_plain()))


def test_stamping_keeps_the_graph_and_adds_little() -> None:
    before, after = read_contents(_plain(), "a"), read_contents(STAMPED, "b")
    assert (before.tensors, before.ops) == (after.tensors, after.ops)
    assert after.metadata == (METADATA_NAME,)
    assert len(STAMPED) < len(_plain()) + 1500


def test_stamping_again_replaces() -> None:
    other = Metadata(**{**VALUES, "variant": "float32"})
    again = stamp(STAMPED, other)
    assert read_metadata(again) == other
    assert read_contents(again, "x").metadata == (METADATA_NAME,)
    assert stamp(again, METADATA) == STAMPED
    assert is_unchanged(again)


def test_constant_data_begins_at_multiples_of_16() -> None:
    model = schema.Model.GetRootAs(STAMPED, 0)
    found = 0
    for i in range(model.BuffersLength()):
        buffer = model.Buffers(i)
        if buffer.DataLength():
            found += 1
            start = buffer._tab.Vector(buffer._tab.Offset(4))
            assert start % 16 == 0, f"buffer {i} begins at byte {start}"
    assert found == 4  # the shape of the reshape, weights, bias, metadata


def test_weights_that_look_like_the_empty_digest_stay() -> None:
    """A Dense layer whose bytes are all the character 0 must not be taken for the digest."""
    weights = np.frombuffer(b"0" * (4 * 4 * 784), np.float32).reshape(4, 784)
    stamped = stamp(dense_file(weights, np.zeros(4, np.float32)), METADATA)
    assert is_unchanged(stamped)
    stored = [b.data for b in schema.ModelT.InitFromPackedBuf(stamped, 0).buffers]
    assert weights.tobytes() in [bytes(data) for data in stored if data is not None]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(STAMPED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(position: int, change: int) -> None:
    damaged = bytearray(STAMPED)
    damaged[position] ^= change
    assert not is_unchanged(bytes(damaged))


@pytest.mark.parametrize("cut", [1, 7, 8, 20, 500, len(STAMPED) - 1])
def test_a_cut_or_longer_file_is_noticed(cut: int) -> None:
    assert not is_unchanged(STAMPED[:-cut])
    assert not is_unchanged(STAMPED + b"\0" * cut)


def test_a_file_without_metadata() -> None:
    assert read_metadata(_plain()) is None
    assert not is_unchanged(_plain())
    assert read_metadata(_with_entry(b"{}", b"min_runtime_version")) is None


def _changed(**changes: Any) -> bytes:
    return json.dumps({**METADATA.to_json(), **changes}).encode()


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\xff\xfe not text",
        b"{",
        b"[]",
        b"null",
        b"17",
        b'"text"',
        b"{}",
        b"[" * 100_000,
        _changed(edgedigits=2),
        _changed(labels=5),
        _changed(labels=None),
        _changed(digests=[1]),
        _changed(recipe="x"),
        _changed(preprocessing=[]),
        _changed(preprocessing={**METADATA.preprocessing.to_json(), "side": float("inf")}),
        _changed(preprocessing={**METADATA.preprocessing.to_json(), "low": float("nan")}),
        _changed(preprocessing={**METADATA.preprocessing.to_json(), "high": "much"}),
        _changed(preprocessing={"side": 28}),
    ],
)
def test_metadata_that_makes_no_sense_counts_as_absent(blob: bytes) -> None:
    assert read_metadata(_with_entry(_changed())) == METADATA  # the way in is right
    assert read_metadata(_with_entry(blob)) is None


@pytest.mark.parametrize("buffer", [0, 99, 2**32 - 1])
def test_an_entry_that_points_nowhere(buffer: int) -> None:
    assert read_metadata(_with_entry(b"{}", buffer=buffer)) is None


def _mutants(data: bytes, count: int, seed: int) -> list[bytes]:
    """Damaged copies: cut short, single bits, single bytes and whole words changed."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 3, 10])):
            # Offsets and tables lie at the two ends, constants in between.
            near = rng.choice(
                [rng.randrange(len(data)), rng.randrange(900), -rng.randrange(1, 900)]
            )
            kind = rng.randrange(4)
            if kind == 0:
                damaged[near % len(damaged)] ^= 1 << rng.randrange(8)
            elif kind == 1:
                damaged[near % len(damaged)] = rng.randrange(256)
            elif kind == 2:
                word = rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, rng.randrange(1 << 32)])
                start = near % (len(damaged) - 4)
                damaged[start : start + 4] = word.to_bytes(4, "little")
            elif len(damaged) > 64:
                del damaged[rng.randrange(32, len(damaged)) :]
                break
        made.append(bytes(damaged))
    return made


@pytest.fixture(scope="module")
def mutants() -> list[bytes]:
    return _mutants(STAMPED, 2000, 5)


def test_reading_metadata_survives_2000_damaged_files(mutants: list[bytes]) -> None:
    slowest = 0.0
    for damaged in mutants:
        began = time.perf_counter()
        found = read_metadata(damaged)
        assert found is None or isinstance(found, Metadata)
        assert not is_unchanged(damaged) or damaged == STAMPED
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 2


def test_reading_contents_survives_damaged_files(mutants: list[bytes]) -> None:
    refused, slowest = 0, 0.0
    for damaged in mutants:
        began = time.perf_counter()
        try:
            contents = read_contents(damaged, "x")
            contents.verdict()
            contents.activation_scales()
        except ModelFileError:
            refused += 1
        slowest = max(slowest, time.perf_counter() - began)
    assert refused > 100
    assert slowest < 5


def test_exported_files_carry_what_the_run_says(exported_run: Path) -> None:
    import hashlib

    manifest = json.loads((exported_run / "run.json").read_text())
    calibration = json.loads((exported_run / "calibration.json").read_text())
    model = hashlib.sha256((exported_run / "model.keras").read_bytes()).hexdigest()
    for file in sorted((exported_run / "exports").glob("*.tflite")):
        data = file.read_bytes()
        assert is_unchanged(data), file
        found = read_metadata(data)
        assert found is not None
        assert found.variant == file.stem
        assert found.labels == tuple("0123456789")
        assert (found.preprocessing, found.output) == (Preprocessing(), "probabilities")
        assert found.digests["data"] == manifest["data"]["digest"]
        assert found.digests["model"] == model
        calibrated = found.recipe["calibrated"]
        assert found.digests.get("calibration") == (calibration["digest"] if calibrated else None)
        assert _answers_load(data)


def _answers_load(data: bytes) -> bool:
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    interpreter.invoke()
    return True
