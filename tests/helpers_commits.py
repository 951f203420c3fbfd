"""Readings that are committed one after the other, made up and published for real.

As a program it says each text on a line of its own once it is kept, for ever or until killed::

    python tests/helpers_commits.py HOST:PORT QUEUE-FOLDER RUN [SECONDS-BETWEEN]

The texts of run 7 are ``7000001``, ``7000002``, …
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from helpers_reading import reading

from edgedigits.device.frames import Frame
from edgedigits.device.handover import CaptureStats
from edgedigits.device.mqtt import MqttOptions
from edgedigits.device.mqtt.publisher import Publisher, open_mqtt
from edgedigits.device.reading import Box
from edgedigits.device.tracking import Track, Tracked
from edgedigits.device.watching import Seen

if TYPE_CHECKING:
    from helpers_mosquitto import Mosquitto

BLACK = np.zeros((4, 4), np.uint8)


def seen(text: str | None, number: int = 0) -> Seen:
    """A frame with this text, new in it; None: a frame that commits nothing."""
    signs = (text or "").replace("\n", "")
    tracks = tuple(
        Track(id=i + 1, box=Box(9 * i, 5, 8, 12), digit=int(s), score=0.5, committed=True, missed=0)
        for i, s in enumerate(signs)
    )
    return Seen(
        source="made up",
        frame=Frame(BLACK, number, 0.0),
        reading=reading(),
        tracked=Tracked(tracks, text or "", text),
        stats=CaptureStats(number + 3, number + 1, 2, 0, 1, 25.0),
    )


class Lines:
    """What a program has said; also its ``progress``."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        """Nothing is shown."""


@contextmanager
def publishing(
    broker: str, queue: Path, said: Lines, config: Path | None = None
) -> Iterator[Publisher]:
    """A publisher of the device ``desk``."""
    options = MqttOptions(broker, name="desk", queue=queue, config=config)
    with open_mqtt(options, said) as publisher:
        yield publisher


def committing(
    broker: Mosquitto, queue: Path, run: int, pause: float, errors: Any
) -> subprocess.Popen[str]:
    """This program as a process. ``errors``: where what it says of the broker goes."""
    folders = f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}"
    return subprocess.Popen(
        [sys.executable, __file__, broker.address, str(queue), str(run), str(pause)],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, "PYTHONPATH": folders.rstrip(":")},
    )


def main(broker: str, queue: Path, run: int, pause: float) -> None:
    """Commit until killed."""
    said = Lines()
    said.say = lambda line: print(line, file=sys.stderr, flush=True)  # type: ignore[method-assign]
    with publishing(broker, queue, said) as publisher:
        number = 1
        while True:
            text = f"{run}{number:06}"
            publisher(seen(text, number))
            print(text, flush=True)
            number += 1
            time.sleep(pause)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float((sys.argv[4:] or ["0.002"])[0]))
