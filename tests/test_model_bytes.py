"""Files and paths that are no model: what is said of them, and that little of them is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgedigits.device.bundle.opening import resolve_model
from edgedigits.device.metadata import read_model_bytes
from edgedigits.errors import ModelFileError, UsageError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"text, and no model", "not a TFLite file"),
        (b"TFL3", "not a TFLite file"),
        (b"\0\0\0\0TFL", "not a TFLite file"),
    ],
)
def test_what_does_not_begin_like_a_tflite_file(
    content: bytes, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.tflite"
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        read_model_bytes(file)


def test_paths_that_lead_to_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_model_bytes(tmp_path / "missing.tflite")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no such file"):
        read_model_bytes(tmp_path / "file" / "below.tflite")
    with pytest.raises(ModelFileError, match="cannot be read: Is a directory"):
        read_model_bytes(tmp_path)
    with pytest.raises(ModelFileError, match="cannot be read: File name too long"):
        read_model_bytes(tmp_path / ("x" * 300))


def test_no_more_is_read_than_is_needed_to_refuse(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.tflite"
    os.mkfifo(pipe)
    assert resolve_model(pipe) == pipe
    with pytest.raises(ModelFileError, match="not an ordinary file"):
        read_model_bytes(pipe)
    with pytest.raises(ModelFileError, match="not an ordinary file"):
        read_model_bytes(Path("/dev/zero"))
    large = tmp_path / "large.tflite"
    for content, message in (
        (b"\0\0\0\0TFL3", "4,294,967,296 bytes are too many"),
        (b"text, and no model", "not a TFLite file .bytes 4 to 8 are"),
    ):
        large.write_bytes(content)
        os.truncate(large, 1 << 32)  # takes no room on the disk
        with pytest.raises(ModelFileError, match=message):
            read_model_bytes(large)
