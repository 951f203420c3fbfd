"""The one file that touches cv2.VideoCapture: video files, cameras and streams through it."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.errors import SourceError

LARGE = 640 * 480  # pixels; beyond it USB 2 carries the full frame rate only as JPEG
SLOWEST, FASTEST = 0.1, 1000.0  # frames a second that a video file may mean

# FFmpeg would write its complaints beside our one line. OpenCV reads this at its first use of it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET


class VideoSource:
    """An open cv2.VideoCapture; see :class:`~edgedigits.device.sources.source.Source`.

    Args:
        name: what the user called it.
        capture: opened by one of this file's functions.
        live: a camera or stream.
        timeout: seconds that a read of a live source takes at most.
        fps: frames a second at which a file plays.
    """

    def __init__(
        self,
        name: str,
        capture: cv2.VideoCapture,
        *,
        live: bool,
        timeout: float,
        fps: float | None = None,
    ) -> None:
        self.name = name
        self.live = live
        self.fps = fps
        self.ended = False
        self._capture = capture
        self._timeout = timeout

    def read(self) -> NDArray[Any] | None:
        """The next frame, uint8 ``[h, w, 3]`` BGR, or None."""
        before = time.monotonic()
        good, image = self._capture.read()
        if good:
            return np.asarray(image)
        # OpenCV does not say why: a stall takes as long as it may, an end or a cut is at once.
        self.ended = not self.live or time.monotonic() - before < 0.9 * self._timeout
        return None

    def close(self) -> None:
        """Release the camera, file or connection."""
        self._capture.release()


def open_video_file(name: str, path: Path) -> VideoSource:
    """A video file, through FFmpeg; turned upright where it says how it was held.

    Raises:
        SourceError: it is no video.
    """
    _quiet()
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f"source {name}: the file is no video that can be read")
    fps = float(capture.get(cv2.CAP_PROP_FPS))  # 0, or a time base, where a file says nothing
    sensible = SLOWEST <= fps <= FASTEST
    return VideoSource(name, capture, live=False, timeout=0.0, fps=fps if sensible else None)


def open_video_stream(name: str, address: str, timeout: float) -> VideoSource | None:
    """A stream through FFmpeg, or None where it does not open, for whatever reason.

    Frames have the size of the first one: FFmpeg scales them if the stream's size changes.
    """
    _quiet()
    limit = max(1, round(1000 * timeout))
    options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit]
    capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, options)
    return VideoSource(name, capture, live=True, timeout=timeout) if capture.isOpened() else None


def open_video_device(
    name: str, node: Path, size: tuple[int, int] | None, fps: float | None, timeout: float
) -> VideoSource | None:
    """A camera through V4L2, or None where it does not open."""
    _quiet()
    # In whole seconds; OpenCV reads it once, before the first frame of the first camera.
    whole = math.ceil(timeout)
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(whole))
    capture = cv2.VideoCapture(str(node), cv2.CAP_V4L2)
    if not capture.isOpened():
        return None
    if size is not None:
        if size[0] * size[1] > LARGE:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if fps is not None:
        capture.set(cv2.CAP_PROP_FPS, fps)
    return VideoSource(name, capture, live=True, timeout=whole)


def _quiet() -> None:
    """Keep OpenCV's complaints off standard error, unless OPENCV_LOG_LEVEL asks for them."""
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
