"""A stand-in for Picamera2 that holds to its documented rules, and fails where they are broken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from helpers_frames import frame
from numpy.typing import NDArray

STRIDE = 64  # bytes that rows are padded to


class FakeJob:
    """A capture that is under way."""

    def __init__(self) -> None:
        self.future: Future[NDArray[np.uint8]] = Future()

    def get_result(self) -> NDArray[np.uint8]:
        return self.future.result()


class FakePicamera2:
    """The part of Picamera2 that grey frames need.

    ``cameras``: what is connected. ``frames``: how many come before the camera stalls.
    """

    cameras: ClassVar[list[dict[str, Any]]] = [{"Model": "imx219", "Num": 0}]
    frames: ClassVar[int] = 250
    in_use: ClassVar[set[int]] = set()

    def __init__(self, camera_num: int = 0) -> None:
        if camera_num >= len(self.cameras):
            raise RuntimeError(f"No camera number {camera_num} found")
        if camera_num in self.in_use:
            raise RuntimeError("Failed to acquire camera: Device or resource busy")
        self.in_use.add(camera_num)
        self.number = camera_num
        self.config: dict[str, Any] | None = None
        self.controls: dict[str, Any] = {}
        self.started = False
        self.taken = 0
        self.pending: list[FakeJob] = []
        self.cancelled = threading.Event()

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return list(cls.cameras)

    def create_video_configuration(
        self,
        main: dict[str, Any],
        lores: dict[str, Any] | None = None,
        controls: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        assert main["format"] in {"RGB888", "BGR888", "XRGB8888", "XBGR8888", "YUV420"}
        return {"main": dict(main), "lores": dict(lores or {}), "controls": dict(controls or {})}

    def configure(self, config: dict[str, Any]) -> None:
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        lores, main = config["lores"], config["main"]
        if lores["format"] != "YUV420":
            raise RuntimeError("lores stream must be YUV")
        if any(low > high for low, high in zip(lores["size"], main["size"], strict=True)):
            raise RuntimeError("lores stream dimensions may not exceed main stream")
        if any(side % 2 for side in (*lores["size"], *main["size"])):
            raise RuntimeError("sizes must be even")
        if set(config["controls"]) - {"FrameRate"}:
            raise RuntimeError("unknown control")
        width = lores["size"][0]
        lores["stride"] = (width // STRIDE + 1) * STRIDE  # always more than the width
        self.config = config

    def camera_configuration(self) -> dict[str, Any]:
        if self.config is None:
            raise RuntimeError("Camera has not been configured")
        return self.config

    def start(self) -> None:
        self.camera_configuration()
        self.started = True

    def capture_array(
        self, name: str = "main", wait: bool | None = None, signal_function: Any = None
    ) -> Any:
        if not self.started:
            raise RuntimeError("Camera has not been started")
        assert name == "lores"
        job = FakeJob()
        if self.taken < self.frames:
            job.future.set_result(self._lores())
            self.taken += 1
            if signal_function is not None:
                threading.Thread(target=signal_function, args=(job,)).start()
        else:
            self.pending.append(job)
        waits = signal_function is None if wait is None else wait
        return job.get_result() if waits else job

    def _lores(self) -> NDArray[np.uint8]:
        """Luma of the frame, then the colours; what lies beyond the width is never to be used."""
        lores = self.camera_configuration()["lores"]
        (width, height), stride = lores["size"], lores["stride"]
        array = np.full((height * 3 // 2, stride), 99, dtype=np.uint8)
        array[:height, :width] = frame(self.taken, width, height)[:, :, 1]
        return array

    def cancel_all_and_flush(self) -> None:
        self.pending.clear()
        self.cancelled.set()

    def close(self) -> None:
        if self.pending:  # stopping queues behind the job that waits for a frame
            self.cancelled.wait()
        self.started = False
        self.in_use.discard(self.number)


def picamera2_module(camera: Callable[..., Any]) -> ModuleType:
    """A module ``picamera2`` with this class."""
    module = ModuleType("picamera2")
    module.Picamera2 = camera  # type: ignore[attr-defined]
    return module
