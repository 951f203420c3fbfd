"""The crops that the recogniser was not sure about."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers_reading import candidate, digit_crop, reading

from edgedigits.device.reading import U8, Box, Candidate
from edgedigits.device.unsure import UnsureCrops, cut, is_unsure
from edgedigits.errors import UsageError


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Said:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        raise AssertionError("nothing here takes long")

    def say(self, line: str) -> None:
        self.lines.append(line)


FRAME: U8 = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)


def noise_crop(seed: int) -> U8:
    """A crop that looks like no other one."""
    coarse = np.random.default_rng(seed).integers(0, 2, (7, 7)) * 255
    return np.kron(coarse, np.ones((4, 4))).astype(np.uint8)


def unlike(number: int, *, score: float = 0.6) -> Candidate:
    """A candidate at its own place, with its own look."""
    box = (20 + 60 * (number % 9), 20 + 60 * (number // 9 % 6), 30, 40)
    return candidate(number % 10, box, score=score, crop=noise_crop(number))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]


def bytes_of(folder: Path) -> int:
    return sum(
        file.stat().st_size
        for file in folder.iterdir()
        if file.name.startswith(("unsure-", "index."))
    )


def fill(crops: UnsureCrops, clock: Clock, numbers: range) -> None:
    for number in numbers:
        clock.now += 200
        crops.add(FRAME, reading([unlike(number)]), source="test", frame=number)
        crops.flush()


@pytest.mark.parametrize(
    ("score", "accepted", "expected"),
    [
        (0.49, False, False),
        (0.5, False, True),
        (0.69, False, True),
        (0.7, True, True),
        (0.89, True, True),
        (0.9, True, False),
    ],
)
def test_what_is_unsure(score: float, accepted: bool, expected: bool) -> None:
    one = candidate(3, (0, 0, 20, 30), score=score, accepted=accepted)
    assert is_unsure(one, 0.5, 0.9) is expected


def test_cut_by_hand() -> None:
    """Half of the longer side more on each side, ended by the picture's edge."""
    np.testing.assert_array_equal(cut(FRAME, Box(100, 200, 20, 40)), FRAME[180:260, 80:140])
    np.testing.assert_array_equal(cut(FRAME, Box(5, 470, 20, 10)), FRAME[460:480, 0:35])
    assert max(cut(FRAME, Box(0, 0, 640, 480)).shape) == 256
    assert cut(FRAME, Box(900, 900, 10, 10)).size == 0


def test_pictures_and_line_of_a_candidate(tmp_path: Path) -> None:
    sure = candidate(1, (300, 300, 20, 40), score=0.95)
    low = candidate(4, (100, 100, 30, 40), score=0.7)
    rejected = candidate(7, (200, 100, 30, 40), score=0.55, accepted=False)
    nonsense = candidate(2, (400, 100, 30, 40), score=0.2, accepted=False)
    with UnsureCrops(tmp_path / "a" / "crops") as crops:
        found = reading([low, sure], rejected=[nonsense, rejected])
        assert crops.add(FRAME, found, source="camera 0", frame=12) == 2
    folder = tmp_path / "a" / "crops"
    entries = lines(folder)
    assert [entry["digit"] for entry in entries] == [4, 7]
    for entry, one in zip(entries, (low, rejected), strict=True):
        assert entry["source"] == "camera 0"
        assert entry["frame"] == 12
        assert entry["box"] == list(one.box)
        assert entry["accepted"] is one.accepted
        assert entry["score"] == pytest.approx(one.score)
        np.testing.assert_allclose(entry["scores"], one.scores, atol=1e-4)
        stored = cv2.imread(str(folder / entry["crop"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(stored, one.crop)
        around = cv2.imread(str(folder / entry["cut"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(around, cut(FRAME, one.box))
    assert len(list(folder.iterdir())) == 5
    assert entries[0]["time"] > 1.6e9


def test_the_same_thing_once_a_second(tmp_path: Path) -> None:
    clock = Clock()
    with UnsureCrops(tmp_path, clock=clock) as crops:
        taken = 0
        for frame in range(30):  # one second of a digit that moves and flickers
            crop = digit_crop(5, seed=frame)
            one = candidate(5, (50 + 15 * frame, 80, 30, 40), score=0.6, crop=crop)
            taken += crops.add(FRAME, reading([one]), source="test", frame=frame)
            clock.now += 0.99 / 30
        assert taken == 1
        other = candidate(5, (50 + 15 * 29, 81, 30, 40), score=0.6, crop=noise_crop(1))
        clock.now += 0.02
        assert crops.add(FRAME, reading([other]), source="test", frame=30) == 1
        assert crops.add(FRAME, reading([unlike(3)]), source="test", frame=31) == 1


def test_what_never_changes_is_kept_less_and_less_often(tmp_path: Path) -> None:
    clock = Clock()
    with UnsureCrops(tmp_path, clock=clock) as crops:
        kept = []
        for second in range(300):
            clock.now = 100.0 + second
            if crops.add(FRAME, reading([unlike(1)]), source="test", frame=second):
                kept.append(second)
    assert kept == [0, 1, 3, 7, 15, 31, 63, 127, 191, 255]


def test_the_oldest_go_when_the_folder_is_full(tmp_path: Path) -> None:
    folder, clock, limit = tmp_path / "crops", Clock(), 150_000
    folder.mkdir()
    own = folder / "holiday.png"
    own.write_bytes(bytes(200_000))
    with UnsureCrops(folder, limit_bytes=limit, clock=clock) as crops:
        for number in range(60):
            fill(crops, clock, range(number, number + 1))
            assert bytes_of(folder) <= limit
    assert own.read_bytes() == bytes(200_000)
    entries = lines(folder)
    frames = [entry["frame"] for entry in entries]
    assert frames == list(range(frames[0], 60))
    assert frames[0] > 0
    assert bytes_of(folder) > 0.7 * limit
    named = {name for entry in entries for name in (entry["crop"], entry["cut"])}
    assert {file.name for file in folder.iterdir()} == {*named, "index.jsonl", "holiday.png"}


def test_a_folder_of_ours_is_continued(tmp_path: Path) -> None:
    """After a kill: a line cut short, an unfinished file, a crop without a line."""
    clock = Clock()
    with UnsureCrops(tmp_path, clock=clock) as crops:
        fill(crops, clock, range(3))
    with (tmp_path / "index.jsonl").open("a") as file:
        file.write('{"crop": "unsure-0000')
    (tmp_path / ".unsure-00000004-crop-x1.png").write_bytes(b"half")
    shutil.copy(tmp_path / "unsure-00000001-crop.png", tmp_path / "unsure-00000007-crop.png")
    (tmp_path / ".unsure-notes.txt").write_text("mine")
    with UnsureCrops(tmp_path, clock=clock) as crops:
        fill(crops, clock, range(3, 5))
    assert [entry["frame"] for entry in lines(tmp_path)] == [0, 1, 2, 3, 4]
    assert lines(tmp_path)[-1]["crop"] == "unsure-00000009-crop.png"
    assert not (tmp_path / ".unsure-00000004-crop-x1.png").exists()
    assert (tmp_path / ".unsure-notes.txt").read_text() == "mine"


def test_a_smaller_limit_deletes_at_once(tmp_path: Path) -> None:
    clock = Clock()
    with UnsureCrops(tmp_path, clock=clock) as crops:
        fill(crops, clock, range(40))
    assert bytes_of(tmp_path) > 150_000
    UnsureCrops(tmp_path, limit_bytes=100_000).close()
    assert 50_000 < bytes_of(tmp_path) <= 100_000
    assert lines(tmp_path)[-1]["frame"] == 39


def test_crops_moved_away_are_no_trouble(tmp_path: Path) -> None:
    """Whoever labels them moves them into other folders."""
    clock = Clock()
    with UnsureCrops(tmp_path, clock=clock) as crops:
        fill(crops, clock, range(3))
    labelled = tmp_path / "7"
    labelled.mkdir()
    shutil.move(tmp_path / "unsure-00000002-crop.png", labelled)
    with UnsureCrops(tmp_path, clock=clock) as crops:
        fill(crops, clock, range(3, 4))
    assert len(lines(tmp_path)) == 4
    assert (labelled / "unsure-00000002-crop.png").exists()


def test_what_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    folder, clock, said = tmp_path / "crops", Clock(), Said()
    with UnsureCrops(folder, clock=clock, progress=said) as crops:
        fill(crops, clock, range(2))
        shutil.rmtree(folder)
        folder.write_text("in the way")
        fill(crops, clock, range(2, 6))
        assert len(said.lines) == 1
        assert str(folder) in said.lines[0]
        assert "recognition goes on" in said.lines[0]
        folder.unlink()
        fill(crops, clock, range(6, 8))
    assert [entry["frame"] for entry in lines(folder)] == [6, 7]
    assert len(said.lines) == 1


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said, clock = Said(), Clock()
    with UnsureCrops(tmp_path / "file" / "crops", progress=said, clock=clock) as crops:
        fill(crops, clock, range(3))
    assert len(said.lines) == 1


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """The system cuts a write short at a limit, as a full disk does."""
    clock, said = Clock(), Said()
    with UnsureCrops(tmp_path, clock=clock, progress=said) as crops:
        for number in range(100):  # until the index is larger than any picture
            clock.now += 200
            small = candidate(1, (0, 0, 4, 4), score=0.6, crop=noise_crop(number))
            crops.add(FRAME, reading([small]), source="test", frame=number)
            crops.flush()
        before = (tmp_path / "index.jsonl").read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
        try:
            clock.now += 200
            crops.add(FRAME, reading([unlike(500)]), source="test", frame=500)
            crops.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (tmp_path / "index.jsonl").read_bytes() == before
        assert len(said.lines) == 1
        fill(crops, clock, range(501, 502))
    assert [entry["frame"] for entry in lines(tmp_path)][-2:] == [99, 501]


def test_adding_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """With a thousand candidates at once some are let go, and the numbers say so."""
    with UnsureCrops(tmp_path) as crops:
        found = [
            candidate(0, (index, 0, 1, 1), score=0.6, crop=noise_crop(index))
            for index in range(1000)
        ]
        taken = crops.add(FRAME, reading(found), source="test", frame=0)
    assert 64 <= taken <= 1000
    assert len(lines(tmp_path)) == taken


def test_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="is a file"):
        UnsureCrops(file)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "index.jsonl").write_text('{"name": "somebody else\'s"}\n')
    with pytest.raises(UsageError, match="not of this program"):
        UnsureCrops(foreign)
    assert (foreign / "index.jsonl").read_text().startswith('{"name"')
    with UnsureCrops(tmp_path / "crops"), pytest.raises(UsageError, match="another program"):
        UnsureCrops(tmp_path / "crops")
    with pytest.raises(UsageError, match="low"):
        UnsureCrops(tmp_path / "x", low=-1)
    with pytest.raises(UsageError, match="limit_bytes"):
        UnsureCrops(tmp_path / "x", limit_bytes=0)
