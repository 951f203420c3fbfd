"""Asking a preview page over a real loopback connection."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import cv2
import numpy as np
from helpers_reading import candidate, line, reading

from edgedigits.device.preview import PreviewServer
from edgedigits.device.reading import U8
from edgedigits.device.tracking import Tracked, Tracker
from edgedigits.device.web.site import Site

IMAGE: U8 = np.full((480, 640, 3), 200, np.uint8)
READING = reading(
    line("31", 50, 50),
    line("4", 50, 150),
    rejected=[candidate(8, (300, 300, 40, 60), score=0.4, accepted=False)],
)
PATHS = ["/", "/frame.jpg", "/state.json"]


def ask(
    running: Site, path: str, *, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def state_of(running: PreviewServer, path: str = "/state.json") -> dict[str, Any]:
    status, _, body = ask(running, path)
    assert status == 200
    state: dict[str, Any] = json.loads(body)
    return state


def decode(jpeg: bytes) -> U8:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def tracked_reading() -> Tracked:
    tracker = Tracker(commit_after=1)
    return tracker.update(READING)


def noise(seed: int = 0) -> U8:
    """A picture whose JPEG is megabytes large."""
    return np.random.default_rng(seed).integers(0, 256, (2400, 3200, 3)).astype(np.uint8)


def wait_until(true: Any, seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
