"""A camera on loopback, MJPEG over HTTP, that can be made to fail in every way that is known."""

from __future__ import annotations

import contextlib
import itertools
import select
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
from helpers_recognise import page_of_digits

TEXTS = ("27", "31", "942", "18", "6", "51")
CHANGE_AFTER = 100  # frames of one text
AHEAD = 4  # frames that may be under way
IMPATIENT = 0.004  # seconds after which a frame goes out although none was answered
SMALL = (160, 120)
SIZES = ((320, 240), (96, 160), (641, 33), SMALL)


def jpeg(text: str, size: tuple[int, int] = SMALL) -> bytes:
    """A page of digits as a camera would send it."""
    page = page_of_digits([text])[0][60:240, 30:270]
    picture = cv2.resize(page, size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def part(body: bytes, length: int | None = None) -> bytes:
    """A part of the stream; ``length``: what its header says."""
    said = len(body) if length is None else length
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (said, body)


def of_size(picture: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says that it is of this size; nothing else is changed."""
    at = picture.index(b"\xff\xc0")  # start of frame: length, precision, height, width
    sizes = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return picture[: at + 5] + sizes + picture[at + 9 :]


def garbage(seed: int) -> Iterator[bytes]:
    """Parts that are no pictures, for ever."""
    rng = np.random.default_rng(seed)
    good = jpeg(TEXTS[0])
    while True:
        yield part(rng.bytes(5000))
        yield part(good[: len(good) // 3])
        yield part(b"")
        yield part(b"\xff\xd8\xff\xe0" + rng.bytes(3000))
        yield part(good, len(good) + 700)  # takes a piece of the next
        yield part(good, 10)
        changed = bytearray(good)
        for at in rng.integers(0, len(good), 20):
            changed[at] = rng.integers(0, 256)
        yield part(bytes(changed))
        yield rng.bytes(20_000)  # no part at all
        yield part(good)


def huge(seed: int) -> Iterator[bytes]:
    """Pictures that say they are far larger than any camera's, for ever."""
    good = jpeg(TEXTS[seed % len(TEXTS)])
    while True:
        yield part(of_size(good, 20_000, 20_000))
        yield part(of_size(good, 65_500, 16_000))


class Feeder:
    """Serves frames one by one, the next when one was answered, at ``url``.

    Attributes:
        stalled: nothing is sent. dead: a connection that was stalled stays so.
        refusing: connections are answered with an error.
        other: what is sent instead of frames. size: of the frames.
    """

    def __init__(self) -> None:
        self.stalled = self.dead = self.refusing = False
        self.other: Iterator[bytes] | None = None
        self.size = SMALL
        self._answered = threading.Semaphore(AHEAD)
        self._connections = 0  # those before are ended
        self._numbers = itertools.count()
        self._pictures: dict[tuple[str, tuple[int, int]], bytes] = {}
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.open()

    @property
    def url(self) -> str:
        """Of the stream."""
        return f"http://127.0.0.1:{self._port}/stream"

    def answered(self) -> None:
        """A frame was recognised: send another."""
        self._answered.release()

    def end_connections(self) -> None:
        """As a camera that restarts."""
        self._connections += 1

    def open(self) -> None:
        """Listen, on the same port as before."""
        handler = type("Handler", (_Handler,), {"feeder": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def close(self) -> None:
        """As a camera that is switched off: connections are refused."""
        self.end_connections()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve(self, send: Callable[[bytes], object], gone: Callable[[], bool]) -> None:
        """Send to one connection until it ends."""
        mine = self._connections
        while mine == self._connections:
            if self.stalled:
                dead = self._wait_stalled(mine)
                while dead and mine == self._connections and not gone():
                    time.sleep(0.05)
                if dead:
                    return
                continue
            self._answered.acquire(timeout=IMPATIENT)
            other = self.other
            send(self._frame() if other is None else next(other))

    def _wait_stalled(self, mine: int) -> bool:
        while self.stalled and mine == self._connections:
            time.sleep(0.02)
        return self.dead

    def _frame(self) -> bytes:
        text = TEXTS[next(self._numbers) // CHANGE_AFTER % len(TEXTS)]
        key = (text, self.size)
        if key not in self._pictures:
            self._pictures[key] = part(jpeg(*key))
        return self._pictures[key]


class _Handler(BaseHTTPRequestHandler):
    feeder: Feeder

    def do_GET(self) -> None:
        """The stream."""
        if self.feeder.refusing:
            self.send_error(503)
            return
        with contextlib.suppress(OSError):  # the camera program went
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            self.feeder.serve(self._send, self._gone)

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)

    def _gone(self) -> bool:
        return bool(select.select([self.connection], [], [], 0)[0])

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
