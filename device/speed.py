"""How fast this device is with a file: a picture, a frame, memory, temperature.

``edgedigits bench --host`` runs it there: ``python -m edgedigits.device.speed OPTIONS FILE``.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgedigits.data.builtin import load_digits
from edgedigits.device.classifier import Classifier
from edgedigits.device.latency import measure_latency
from edgedigits.device.opening import open_recogniser
from edgedigits.device.reading import U8
from edgedigits.errors import EdgedigitsError, ModelFileError
from edgedigits.provenance import host_facts, package_versions

PICTURES = 64  # of the embedded digits, taken in turn
FRAMES = 30
WARM_UP = 3  # frames that do not count
WIDTH, HEIGHT = 640, 480
ROWS, COLUMNS, SIDE = 2, 5, 84  # digits on the standard frame, and pixels of one
PAPER, INK = 210, 40  # grey values
ZONES = Path("/sys/class/thermal")


@dataclass(frozen=True)
class ThreadSpeed:
    """Latency of one picture with so many threads, microseconds."""

    threads: int
    latency_us_p50: float
    latency_us_p95: float
    calls: int


@dataclass(frozen=True)
class FileSpeed:
    """One file on this machine.

    Attributes:
        file: its name. rows: one a number of threads.
        frame_ms: median milliseconds from a 640×480 frame to its digits, one thread; fps: frames
            a second at that; None: the file is no reader of digits.
        digits: how many it found on the frame, of ten.
    """

    file: str
    rows: tuple[ThreadSpeed, ...]
    frame_ms: float | None
    fps: float | None
    digits: int | None


def standard_frame() -> U8:
    """A plain 640×480 frame of ten of the embedded digits, uint8 ``[480, 640, 3]``."""
    digits = load_digits().train
    assert digits.labels is not None
    frame = np.full((HEIGHT, WIDTH), PAPER, np.float32)
    for label in range(ROWS * COLUMNS):
        members = digits.images[digits.labels == label].astype(np.float32)
        typical = ((members - members.mean(axis=0)) ** 2).sum(axis=(1, 2)).argmin()
        image = members[typical].astype(np.uint8)
        large = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        ink = np.clip((large.astype(np.float32) - 100) / 80, 0, 1)
        row, column = divmod(label, COLUMNS)
        y, x = 90 + row * 180, 45 + column * 116
        part = frame[y : y + SIDE, x : x + SIDE]
        part[:] = part * (1 - ink) + INK * ink
    return np.repeat(frame.astype(np.uint8)[:, :, None], 3, axis=2)


def measure_file(file: Path, *, threads: Sequence[int], rounds: int) -> FileSpeed:
    """Measure one file.

    Raises:
        ModelFileError: it cannot be used.
    """
    test = load_digits().test
    assert test is not None
    rows = []
    for count in threads:
        (latency,) = measure_latency(
            [Classifier(file, threads=count)], test.images[:PICTURES], rounds=rounds
        )
        rows.append(ThreadSpeed(count, latency.p50_us, latency.p95_us, latency.calls))
    frame_ms, digits = _frame(file)
    fps = None if frame_ms is None else 1000 / frame_ms
    return FileSpeed(file.name, tuple(rows), frame_ms, fps, digits)


def _frame(file: Path) -> tuple[float | None, int | None]:
    try:
        recogniser = open_recogniser(file)
    except (EdgedigitsError, ValueError):
        return None, None  # its classes are not the digits
    frame = standard_frame()
    taken = []
    found = 0
    for number in range(WARM_UP + FRAMES):
        began = time.perf_counter()
        found = len(recogniser.read(frame).digits)
        if number >= WARM_UP:
            taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken), found


def temperature() -> float | None:
    """Degrees Celsius of the hottest zone; None where the system shows none."""
    found = []
    for zone in ZONES.glob("thermal_zone*/temp"):
        with contextlib.suppress(OSError, ValueError):
            found.append(int(zone.read_text()) / 1000)
    return max(found, default=None)


def peak_bytes() -> int | None:
    """The most memory this process has held, bytes; None where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def measure(files: Sequence[Path], *, threads: Sequence[int], rounds: int) -> dict[str, Any]:
    """All files, and the machine, as plain values."""
    before = temperature()
    found = [measure_file(file, threads=threads, rounds=rounds) for file in files]
    return {
        "files": [asdict(speed) for speed in found],
        "peak_bytes": peak_bytes(),
        "temperature_before": before,
        "temperature_after": temperature(),
        "host": host_facts(),
        "versions": package_versions(
            "ai-edge-litert", "tflite-runtime", "numpy", "opencv-python-headless"
        ),
    }


def _main(options: str, *files: str) -> int:
    told = json.loads(options)
    try:
        found = measure([Path(file) for file in files], **told)
    except ModelFileError as error:
        sys.stderr.write(f"edgedigits: {error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
