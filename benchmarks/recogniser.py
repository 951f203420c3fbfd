"""What the recogniser gets right: synthetic frames by condition, photographs, non-digits, MNIST.

    python benchmarks/recogniser.py [FILE]

FILE is a .tflite file of digits; without it, the one that comes with the package. MNIST and
photographs lie under EDGEDIGITS_DATA. Frames are written with MNIST's test digits, which no model
learnt from. Writes ``benchmarks/results/recogniser.json``.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.camera_check import check_scenes, score_reading
from edgedigits.data.dataset import Pictures
from edgedigits.data.registry import load_data
from edgedigits.device.opening import open_recogniser
from edgedigits.device.reading import DIGITS
from edgedigits.device.recogniser import Recogniser
from edgedigits.files import file_digest, write_json
from edgedigits.negatives import KINDS, make_negatives
from edgedigits.picture_files import read_picture
from edgedigits.preprocess import place
from edgedigits.provenance import host_facts, package_versions
from edgedigits.rejection import fit_rejection, judge_rejection, sureness
from edgedigits.scenes import CONDITIONS
from edgedigits.scoring import Score, load_photo_labels, score_frame, total
from edgedigits.zoo import reader_file

RESULT = Path(__file__).parent / "results" / "recogniser.json"
FRAMES, MIXED = 30, 200
NON_DIGITS, SEED = 10_000, 77


def scenes(recogniser: Recogniser, digits: Pictures) -> dict[str, Any]:
    """Scores by condition, and of several conditions at once."""
    scores = {}
    for condition in (*CONDITIONS, None):
        frames = check_scenes(digits, FRAMES if condition else MIXED, condition)
        scored = [score_reading(frame, recogniser.read(frame.image)) for frame in frames]
        name = condition or "hard mix"
        scores[name] = total(scored).to_json()
        print(f"{name}: F1 {scores[name]['f1']}", file=sys.stderr)
    return scores


def photographs(recogniser: Recogniser, folder: Path) -> dict[str, Any]:
    """Scores of the labelled photographs, and the rows of those that were not read exactly."""
    whole, misread = Score(), []
    for photo in load_photo_labels(folder):
        reading = recogniser.read(read_picture(photo.path))
        found = [(candidate.digit, candidate.box) for candidate in reading.digits]
        whole += score_frame(photo.digits, found, photo.rows, reading.text)
        if list(photo.rows) != reading.text.split("\n"):
            misread.append(
                {"file": photo.path.name, "rows": list(photo.rows), "read": reading.text}
            )
    return {**whole.to_json(), "misread": misread}


def non_digits(recogniser: Recogniser, test: Pictures) -> dict[str, Any]:
    """What is accepted that is no digit, at the file's threshold and where 99 % are kept."""
    made = make_negatives(np.random.default_rng(SEED), NON_DIGITS, test)
    others = sureness(recogniser.classifier.scores(made.images))
    digits = sureness(recogniser.classifier.scores(test.images))
    by_kind = {
        kind: float((others[made.kinds == i] >= recogniser.threshold).mean())
        for i, kind in enumerate(KINDS)
    }
    return {
        "own": asdict(judge_rejection(digits, others, recogniser.threshold)),
        "keeping_99": asdict(
            judge_rejection(digits, others, fit_rejection(digits, others, kept=0.99).threshold)
        ),
        "accepted_by_kind": by_kind,
    }


def accuracy(recogniser: Recogniser, test: Pictures) -> dict[str, float]:
    """MNIST's test digits as they are, and cut out and placed by the preprocessor.

    The answer is the best of the ten digits, as in the recogniser; whether it counts is for the
    threshold to say.
    """
    assert test.labels is not None
    placed = np.stack([place(image) for image in test.images])
    return {
        name: float((_digits(recogniser, images) == test.labels).mean())
        for name, images in (("as they are", test.images), ("placed", placed))
    }


def _digits(recogniser: Recogniser, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.asarray(recogniser.classifier.scores(images)[:, :DIGITS].argmax(axis=1))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=reader_file())
    file = parser.parse_args().file
    data_dir = Path(os.environ["EDGEDIGITS_DATA"])
    test = load_data("mnist", data_dir=data_dir).test
    assert test is not None
    recogniser = open_recogniser(file)
    write_json(
        RESULT,
        {
            "command": "python benchmarks/recogniser.py",
            "file": file.name,
            "sha256": file_digest(file),
            "bytes": file.stat().st_size,
            "threshold": recogniser.threshold,
            "mnist": accuracy(recogniser, test),
            "non_digits": non_digits(recogniser, test),
            "photographs": photographs(recogniser, data_dir / "photos"),
            "scenes": scenes(recogniser, test),
            "versions": package_versions("ai-edge-litert", "opencv-python-headless", "numpy"),
            "host": host_facts(),
        },
    )
    print(f"written: {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
