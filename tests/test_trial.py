"""Opening files of unknown origin: whatever they do to the child, the program goes on."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from helpers_models import Graph, dense_file, endless_file, two_input_file, write

from edgedigits.device import trial
from edgedigits.device.classifier import Classifier
from edgedigits.device.interpreter import read_file
from edgedigits.device.trial import try_in_child
from edgedigits.errors import ModelFileError, UsageError


def _crashing_file() -> bytes:
    """A SPLIT into no parts: the runtime of today ends with a signal when it prepares it."""
    graph = Graph()
    picture, out = graph.tensor([1, 28, 28, 1]), graph.tensor([1, 28, 28, 1])
    axis = graph.tensor([], "INT32", np.array(1, np.int32))
    graph.op("SPLIT", [axis, picture], [out], numSplits=0)
    graph.ends([picture], [out])
    return graph.bytes()


def _huge_file() -> bytes:
    graph = Graph()
    picture, out = graph.tensor([1, 40_000, 40_000, 1]), graph.tensor([1, 40_000, 40_000, 1])
    graph.op("ABS", [picture], [out])
    graph.ends([picture], [out])
    return graph.bytes()


def _sound() -> bytes:
    return dense_file(np.zeros((10, 784), np.float32), np.zeros(10, np.float32))


def test_a_sound_file_passes(tmp_path: Path) -> None:
    file = write(tmp_path / "sound.tflite", _sound())
    try_in_child(file)
    assert read_file(file) == _sound()


def test_a_crash_ends_only_the_child(tmp_path: Path) -> None:
    file = write(tmp_path / "crash.tflite", _crashing_file())
    with pytest.raises(ModelFileError, match=r"crash\.tflite: loading it ends the process \(SIG"):
        Classifier(file)


def test_a_file_that_never_answers(tmp_path: Path) -> None:
    file = write(tmp_path / "endless.tflite", endless_file())
    began = time.perf_counter()
    with pytest.raises(ModelFileError, match=r"endless\.tflite: loading it did not end within 2 s"):
        try_in_child(file, time_limit=2)
    assert time.perf_counter() - began < 30


def test_a_file_that_asks_for_more_memory_than_is_given(tmp_path: Path) -> None:
    file = write(tmp_path / "huge.tflite", _huge_file())
    with pytest.raises(ModelFileError, match=r"huge\.tflite: "):
        try_in_child(file)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files(share: float, tmp_path: Path) -> None:
    whole = _sound()
    file = write(tmp_path / "cut.tflite", whole[: int(len(whole) * share)])
    with pytest.raises(ModelFileError, match=r"cut\.tflite: "):
        Classifier(file)


@pytest.mark.parametrize("head", [b"", b"\x1c\0\0\0TFL3"])
def test_random_bytes(head: bytes, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()
    with pytest.raises(ModelFileError, match=r"random\.tflite: "):
        Classifier(write(tmp_path / "random.tflite", head + noise))


def test_empty_text_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="the file is empty"):
        Classifier(write(tmp_path / "empty.tflite", b""))
    with pytest.raises(ModelFileError, match="not a TFLite file"):
        Classifier(write(tmp_path / "text.tflite", b"This is a text, not a model.\n"))
    with pytest.raises(ModelFileError, match="Is a directory"):
        Classifier(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        Classifier(tmp_path / "missing.tflite")


def test_two_inputs(tmp_path: Path) -> None:
    file = write(tmp_path / "two.tflite", two_input_file())
    with pytest.raises(ModelFileError, match="has 2 inputs and 1 outputs"):
        Classifier(file)


def test_our_own_file_needs_no_child_until_a_byte_changes(
    exported_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial costs half a second, so that it is spared where the digest vouches for the file."""
    opened: list[Path] = []
    monkeypatch.setattr(trial, "try_in_child", opened.append)
    ours = exported_run / "exports" / "int8.tflite"
    Classifier(ours)
    assert opened == []
    data = bytearray(ours.read_bytes())
    data[len(data) // 2] ^= 1
    changed = write(tmp_path / "changed.tflite", bytes(data))
    Classifier(changed)
    assert opened == [changed]


def test_a_path_with_blanks_and_accents(tmp_path: Path) -> None:
    file = write(tmp_path / "ein Modell – é.tflite", b"\0\0\0\0TFL3 and nothing")
    with pytest.raises(ModelFileError, match="ein Modell – é"):
        Classifier(file)
    assert Classifier(write(file, _sound())).classes == 10
