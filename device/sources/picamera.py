"""The one file that touches Picamera2: cameras on a Raspberry Pi's ribbon cable.

Unverified on hardware; written after the Picamera2 manual and source.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import os
import queue
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.errors import SourceError

SIZE = (640, 480)  # pixels of a frame where none is asked for
MAIN_WIDTH = 1280  # pixels; a narrower main stream makes sensors show only part of their field


class PiCamera:
    """Grey frames from the low-resolution stream; see the Source protocol.

    Its Y plane is the picture in grey, made by the camera's own hardware. The main stream is
    needed to have it, and has the same proportions, or one of them would be squeezed.

    Args:
        name: what the user called it.
        number: of the camera, from 0.
        size: width and height in pixels, even numbers; None: 640×480.
        fps: frames per second, or None for the camera's default.
        timeout: seconds that a read takes at most.

    Raises:
        SourceError: Picamera2 is not installed, there is no such camera, or it does not start.
    """

    live = True
    fps: float | None = None

    def __init__(
        self,
        name: str,
        number: int,
        size: tuple[int, int] | None,
        fps: float | None,
        timeout: float,
    ) -> None:
        self.name = name
        self.ended = False
        self._timeout = timeout
        self._camera: Any = _open(name, number)
        try:
            self._width, self._height = _start(self._camera, size or SIZE, fps)
        except Exception as error:  # libcamera has many; all mean that there will be no frames
            self.close()
            raise SourceError(
                f"source {name}: the camera does not start: {_text(error)}"
            ) from error

    def read(self) -> NDArray[Any] | None:
        """The next frame, uint8 ``[h, w]`` grey, or None where none comes in time.

        Raises:
            SourceError: the camera reports a failure.
        """
        # Waiting for the job itself would be for ever where the camera stalls.
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            self._camera.capture_array("lores", signal_function=done.put)
            array = done.get(timeout=self._timeout).get_result()
        except queue.Empty:
            return None
        except Exception as error:
            raise SourceError(f"source {self.name}: the camera fails: {_text(error)}") from error
        # Rows are as long as the hardware likes, and the colours lie below the grey picture.
        return np.asarray(array)[: self._height, : self._width]

    def close(self) -> None:
        """Stop the camera and give it back."""
        camera, self._camera = self._camera, None
        self.ended = True
        if camera is None:
            return
        # Stopping waits behind the frame that never came, in versions that cannot cancel it.
        thread = threading.Thread(target=_close, args=(camera,), daemon=True)
        thread.start()
        thread.join(self._timeout)


def _close(camera: Any) -> None:
    with contextlib.suppress(Exception):  # it is given up; its next opening will say what is wrong
        if hasattr(camera, "cancel_all_and_flush"):
            camera.cancel_all_and_flush()
        camera.close()


def _open(name: str, number: int) -> Any:
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # else a page for every start
    try:
        module = importlib.import_module("picamera2")
    except ImportError as error:
        raise SourceError(
            f"source {name}: Picamera2 cannot be imported ({error}): sudo apt install "
            "python3-picamera2, and make the environment with the system's Python and its "
            "packages: /usr/bin/python3 -m venv --system-site-packages .venv"
        ) from error
    logging.getLogger("picamera2").setLevel(logging.CRITICAL)
    try:
        cameras = module.Picamera2.global_camera_info()
        if number < len(cameras):
            return module.Picamera2(number)
    except Exception as error:
        raise SourceError(
            f"source {name}: the camera does not open: {_text(error)}; another program may be "
            "using it"
        ) from error
    if cameras:
        raise SourceError(
            f"source {name}: there are cameras 0 to {len(cameras) - 1} only: picamera:NUMBER"
            if len(cameras) > 1
            else f"source {name}: there is only one camera: use picamera"
        )
    raise SourceError(
        f"source {name}: no camera found; check the ribbon cable and rpicam-hello --list-cameras"
    )


def _start(camera: Any, size: tuple[int, int], fps: float | None) -> tuple[int, int]:
    """Configure and start; returns the size that the frames will have."""
    width, height = size[0] // 2 * 2, size[1] // 2 * 2  # YUV420 has colours for 2×2 pixels
    factor = max(1, math.ceil(MAIN_WIDTH / width))
    camera.configure(
        camera.create_video_configuration(
            main={"size": (width * factor, height * factor), "format": "RGB888"},
            lores={"size": (width, height), "format": "YUV420"},
            controls={} if fps is None else {"FrameRate": float(fps)},
        )
    )
    width, height = camera.camera_configuration()["lores"]["size"]
    camera.start()
    return int(width), int(height)


def _text(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
