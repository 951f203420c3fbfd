"""Only a line feed ends a line of the crops' index: JSON leaves other line ends in its texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers_crops import crop_name
from helpers_sshd import device
from helpers_unsure import LIMIT

from edgedigits.data.crops import read_index
from edgedigits.device.unsure_folder import CropFolder
from edgedigits.remote.collecting import collect
from edgedigits.remote.there.crops import items

SOURCE = "door\u2028cellar\u2029attic\u0085roof\x1c.mp4"


def add(folder: Path, first: int, count: int = 1) -> None:
    """Crops of that source, by the camera's own code."""
    crops = CropFolder(folder, LIMIT)
    for number in range(first, first + count):
        picture = np.full((28, 28), number, np.uint8)
        crops.add(picture, picture, {"source": SOURCE, "frame": number})
    crops.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    add(tmp_path / "unsure", 1, 2)
    return tmp_path / "unsure"


def test_a_folder_is_continued_with_every_line_it_had(folder: Path) -> None:
    before = (folder / "index.jsonl").read_bytes()
    add(folder, 3)
    after = (folder / "index.jsonl").read_bytes()
    assert after.startswith(before)
    found = [json.loads(line) for line in after.split(b"\n")[:-1]]
    assert [(line["source"], line["frame"]) for line in found] == [(SOURCE, n) for n in (1, 2, 3)]
    assert [line["crop"] for line in found] == [crop_name(n) for n in (1, 2, 3)]


def test_what_was_said_of_a_crop_is_found(folder: Path) -> None:
    found = read_index(folder)
    assert list(found) == [crop_name(1), crop_name(2)]
    assert {facts["source"] for facts in found.values()} == {SOURCE}


def test_the_device_lists_it(folder: Path) -> None:
    with (folder / "index.jsonl").open("a") as index:
        index.write('{"crop": "unsure-00000002-crop.png"}')  # not ended: half written, or no line
    found = items(folder)
    assert [json.loads(item["line"])["source"] for item in found] == [SOURCE, SOURCE]


@pytest.mark.slow
def test_it_comes_home_and_none_of_it_twice(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with device(tmp_path / "device" / "pi") as pi:
        there = pi.folder / "unsure"
        for frame, new in ((1, 1), (2, 1), (3, 1)):
            add(there, frame)
            (found,) = collect(["pi"], home, ssh=pi.ssh(), folder=str(there))
            assert (found.found, found.new, found.error) == (frame, new, None)
    lines = [json.loads(line) for line in (home / "index.jsonl").read_bytes().split(b"\n")[:-1]]
    assert [(line["source"], line["frame"]) for line in lines] == [(SOURCE, n) for n in (1, 2, 3)]
