"""What the camera program refuses: options that do not fit, outputs that cannot be written."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_commits import seen

from edgedigits.device.frames import Frame
from edgedigits.device.outputs import Video
from edgedigits.errors import DataError, RunError

SEEN = replace(seen("1"), frame=Frame(np.zeros((48, 64), np.uint8), 0, 0.0))


def test_camera_options_that_do_not_fit(tmp_path: Path, run_cli: RunCli) -> None:
    there = tmp_path / "there.avi"
    there.write_bytes(b"")
    below = there / "x.avi"
    for arguments, code, expected in (
        (("--source", "none.avi"), 2, "none.avi"),
        (("--source", ""), 2, "the value after --source is empty"),
        (("--out", ""), 2, "the value after --out is empty"),
        (("--out=",), 2, "the value after --out is empty"),
        (("",), 2, "the value is empty"),
        (("--size", "large"), 2, "--size is large; it must be like 640x480"),
        (("--size", "5x5"), 2, "--size 5x5: either side has"),
        (("--fps", 0), 2, "--fps 0: must be above 0"),
        (("--fps", "nan"), 2, "--fps nan: must be above 0"),
        (("--source", tmp_path, "--fps", 5), 2, f"--fps: {tmp_path} is no camera"),
        (("--frames", 0), 2, "--frames is 0"),
        (("--commit-after", 0), 2, "--commit-after is 0"),
        (("--out", there), 2, "is there already"),
        (("--out", tmp_path / "none" / "x.avi"), 2, f"there is no folder {tmp_path / 'none'}"),
        (("--out", below), 2, f"--out {below}: there is no folder {there}; make it first"),
        (("--out", "/proc/x.avi"), 1, "/proc/x.avi: cannot write: "),
        (("--out", tmp_path / "x.gif"), 2, "must end in .avi or .mp4"),
        (("--token", "abc"), 2, "--token is for --preview"),
        (("--token=YWJj=",), 2, "--token is for --preview"),
        (("--host", "127.0.0.1"), 2, "--host is for --preview; add that"),
        (("--port", 0, "--metrics", 0), 2, "--port is for --preview; add that"),
        (("--metrics-host", "0.0.0.0"), 2, "--metrics-host is for --metrics PORT; add that"),
        (("--preview", "--host", "0.0.0.0"), 2, "--token"),
        (("--source", "63"), 1, "63"),
    ):
        found, _, error = run_cli("camera", *arguments)
        assert (found, error.count("\n")) == (code, 1), (arguments, error)
        assert expected in error


def test_a_video_whose_folder_has_gone_says_so_once(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    video = Video(folder / "x.avi")
    assert not list(folder.iterdir())
    folder.rmdir()
    with pytest.raises(DataError, match=r"x\.avi: OpenCV cannot write"), closing(video):
        video(SEEN)
    folder.mkdir()
    video = Video(folder / "x.avi")
    video(SEEN)
    shutil.rmtree(folder)
    with pytest.raises(RunError, match=r"x\.avi: cannot write: "):
        video.close()
    video.close()
