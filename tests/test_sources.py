"""Sources of frames: what they give, pixel for pixel, and what they say where they cannot."""

from __future__ import annotations

import grp
import os
import struct
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers_camera import write_clip
from helpers_frames import frame, images, number_of, write_video
from helpers_picamera import FakePicamera2, picamera2_module
from numpy.typing import NDArray

from edgedigits.device.nodes import check_node
from edgedigits.device.sources import open_source
from edgedigits.device.sources.pictures import list_pictures
from edgedigits.errors import DataError, SourceError, UsageError

LONG = 30.0  # seconds; a timeout that no test is meant to reach


def write_picture(path: Path, image: NDArray[Any]) -> None:
    assert cv2.imwrite(str(path), image)


# Files


def test_a_pattern_gives_every_picture_exactly(tmp_path: Path) -> None:
    # From 7 on, with a gap, and past the pattern's width.
    numbers = [7, 8, 9, 10, 12, 99, 100, 101, 1000]
    for i, number in enumerate(numbers):
        write_picture(tmp_path / f"img_{number:03d}.png", frame(i))
    write_picture(tmp_path / "img_0011.png", frame(200))  # not as %03d writes 11
    write_picture(tmp_path / "other_011.png", frame(201))
    source = open_source(str(tmp_path / "img_%03d.png"))
    assert not source.live
    for i, image in enumerate(images(source)):
        np.testing.assert_array_equal(image, frame(i))
    assert len(list_pictures(str(tmp_path / "img_%03d.png"))) == len(numbers)


def test_a_video_file_says_how_fast_it_plays(tmp_path: Path) -> None:
    file = write_clip(tmp_path / "a.avi", frames=2)
    assert open_source(str(file)).fps == 10
    data = bytearray(file.read_bytes())
    scale = data.index(b"strh") + 28  # of the stream's header; its rate stands behind it
    for rate, expected in ((1000, 1000.0), (90_000, None)):
        data[scale : scale + 8] = struct.pack("<2I", 1, rate)
        file.write_bytes(data)
        assert open_source(str(file)).fps == expected
    write_picture(tmp_path / "a.png", frame(0))
    assert open_source(str(tmp_path / "a.png")).fps is None


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    names = ["1.png", "2.png", "10.png", "a1b2.png", "a1b10.png", "a2b1.PNG", "b.bmp"]
    for i, name in enumerate(names):
        write_picture(tmp_path / name, frame(i))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    assert [number_of(image) for image in images(open_source(str(tmp_path)))] == list(range(7))


def test_pictures_of_other_kinds_become_grey_or_bgr(tmp_path: Path) -> None:
    grey = frame(3)[:, :, 0]
    clear = np.dstack([frame(4), np.zeros((240, 320), np.uint8)])
    write_picture(tmp_path / "0.png", grey)
    write_picture(tmp_path / "1.png", clear)
    write_picture(tmp_path / "2.png", grey.astype(np.uint16) * 256 + 5)
    first, second, third = images(open_source(str(tmp_path)))
    np.testing.assert_array_equal(first, grey)
    np.testing.assert_array_equal(second, np.full((240, 320), 255))
    np.testing.assert_array_equal(third, grey)
    (single,) = images(open_source(str(tmp_path / "0.png")))
    np.testing.assert_array_equal(single, grey)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "0.png", frame(0))
    (tmp_path / "1.png").write_bytes(b"no picture")
    source = open_source(str(tmp_path))
    assert source.read() is not None
    with pytest.raises(DataError, match=r"1\.png: is no picture"):
        source.read()


def test_a_lossless_video_is_exact(tmp_path: Path) -> None:
    write_video(tmp_path / "video.avi", "FFV1", 12)
    source = open_source(str(tmp_path / "video.avi"))
    assert not source.live
    found = images(source)
    assert len(found) == 12
    for number, image in enumerate(found):
        np.testing.assert_array_equal(image, frame(number))


def test_a_lossy_video_is_in_order(tmp_path: Path) -> None:
    write_video(tmp_path / "video.avi", "MJPG", 256)
    found = images(open_source(str(tmp_path / "video.avi")))
    assert [number_of(image) for image in found] == list(range(256))


def test_a_video_held_sideways_is_turned_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.mp4"
    write_video(path, "mp4v", 3)
    data = bytearray(path.read_bytes())
    # The track header's matrix of ISO 14496-12, 40 bytes into its fields; here: turn clockwise.
    matrix = data.index(b"tkhd") + 4 + 40
    one, minus_one = (1 << 16).to_bytes(4, "big"), (-1 << 16).to_bytes(4, "big", signed=True)
    zero = bytes(4)
    assert data[matrix : matrix + 4] == one
    data[matrix : matrix + 20] = zero + one + zero + minus_one + zero
    path.write_bytes(data)
    found = images(open_source(str(path)))
    assert [image.shape for image in found] == [(320, 240, 3)] * 3
    back = [cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE) for image in found]
    assert [number_of(image) for image in back] == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b"this is no video\n" * 100, bytes(range(256)) * 64])
def test_a_file_that_is_no_video(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"video\.mp4: the file is no video"):
        open_source(str(path))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["missing.avi", "missing_%03d.png", "empty", "", "camera", "-1"])
def test_what_is_not_there_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    if name == "":
        name = str(tmp_path / "none" / "img_%d.png")
    with pytest.raises(UsageError, match=r"source .*: (there is no such|there are no|cannot be)"):
        open_source(name)


def test_no_name_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_picture(tmp_path / "0.png", frame(0))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--source is empty; a source is"):
        open_source("")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (640, 480)}, "--size: .* is no camera, and cameras only can be asked"),
        ({"fps": 15.0}, "--fps: .* is no camera, and cameras only can be asked"),
        ({"size": (0, 480)}, "--size 0x480: either side has 16 to 16384 pixels"),
        ({"fps": 0.0}, "--fps 0: must be above 0"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_picture(tmp_path / "0.png", frame(0))
    with pytest.raises(UsageError, match=message):
        open_source(str(tmp_path), **options)


# Cameras


def test_no_such_camera(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match=r"source 97: there is no /dev/video97; "):
        open_source("97", size=(640, 480), fps=30)
    assert capfd.readouterr() == ("", "")


def test_a_node_that_is_no_camera(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match=r"/dev/null does not open as a camera"):
        open_source("/dev/null")
    assert capfd.readouterr() == ("", "")


def test_no_permission_names_the_group_of_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "video0"
    node.write_bytes(b"")
    if os.geteuid() == 0:
        os.chown(node, -1, grp.getgrnam("video").gr_gid)
        monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may do everything
    node.chmod(0)
    group = grp.getgrgid(node.stat().st_gid).gr_name
    with pytest.raises(SourceError) as error:
        check_node("0", node)
    assert f"the group {group}: sudo usermod -aG {group} $USER, then log in again" in str(
        error.value
    )


@pytest.fixture
def picamera(monkeypatch: pytest.MonkeyPatch) -> type[FakePicamera2]:
    monkeypatch.setitem(sys.modules, "picamera2", picamera2_module(FakePicamera2))
    monkeypatch.setattr(FakePicamera2, "in_use", set())
    return FakePicamera2


@pytest.mark.parametrize(
    ("size", "shape"), [(None, (480, 640)), ((321, 240), (240, 320)), ((1640, 1232), (1232, 1640))]
)
def test_picamera_gives_the_luma_of_the_small_stream(
    picamera: type[FakePicamera2], size: tuple[int, int] | None, shape: tuple[int, int]
) -> None:
    source = open_source("picamera", size=size, fps=15, timeout=LONG)
    assert source.live
    for number in range(3):
        image = source.read()
        assert image is not None
        assert image.shape == shape
        np.testing.assert_array_equal(image, frame(number, shape[1], shape[0])[:, :, 1])
    source.close()
    assert not picamera.in_use
    source.close()


def test_picamera_that_stalls_can_be_closed_and_opened_again(
    picamera: type[FakePicamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picamera, "frames", 1)
    source = open_source("picamera:0", timeout=0.2)
    assert source.read() is not None
    assert source.read() is None
    with pytest.raises(SourceError, match="busy; another program may be using it"):
        open_source("picamera")
    source.close()
    open_source("picamera").close()


def test_picamera_without_a_camera(
    picamera: type[FakePicamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match="picamera:1: there is only one camera: use picamera"):
        open_source("picamera:1")
    monkeypatch.setattr(picamera, "cameras", [])
    with pytest.raises(SourceError, match="no camera found; check the ribbon cable and rpicam-"):
        open_source("picamera")


def test_picamera_that_does_not_start_is_given_back(
    picamera: type[FakePicamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FakePicamera2) -> None:
        raise RuntimeError("Failed to start\n  camera")

    monkeypatch.setattr(picamera, "start", fail)
    with pytest.raises(SourceError, match="does not start: Failed to start camera"):
        open_source("picamera")
    assert not picamera.in_use


def test_picamera_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError, match=r"apt install python3-picamera2.*--system-site-packages"):
        open_source("picamera")
