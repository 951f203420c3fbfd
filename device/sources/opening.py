"""From the name of a source to an open source."""

from __future__ import annotations

import re
from pathlib import Path

from edgedigits.device.sources.addresses import is_stream, open_stream
from edgedigits.device.sources.picamera import PiCamera
from edgedigits.device.sources.pictures import PictureSequence, is_pattern, is_picture
from edgedigits.device.sources.source import Source
from edgedigits.device.sources.v4l2 import open_camera
from edgedigits.device.sources.video import open_video_file
from edgedigits.errors import UsageError

TIMEOUT = 3.0  # seconds without a frame before a camera or stream counts as stalled

CAMERA = re.compile(r"([0-9]{1,3}|picamera(:[0-9]{1,2})?)\Z|/dev/")

KINDS = (
    "0, 1, … or /dev/video0 (a camera), picamera, a video file, img_%03d.png or a folder "
    "(pictures), http://… or rtsp://… (a stream)"
)


def open_source(
    name: str,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    timeout: float = TIMEOUT,
) -> Source:
    """Open a source by its name.

    Args:
        name: ``0``, ``1`` … or ``/dev/video0`` (V4L2), ``picamera`` or ``picamera:1``, a video
            file, a pattern such as ``img_%03d.png``, a picture or a folder of pictures, or an
            ``http://``, ``https://`` or ``rtsp://`` address.
        size: width and height in pixels to ask a camera for; it may give others.
        fps: frames per second to ask a camera for; it may give others.
        timeout: seconds to wait for a connection or a frame of a live source.

    Raises:
        UsageError: there is no such file or kind of source, or an option does not fit it.
        SourceError: no such camera, no permission, no connection, or it gives no video.
    """
    _check(name, size, fps)
    if re.fullmatch(r"[0-9]{1,3}", name):
        return open_camera(name, Path(f"/dev/video{int(name)}"), size, fps, timeout)
    if re.fullmatch(r"picamera(:[0-9]{1,2})?", name):
        number = int(name.partition(":")[2] or 0)
        return PiCamera(name, number, size, fps, timeout)
    if is_stream(name):
        return open_stream(name, timeout)
    path = Path(name)
    if name.startswith("/dev/") or path.is_char_device():
        return open_camera(name, path, size, fps, timeout)
    if not path.is_file() and (path.is_dir() or is_pattern(name)):
        return PictureSequence(name)
    if not path.is_file():
        raise UsageError(f"source {name}: there is no such file; a source is {KINDS}")
    if is_picture(name):
        return PictureSequence(name)
    return open_video_file(name, path)


def _check(name: str, size: tuple[int, int] | None, fps: float | None) -> None:
    if not name:  # as a path it would be the current folder
        raise UsageError(f"--source is empty; a source is {KINDS}")
    if size is not None and not all(16 <= side <= 16384 for side in size):
        raise UsageError(f"--size {size[0]}x{size[1]}: either side has 16 to 16384 pixels")
    if fps is not None and not 0 < fps <= 1000:
        raise UsageError(f"--fps {fps:g}: must be above 0, 1000 at most")
    asked = size is not None or fps is not None
    if asked and not CAMERA.match(name) and not Path(name).is_char_device():
        option = "--size" if size is not None else "--fps"
        raise UsageError(
            f"{option}: {name} is no camera, and cameras only can be asked; leave it out"
        )
