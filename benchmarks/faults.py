"""The real ``camera`` process under faults: does it stay, stay small, and come back in time?

    python benchmarks/faults.py [--frames 100000] [--cycles N]

A camera on loopback, a mosquitto of its own and viewers of the preview page are made to fail, one
after the other, with undisturbed frames between. The process runs with an accelerator that is
refused. Memory is counted from the end of the first cycle, in which each fault has happened once.
Ctrl-C ends it after the fault that is on, with the result up to then. Writes
``benchmarks/results/faults.json``; ``docs/faults.md`` has the table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from fault_feeder import AHEAD, SIZES, SMALL, Feeder, garbage, huge
from helpers_mosquitto import Mosquitto, Subscriber, mosquitto, subscribed

from edgedigits.run import host_facts, package_versions, write_json

RESULT = Path(__file__).parent / "results" / "faults.json"
DELEGATE = "libnobody-has-this.so.1"
MOST_GROWTH = 5_000_000  # bytes
MOST_RECOVERY = 5.0  # seconds
GIVE_UP = 60.0  # seconds without a frame, or without an answer
TOO_MANY = 2000  # frames of another size than waited for
VIEWERS = 6


class Camera:
    """The process, and what it has answered.

    Args:
        feeder: is told of each frame. command: the process.
    """

    def __init__(self, feeder: Feeder, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        self.frames = 0
        self.size = (0, 0)
        self.committed: list[str] = []
        self.said: list[str] = []
        self._feeder = feeder
        self._changed = threading.Condition()
        self._last = time.monotonic()
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._read, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    def more_frames(self, number: int, size: tuple[int, int] | None = None) -> float:
        """Wait for so many frames, the last of this size; returns the seconds that took."""
        began, goal = time.monotonic(), self.frames + number
        with self._changed:
            while self.frames < goal or size not in (None, self.size):
                if self.process.poll() is not None:
                    raise SystemExit(f"the camera ended: {self.said[-5:]}")
                silent = time.monotonic() - max(began, self._last)
                if silent > GIVE_UP or self.frames > goal + TOO_MANY:
                    raise SystemExit(f"no such frame for {silent:.0f} s: {self.said[-5:]}")
                self._changed.wait(0.2)
        return time.monotonic() - began

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(s.split()[1]) << 10 for s in status.splitlines() if s.startswith("VmRSS"))

    def peak(self) -> int:
        """The most resident bytes there ever were."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(s.split()[1]) << 10 for s in status.splitlines() if s.startswith("VmHWM"))

    def end(self) -> int:
        """Interrupt it; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(GIVE_UP)
        for thread in self._threads:
            thread.join(GIVE_UP)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            document = json.loads(line)
            with self._changed:
                self._last = time.monotonic()
                self.frames += 1
                self.size = (document["width"], document["height"])
                if document["new"]:
                    self.committed.append(document["new"])
                self._changed.notify_all()
            self._feeder.answered()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.said.append(line.rstrip("\n"))
                self._changed.notify_all()


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


@dataclass
class Found:
    """What was measured.

    Attributes:
        recovery: seconds, by fault, as often as it happened.
        memory: frames and resident bytes, before each fault.
    """

    recovery: dict[str, list[float]] = field(default_factory=dict)
    memory: list[tuple[int, int]] = field(default_factory=list)


@contextlib.contextmanager
def running(folder: Path, scale: float = 1.0) -> Iterator[Bench]:
    """Source, broker, subscriber, and the camera that has begun."""
    feeder = Feeder()
    with mosquitto(folder / "broker") as broker, subscribed(broker.port, "+/+/reading") as reader:
        camera = Camera(feeder, [
            sys.executable, "-m", "edgedigits.cli.main", "camera", "--source", feeder.url, "--json",
            "--preview", "--port", "0", "--delegate", DELEGATE, "--mqtt", broker.address,
            "--mqtt-name", "faults", "--queue", str(folder / "queue"),
        ])  # fmt: skip
        try:
            camera.more_frames(50)
            yield Bench(feeder, broker, reader, camera, scale)
        finally:
            camera.process.kill()
            feeder.close()


def run(bench: Bench, frames: int, cycles: int, stopped: threading.Event) -> Found:
    """Each fault in turn, as often as there are cycles, until so many frames were recognised."""
    found = Found()
    steps = cycles * len(FAULTS)
    for step in range(steps):
        if stopped.is_set():
            frames = 0
            break
        goal = frames * (step + 1) // (steps + 1)
        bench.camera.more_frames(max(0, goal - bench.camera.frames))
        found.memory.append((bench.camera.frames, bench.camera.memory()))
        fault, bench.seed = FAULTS[step % len(FAULTS)], step
        seconds = fault(bench)
        found.recovery.setdefault(fault.__name__, []).append(round(seconds, 2))
        print(
            f"{bench.camera.frames:>7} frames  {found.memory[-1][1] / 1e6:6.1f} MB  "
            f"{fault.__name__}: back after {seconds:.2f} s",
            file=sys.stderr,
        )
    bench.camera.more_frames(max(50, frames - bench.camera.frames))
    found.memory.append((bench.camera.frames, bench.camera.memory()))
    return found


def growth(memory: list[tuple[int, int]]) -> tuple[int, int]:
    """Resident bytes after the first cycle, and how much more there were later at most."""
    later = [size for _, size in memory[len(FAULTS) :] or memory[-1:]]
    return later[0], max(later) - later[0]


def measure(
    frames: int,
    cycles: int,
    folder: Path,
    scale: float = 1.0,
    stopped: threading.Event | None = None,
) -> dict[str, Any]:
    """All of it, or once ``stopped`` what there is."""
    with running(folder, scale) as bench:
        camera, subscriber = bench.camera, bench.subscriber
        found = run(bench, frames, cycles, stopped or threading.Event())
        bench.all_arrived()
        peak = camera.peak()
        code = camera.end()
        after, grown = growth(found.memory)
        return {
            "frames": camera.frames,
            "faults": sum(map(len, found.recovery.values())),
            "exit_code_of_interrupt": code,
            "recovery_s": {
                fault.__name__: {
                    "about": fault.__doc__,
                    "times": len(found.recovery[fault.__name__]),
                    "longest": max(found.recovery[fault.__name__]),
                    "all": found.recovery[fault.__name__],
                }
                for fault in FAULTS
                if fault.__name__ in found.recovery
            },
            "longest_recovery_s": max(max(seconds) for seconds in found.recovery.values()),
            "resident_after_first_cycle": after,
            "resident_at_end": found.memory[-1][1],
            "resident_growth": grown,
            "resident_peak": peak,
            "memory": found.memory,
            "readings": len(camera.committed),
            "readings_arrived": len(subscriber.once()),
            "readings_in_order": [d["text"] for d in subscriber.once()] == camera.committed,
            "delegate_refused": sum(DELEGATE in line for line in camera.said),
            "lines_said": len(camera.said),
            "traceback": any("Traceback" in line for line in camera.said),
        }


def met(result: dict[str, Any]) -> bool:
    """Whether everything is as it should be."""
    return bool(
        result["exit_code_of_interrupt"] == 130
        and result["longest_recovery_s"] <= MOST_RECOVERY
        and result["resident_growth"] <= MOST_GROWTH
        and result["readings_in_order"]
        and result["delegate_refused"] == 1
        and not result["traceback"]
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--cycles", type=int, default=None)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    cycles = options.cycles or max(2, options.frames // 10_000)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options.frames, cycles, Path(folder), stopped=stopped)
    document = {
        "command": f"python benchmarks/faults.py --frames {options.frames} --cycles {cycles}",
        "met": met(result) and result["frames"] >= options.frames,
        **result,
        "seconds": round(time.monotonic() - began, 1),
        "load": os.getloadavg()[0],
        "versions": package_versions("ai-edge-litert", "opencv-python-headless", "paho-mqtt"),
        "host": host_facts(),
    }
    write_json(options.out, document)
    print(f"met: {document['met']}; written: {options.out}", file=sys.stderr)
    sys.exit(not document["met"])


if __name__ == "__main__":
    main()
