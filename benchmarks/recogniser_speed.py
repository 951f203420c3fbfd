"""How long a frame takes on one core, beside OpenCV's digits_video method and Tesseract.

    python benchmarks/recogniser_speed.py [--frames 100000]

All read the same frames in interleaved rounds, on one core. With ``--frames`` the recogniser also
reads so many small frames, and its memory is measured on the way. MNIST lies under EDGEDIGITS_DATA;
``tesseract`` is left out where it is not installed. Writes
``benchmarks/results/recogniser-speed.json``.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from digits_video import DigitsVideo

from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data
from edgedigits.device.opening import open_recogniser
from edgedigits.device.outputs import json_line
from edgedigits.device.recogniser import Recogniser
from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.scenes import Conditions, make_scene
from edgedigits.zoo import reader_file

RESULT = Path(__file__).parent / "results" / "recogniser-speed.json"
ROUNDS = 30
SIZES = ((640, 480), (1280, 720), (4000, 3000))
TARGETS_MS = {(640, 480): 8, (1280, 720): 20, (4000, 3000): 250}


def ten_digits(digits: Pictures, size: tuple[int, int]) -> Any:
    """A plain frame of exactly ten digits, BGR."""
    for seed in range(1_000):
        rng = np.random.default_rng([9, seed])
        scene = make_scene(rng, digits, Conditions(("plain",), width=640, height=480))
        if len(scene.digits) == 10:
            return cv2.resize(scene.image, size, interpolation=cv2.INTER_CUBIC)
    raise SystemExit("no frame of ten digits")


def tesseract(image: Any) -> None:
    """One call of the program, which is how it is mostly used from Python."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.png"
        cv2.imwrite(str(path), image)
        command = ["tesseract", str(path), "-", "--psm", "6", "-c"]
        subprocess.run(
            [*command, "tessedit_char_whitelist=0123456789"],
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )


def frame_to_json(recogniser: Recogniser, image: Any) -> str:
    """What ``edgedigits camera --json`` does with a frame."""
    return json_line(recogniser.read(image).to_json())


def frame_to_digits(video: DigitsVideo, image: Any) -> Any:
    """The same by the sample's method."""
    return video.read(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8))


def frame_times(train: Pictures, test: Pictures) -> list[dict[str, Any]]:
    """Milliseconds a frame of each method and size, medians of interleaved rounds."""
    recogniser = open_recogniser(reader_file())
    video = DigitsVideo(train)
    rows = []
    for size in SIZES:
        image = ten_digits(test, size)
        ways: dict[str, tuple[int, Callable[[], Any]]] = {
            "edgedigits": (ROUNDS, partial(frame_to_json, recogniser, image)),
            "digits_video": (ROUNDS, partial(frame_to_digits, video, image)),
        }
        if shutil.which("tesseract"):
            ways["Tesseract"] = (3, partial(tesseract, image))
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(ROUNDS + 1):
            for name, (rounds, way) in ways.items():
                if number > rounds:
                    continue
                began = time.perf_counter()
                way()
                if number:
                    seconds[name].append(time.perf_counter() - began)
        own = statistics.median(seconds["edgedigits"])
        for name, values in seconds.items():
            middle = statistics.median(values)
            rows.append(
                {
                    "size": f"{size[0]}×{size[1]}",
                    "method": name,
                    "ms": 1e3 * middle,
                    "least_ms": 1e3 * min(values),
                    "ratio": middle / own,
                    "target_ms": TARGETS_MS[size] if name == "edgedigits" else None,
                }
            )
        print(f"{size}: {1e3 * own:.1f} ms", file=sys.stderr)
    return rows


def whole_process(test: Pictures) -> dict[str, float]:
    """Seconds and memory of ``edgedigits recognise`` from start to answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.png"
        cv2.imwrite(str(path), ten_digits(test, (640, 480)))
        # The high-water mark is the child's own: rusage counts its parent's memory, before exec.
        program = (
            "import atexit, sys; from pathlib import Path; status = Path('/proc/self/status'); "
            "atexit.register(lambda: sys.stderr.write(status.read_text())); "
            "from edgedigits.cli.main import run; run()"
        )
        command = [sys.executable, "-c", program, "recognise", str(path), "--json"]
        seconds, peak = [], 0
        for _ in range(7):
            began = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds.append(time.perf_counter() - began)
            mark = next(line for line in done.stderr.splitlines() if line.startswith("VmHWM"))
            peak = max(peak, int(mark.split()[1]) * 1024)
    return {"seconds": statistics.median(seconds), "least": min(seconds), "peak_bytes": peak}


def memory_over_frames(digits: Pictures, frames: int) -> list[dict[str, int]]:
    """Resident memory while so many frames are read, ten times on the way."""
    recogniser = open_recogniser(reader_file())
    scenes = [
        make_scene(np.random.default_rng([3, i]), digits, Conditions(("plain",), None, 320, 240))
        for i in range(20)
    ]
    rows = []
    for number in range(1, frames + 1):
        recogniser.read(scenes[number % len(scenes)].image)
        if number % max(1, frames // 10) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            rows.append({"frames": number, "bytes": pages * resource.getpagesize()})
            print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=0, help="small frames to watch memory over")
    frames = parser.parse_args().frames
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    data = load_data("mnist", data_dir=Path(os.environ["EDGEDIGITS_DATA"]))
    assert data.test is not None
    process = whole_process(data.test)
    document = {
        "command": f"python benchmarks/recogniser_speed.py --frames {frames}",
        "process": process,
        "rows": frame_times(data.train, data.test),
        "memory": memory_over_frames(data.test, frames),
        "versions": package_versions("ai-edge-litert", "opencv-python-headless", "numpy"),
        "host": host_facts(),
    }
    write_json(RESULT, document)
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
