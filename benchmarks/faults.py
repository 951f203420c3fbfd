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
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from fault_camera import Camera
from fault_feeder import Feeder
from fault_kinds import FAULTS, Bench
from helpers_mosquitto import mosquitto, subscribed

from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions

RESULT = Path(__file__).parent / "results" / "faults.json"
DELEGATE = "libnobody-has-this.so.1"
MOST_GROWTH = 5_000_000  # bytes
MOST_RECOVERY = 5.0  # seconds


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
