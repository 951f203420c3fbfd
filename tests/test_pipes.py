"""A named pipe where a file is expected is said so at once: nobody waits for its other end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from edgedigits.calibration.make import calibration_set_from_folder
from edgedigits.data.crop_labels import read_crop_labels
from edgedigits.data.crops import read_index
from edgedigits.data.registry import load_data
from edgedigits.device.pictures import check_pictures
from edgedigits.device.sidecar import file_metadata
from edgedigits.device.unsure_folder import CropFolder
from edgedigits.errors import DataError, EdgedigitsError, RunError
from edgedigits.files import read_json
from edgedigits.keras_files import load_keras
from edgedigits.picture_files import read_picture
from edgedigits.run import RunFolder
from edgedigits.run_data import load_split
from edgedigits.train.importing import import_model
from edgedigits.train.starting import init_file


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    def too_long(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.csv", lambda path: load_data(str(path))),
        ("a.npz", lambda path: load_data(str(path))),
        ("a.keras", load_keras),
        ("a.h5", load_keras),
        ("a.keras", lambda path: import_model(path, "digits", path.with_name("run"))),
        ("a.keras", lambda path: init_file(str(path))),
        ("a.png", read_picture),
        ("a.png", lambda path: check_pictures([path], None)),
        ("run.json", lambda path: read_json(path, "a run")),
        ("split.json", lambda path: load_split(RunFolder(path.parent))),
        ("labels.csv", lambda path: read_crop_labels(path.parent)),
    ],
)
def test_one_line(name: str, read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(EdgedigitsError, match=rf"{name}: .*is no ordinary file"):
        read(pipe(tmp_path / name))


@pytest.mark.parametrize(
    "names",
    [
        ("train.csv",),
        ("0/a.png", "1/a.png"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("labels.csv",),
    ],
)
def test_pipes_in_a_folder_are_no_data(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        pipe(tmp_path / name)
    with pytest.raises(DataError, match=r"holds n|is no ordinary file"):
        load_data(str(tmp_path))


def test_pipes_for_calibration(tmp_path: Path) -> None:
    pipe(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: .*is no ordinary file"):
        calibration_set_from_folder(None, tmp_path)  # type: ignore[arg-type]  # is not come to


def test_a_pipe_beside_a_file_is_nothing(tmp_path: Path) -> None:
    pipe(tmp_path / "a.json")
    assert file_metadata(tmp_path / "a.tflite", b"") is None


def test_a_pipe_as_the_index_of_crops(tmp_path: Path) -> None:
    pipe(tmp_path / "index.jsonl")
    assert read_index(tmp_path) == {}
    with pytest.raises(RunError, match="is no ordinary file"):
        CropFolder(tmp_path, 1000)
