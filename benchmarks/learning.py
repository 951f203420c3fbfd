"""The whole loop of docs/learning.md, once: unsure crops, labels, fine-tuning, old beside new.

    python benchmarks/learning.py FOLDER [--screenshot FILE]

FOLDER is for runs and crops. MNIST lies under EDGEDIGITS_DATA. A small model is trained on MNIST; a
camera sees frames written by other people (the embedded digits) under two to five hard conditions
each, and keeps what it is not sure about. Labels come from the truth of the frames and go through
the label page, as a person's would. Frames that judge both models are written with test digits that
no crop shows. Writes ``benchmarks/results/learning.json``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from edgedigits.camera_check import score_reading
from edgedigits.data.crop_labels import BEYOND, NAMES
from edgedigits.data.crops import read_index
from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data
from edgedigits.device.opening import open_recogniser
from edgedigits.device.reading import Box
from edgedigits.device.unsure import UnsureCrops
from edgedigits.files import file_digest, write_json
from edgedigits.labelling import LabelServer, LabelStore
from edgedigits.provenance import host_facts, package_versions
from edgedigits.scenes import Scene, hard_mix, make_scene
from edgedigits.scoring import total

RESULT = Path(__file__).parent / "results" / "learning.json"
SEEN, JUDGED = 120, 60  # frames
SEED, JUDGE_SEED = 71, 72
TRAIN = "train tiny-cnn --data mnist --epochs 2 --batch-size 128 --augment --run"
EXPORT = "export {} --float32 --int8"


def run(*arguments: object) -> str:
    """One command of the program; its standard output."""
    shown = " ".join(map(str, arguments))
    print(f"edgedigits {shown}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "edgedigits.cli.main", *shown.split()]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def frames(digits: Pictures, count: int, seed: int) -> list[Scene]:
    """Frames with their truth."""
    made = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        made.append(make_scene(rng, digits, hard_mix(rng)))
    return made


def see(file: Path, scenes: list[Scene], folder: Path) -> None:
    """Keep what a file is unsure about, a frame every two seconds."""
    recogniser = open_recogniser(file)
    now = [0.0]
    low, high = 0.5 * recogniser.threshold, 0.5 + 0.5 * recogniser.threshold
    with UnsureCrops(folder, low=low, high=high, clock=lambda: now[0]) as crops:
        for number, scene in enumerate(scenes):
            now[0] += 2.0
            reading = recogniser.read(scene.image)
            crops.add(scene.image, reading, source="synthetic", frame=number)
            crops.flush()


def label(folder: Path, scenes: list[Scene]) -> tuple[int, float]:
    """Label each crop of clear truth, by the page's own requests; how many, and seconds."""
    from edgedigits.reader_data import true_label

    index = read_index(folder)
    done, began = 0, time.perf_counter()
    with LabelStore(folder) as store, LabelServer(store) as page:
        address = urlsplit(page.url)
        connection = http.client.HTTPConnection(address.netloc)
        for name in store.names:
            facts = index[name]
            at = _Somewhere(Box(*facts["box"]))
            truth = true_label(at, scenes[facts["frame"]])  # type: ignore[arg-type]  # its box alone
            if truth is None:
                continue
            body = json.dumps({"file": name, "label": NAMES[truth]})
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"/label?{address.query}", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"{name}: {answer.status}")
            done += 1
    return done, time.perf_counter() - began


class _Somewhere:
    def __init__(self, box: Box) -> None:
        self.box = box


def judge(file: Path, scenes: list[Scene]) -> dict[str, Any]:
    """What a file reads in frames that no crop shows."""
    recogniser = open_recogniser(file)
    return total(score_reading(scene, recogniser.read(scene.image)) for scene in scenes).to_json()


def screenshot(folder: Path, file: Path) -> None:
    """A picture of the label page, a few labels in."""
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    from helpers_browser import browser

    with (
        LabelStore(folder) as store,
        LabelServer(store) as page,
        browser(folder.parent / "profile") as chrome,
    ):
        chrome.open(page.url)
        chrome.until("document.getElementById('crop').naturalWidth === 28")
        for _ in range(3):
            chrome.press("ArrowRight")
        chrome.until("document.getElementById('cut').complete")
        time.sleep(0.5)
        file.write_bytes(chrome.picture())


def main() -> None:
    """All steps, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--screenshot", type=Path)
    asked = parser.parse_args()
    folder: Path = asked.folder
    old, new, unsure = folder / "old", folder / "new", folder / "unsure"
    digits = load_data("digits")
    assert digits.test is not None
    if not old.exists():  # a run that was begun goes on behind the long part
        run(TRAIN, old)
        run(EXPORT.format(old))
    scenes = frames(digits.train, SEEN, SEED)
    see(old / "exports" / "int8.tflite", scenes, unsure)
    labelled, seconds = label(unsure, scenes)
    if asked.screenshot:
        screenshot(unsure, asked.screenshot)
    counts = json.loads(run("label", unsure, "--count --json"))
    run("train --finetune", old, "--data", unsure, "--run", new)
    run(EXPORT.format(new))
    compared = json.loads(
        run("compare", old, new, "--crops", unsure, "--scenes 0 --allow-worse --json")
    )
    fresh = frames(digits.test, JUDGED, JUDGE_SEED)
    readings = {run.name: judge(run / "exports" / "int8.tflite", fresh) for run in (old, new)}
    write_json(
        RESULT,
        {
            "command": "python benchmarks/learning.py FOLDER",
            "train": f"edgedigits {TRAIN} old",
            "frames": SEEN,
            "labelled": labelled,
            "none": sum(counts["labels"][name] for name in BEYOND),
            "labelling_seconds": round(seconds, 1),
            "counts": {key: counts[key] for key in ("crops", "labelled", "labels", "held_out")},
            "finetuning": json.loads((new / "run.json").read_text())["training"]["results"],
            "improvement": compared["improvement"]
            | {"old": "old", "new": "new", "crops": "unsure"},
            "readings": readings,
            "judged_frames": JUDGED,
            "sha256": file_digest(new / "exports" / "int8.tflite"),
            "versions": package_versions("tensorflow", "numpy", "opencv-python-headless"),
            "host": host_facts(),
        },
    )


if __name__ == "__main__":
    main()
