"""Frames that carry their number as a barcode, and a small MJPEG server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.sources import Source

BOUNDARY = b"--frame"


def frame(number: int, width: int = 320, height: int = 240, seed: int = 0) -> NDArray[np.uint8]:
    """A BGR frame of smooth noise; its top 16 rows are eight bars, the bits of the number."""
    rng = np.random.default_rng([seed, number])
    small = rng.integers(60, 200, (6, 8, 3)).astype(np.uint8)
    image = np.array(cv2.resize(small, (width, height)), dtype=np.uint8)
    for bit in range(8):
        bar = slice(bit * width // 8, (bit + 1) * width // 8)
        image[:16, bar] = 255 if number >> (7 - bit) & 1 else 0
    return image


def number_of(image: NDArray[Any]) -> int:
    """The number that a frame carries, read from the middle of its bars."""
    width = image.shape[1]
    levels = [image[4:12, round((bit + 0.5) * width / 8)].mean() for bit in range(8)]
    assert all(level < 64 or level > 192 for level in levels), levels
    return sum(int(level > 128) << (7 - bit) for bit, level in enumerate(levels))


def jpeg(number: int, width: int = 320, height: int = 240) -> bytes:
    good, data = cv2.imencode(".jpg", frame(number, width, height))
    assert good
    return data.tobytes()


def images(source: Source) -> list[NDArray[Any]]:
    """Everything that a source gives, up to its end."""
    found = []
    while (image := source.read()) is not None:
        assert image.dtype == np.uint8
        found.append(image)
    assert source.ended
    source.close()
    source.close()
    return found


def write_video(path: Path, code: str, count: int, rate: float = 25) -> None:
    """A video of numbered frames. FFV1 keeps every pixel."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate, (320, 240))
    assert writer.isOpened()
    for number in range(count):
        writer.write(frame(number))
    writer.release()


class Connection:
    """One client of the server, as a script sees it."""

    def __init__(self, handler: BaseHTTPRequestHandler, closing: threading.Event) -> None:
        self.handler = handler
        self.closing = closing

    def begin(self, kind: str = "multipart/x-mixed-replace; boundary=frame") -> None:
        self.handler.send_response(200)
        self.handler.send_header("Content-Type", kind)
        self.handler.end_headers()

    def write(self, data: bytes) -> None:
        self.handler.wfile.write(data)
        self.handler.wfile.flush()

    def part(self, data: bytes, *, length: bool = True) -> None:
        head = BOUNDARY + b"\r\nContent-Type: image/jpeg\r\n"
        if length:
            head += b"Content-Length: %d\r\n" % len(data)
        self.write(head + b"\r\n" + data + b"\r\n")

    def stall(self) -> None:
        """Send nothing more until the server closes."""
        self.closing.wait()


@contextmanager
def mjpeg_server(*scripts: Callable[[Connection], None]) -> Iterator[str]:
    """Serve one script a connection, in order, the last one for all that follow. Gives the URL."""
    waiting = list(scripts)
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            with suppress(OSError):  # the client has gone
                script(Connection(self, closing))

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream"
    finally:
        closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
