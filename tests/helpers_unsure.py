"""Crops as the camera keeps them, and what a folder of them holds."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from edgedigits.device.unsure_folder import CropFolder

LIMIT = 50_000_000  # bytes of a folder


def fill(folder: Path, count: int, seed: int = 0) -> None:
    """Crops as the camera keeps them, by its own code."""
    rng = np.random.default_rng(seed)
    crops = CropFolder(folder, LIMIT)
    for number in range(count):
        crop = rng.integers(0, 256, (28, 28), np.uint8)
        around = rng.integers(0, 256, (90, 90, 3), np.uint8)
        crops.add(crop, around, {"frame": number, "score": 0.5})
    crops.close()


def pixels(folder: Path) -> Counter[str]:
    """Digests of crop and cut of each line of an index, by what OpenCV reads."""
    found: Counter[str] = Counter()
    for line in (folder / "index.jsonl").read_text().splitlines():
        facts = json.loads(line)
        total = hashlib.sha256()
        for kind in ("crop", "cut"):
            image = cv2.imread(str(folder / facts[kind]), cv2.IMREAD_UNCHANGED)
            assert image is not None, facts
            total.update(image.tobytes())
        found[total.hexdigest() + f" {facts['frame']} {facts['score']}"] += 1
    return found
