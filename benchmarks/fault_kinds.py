"""The faults of ``faults.py``: each makes one happen, and waits until the camera is back."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fault_camera import GIVE_UP, Camera
from fault_feeder import AHEAD, SIZES, SMALL, Feeder, garbage, huge
from helpers_mosquitto import Mosquitto, Subscriber

VIEWERS = 6


@dataclass
class Bench:
    """Everything that takes part. ``scale``: of how long faults last."""

    feeder: Feeder
    broker: Mosquitto
    subscriber: Subscriber
    camera: Camera
    scale: float = 1.0
    seed: int = 0

    def wait(self, seconds: float) -> None:
        """Let a fault last."""
        time.sleep(seconds * self.scale)

    def all_arrived(self) -> float:
        """Wait for every reading committed up to now to arrive; returns the seconds that took."""
        began, number = time.monotonic(), len(self.camera.committed)
        self.subscriber.wait_for(lambda: len(self.subscriber.once()) >= number, GIVE_UP)
        return time.monotonic() - began


Fault = Callable[[Bench], float]  # makes it happen, returns the seconds from its end to recovery


def short_stall(bench: Bench) -> float:
    """The source sends nothing for a second, and goes on."""
    bench.feeder.stalled, bench.feeder.dead = True, False
    bench.wait(1)
    bench.feeder.stalled = False
    return bench.camera.more_frames(AHEAD + 2)


def long_stall(bench: Bench) -> float:
    """Nothing for eight seconds; what was connected by then stays silent for ever."""
    bench.feeder.stalled = bench.feeder.dead = True
    bench.wait(8)
    bench.feeder.stalled = False
    return bench.camera.more_frames(AHEAD + 2)


def ends(bench: Bench) -> float:
    """The connection is ended; the camera is there again at once."""
    bench.feeder.end_connections()
    return bench.camera.more_frames(AHEAD + 2)


def refuses(bench: Bench) -> float:
    """Ends, and answers 503 for twelve seconds."""
    bench.feeder.refusing = True
    bench.feeder.end_connections()
    bench.wait(12)
    bench.feeder.refusing = False
    return bench.camera.more_frames(AHEAD + 2)


def switched_off(bench: Bench) -> float:
    """Ends, and nobody listens for seven seconds."""
    bench.feeder.close()
    bench.wait(7)
    bench.feeder.open()
    return bench.camera.more_frames(AHEAD + 2)


def resize(bench: Bench) -> float:
    """Frames of other sizes, and then as before."""
    for size in SIZES[: len(SIZES) - 1]:
        bench.feeder.size = size
        bench.camera.more_frames(20, size)
    bench.feeder.size = SMALL
    return bench.camera.more_frames(AHEAD + 2, SMALL)


def garbage_frames(bench: Bench) -> float:
    """Two seconds of damaged pictures, wrong lengths and bytes that are no part."""
    bench.feeder.other = garbage(bench.seed)
    bench.wait(2)
    bench.feeder.other = None
    return bench.camera.more_frames(AHEAD + 2, SMALL)


def huge_frames(bench: Bench) -> float:
    """A second of pictures that say they have a thousand million pixels."""
    bench.feeder.other = huge(bench.seed)
    bench.wait(1)
    bench.feeder.other = None
    return bench.camera.more_frames(AHEAD + 2, SMALL)


def deaf_viewers(bench: Bench) -> float:
    """Viewers of the page that ask and never read."""
    line = next(line for line in bench.camera.said if line.startswith("preview: "))
    port = urlsplit(line.removeprefix("preview: ")).port
    assert port is not None
    ask = b"GET /frame.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200
    with contextlib.ExitStack() as stack:
        for _ in range(VIEWERS):
            viewer = socket.create_connection(("127.0.0.1", port), timeout=5)
            stack.callback(viewer.close)
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            viewer.sendall(ask)
        began = bench.camera.frames
        bench.wait(4)
        assert bench.camera.frames > began, "viewers stop the camera"
    began_at = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP) as viewer:
        viewer.sendall(b"GET /state.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert viewer.recv(15).startswith(b"HTTP/1.1 200")
    return time.monotonic() - began_at


def broker_gone(bench: Bench) -> float:
    """The broker is stopped for eight seconds; recognition goes on."""
    frames = bench.camera.frames
    bench.broker.stop()
    bench.wait(8)
    assert bench.camera.frames > frames, "the broker stops the camera"
    bench.broker.start()
    return bench.all_arrived()


def broker_frozen(bench: Bench) -> float:
    """The broker keeps its connections, but does nothing for five seconds."""
    frames = bench.camera.frames
    bench.broker.send(signal.SIGSTOP)
    bench.wait(5)
    assert bench.camera.frames > frames, "the broker stops the camera"
    bench.broker.send(signal.SIGCONT)
    return bench.all_arrived()


FAULTS: tuple[Fault, ...] = (
    short_stall, long_stall, ends, refuses, switched_off, resize, garbage_frames, huge_frames,
    deaf_viewers, broker_gone, broker_frozen,
)  # fmt: skip
