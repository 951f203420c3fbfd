"""A search whose files are made in no time, for tests of what is tried and by whom.

``python helpers_shrink.py URL FOLDER NAME HANG`` is one worker: it writes a line into
``FOLDER/begun`` for each candidate it begins, and stays for ever with the one numbered HANG.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgedigits.data.registry import load_data
from edgedigits.data.split import hold_out
from edgedigits.device.sidecar import sidecar_file
from edgedigits.progress import SILENT
from edgedigits.prune.sequential import Link
from edgedigits.run_data import Indices, RunData, Split, apply_split
from edgedigits.shrink.candidate import Candidate
from edgedigits.shrink.result import Limit, Trial
from edgedigits.shrink.searching import Search
from edgedigits.shrink.storage import Heartbeat, open_study
from edgedigits.shrink.travelling import Parcel
from edgedigits.shrink.workshop import Facts, Layer, Workshop
from edgedigits.zoo import FOLDER

LIMIT = Limit(max_drop=1.0)
MOST = 12
HEARTBEAT = Heartbeat(1, 3)


def link(kind: str, name: str, kernel: tuple[int, ...], before: tuple[int, ...]) -> Link:
    """A layer with weights of ones."""
    return Link(kind, name, {}, (np.ones(kernel, np.float32),), before, (*before[:-1], kernel[-1]))


def facts() -> Facts:
    """Of a convolution and two Dense layers: 3×3×1×8, 1568×32 and 32×10 weights."""
    flatten = Link("Flatten", "flatten", {}, (), (14, 14, 8), (1568,))
    links = (
        link("Conv2D", "conv", (3, 3, 1, 8), (14, 14, 8)),
        flatten,
        link("Dense", "dense_1", (1568, 32), (1568,)),
        link("Dense", "dense_2", (32, 10), (32,)),
    )
    layers = (
        Layer("conv", "Conv2D", 72, 8),
        Layer("dense_1", "Dense", 50_176, 32),
        Layer("dense_2", "Dense", 320, 10),
    )
    return Facts(links, layers, frozenset({"Conv2D", "Dense"}), True, ())


def some_data() -> RunData:
    """The embedded digits with a small validation part."""
    dataset = load_data("digits")
    _, validation = hold_out(dataset.train, 0.1, 0)
    positions: Indices = np.asarray(validation, np.int64)
    return apply_split(dataset, Split(positions, None, 0.1, 0))


@dataclass
class QuickWorkshop:
    """Every candidate is the same shipped file, as long as the candidate would be."""

    folder: Path
    name: str = "alone"
    hang: int = -1

    def __post_init__(self) -> None:
        self.facts = facts()
        self.data = some_data()
        self.begun = 0
        self._shipped = (FOLDER / "mnist-8k.tflite").read_bytes()

    def float32(self) -> Path:
        """The shipped file."""
        return self._file("float32", len(self._shipped))

    def file(self, candidate: Candidate) -> Path:
        """The shipped file and zeros behind it."""
        label = json.dumps(candidate.params(self.facts.dense))
        with (self.folder / "begun").open("a") as log:
            log.write(f"{self.name} {label}\n")
        self.begun += 1
        if self.begun - 1 == self.hang:
            (self.folder / "hangs").touch()
            time.sleep(600)
        time.sleep(0.05)
        size = len(self._shipped) + self.facts.estimate(candidate)
        return self._file(f"{self.name}-{self.begun}", size)

    def made(self, candidate: Candidate) -> Parcel:
        """What would travel to other workers."""
        return Parcel(json.dumps(candidate.params(self.facts.dense)).encode(), "{}", b"")

    def _file(self, name: str, size: int) -> Path:
        file = self.folder / f"{name}.tflite"
        file.write_bytes(self._shipped.ljust(size, b"\0"))
        sidecar_file(file).write_text("{}")
        return file


def search(
    study: Any, workshop: QuickWorkshop, *, shared: bool, limit: Limit = LIMIT, most: int = MOST
) -> tuple[Trial, ...]:
    """All of a search, by this process and whoever else is at it."""
    return Search(
        study,
        cast(Workshop, workshop),
        limit,
        most=most,
        shared=shared,
        heartbeat=HEARTBEAT,
        progress=SILENT,
    ).run()


if __name__ == "__main__":
    url, folder, name, hang = sys.argv[1:]
    with open_study("test", Path(folder), url, HEARTBEAT) as shared_study:
        search(shared_study, QuickWorkshop(Path(folder), name, int(hang)), shared=True)
