"""Files that come with the package: each is what the JSON beside it says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest

import edgedigits.zoo
from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import is_unchanged

FILES = sorted(Path(edgedigits.zoo.__file__).parent.glob("*.tflite"))


def test_there_is_a_reader() -> None:
    assert edgedigits.zoo.reader_file() in FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_and_how_it_was_made(file: Path) -> None:
    document = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    data = file.read_bytes()
    assert document["bytes"] == len(data)
    assert document["sha256"] == hashlib.sha256(data).hexdigest()
    assert is_unchanged(data)
    metadata = Classifier(file).metadata
    assert metadata is not None
    assert metadata.rejection is not None
    assert document["rejection"] == asdict(metadata.rejection)
    assert document["model"] == metadata.model
    assert all(command.startswith("edgedigits ") for command in document["commands"])
    assert document["settings"]["seed"] >= 0
