"""The capture thread: newest frame or every frame, counted exactly; closing never hangs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers_capture import LONG, Clock, ListSource, consistent, opener_of, release
from helpers_frames import frame, number_of
from numpy.typing import NDArray

from edgedigits.device.capture import Capture
from edgedigits.device.sources import open_source
from edgedigits.errors import DataError, SourceError


def test_a_slow_user_gets_the_newest_frame_and_drops_are_counted() -> None:
    pictures = [frame(number) for number in range(50)]
    source = ListSource(list(pictures))
    with Capture(lambda: source, patience=0.1) as capture:
        assert source.exhausted.wait(LONG)  # all 50 were put: the 51st is asked for
        stats = capture.stats()
        assert (stats.taken, stats.handed_over, stats.dropped, stats.waiting) == (50, 0, 49, 1)
        newest = capture.take()
        assert newest is not None
        assert newest.number == 49
        assert newest.image is pictures[49]  # handed on, not copied
        assert capture.take(timeout=0) is None
        assert not capture.finished
        stats = capture.stats()
        assert (stats.taken, stats.handed_over, stats.dropped, stats.waiting) == (50, 1, 49, 0)
    release(source)
    assert capture.finished
    assert list(capture) == []


def test_a_user_who_keeps_up_gets_every_frame_of_a_camera() -> None:
    class Stepwise(ListSource):
        """Gives the next frame once the one before was used."""

        def read(self) -> NDArray[Any] | None:
            turn.acquire()
            return super().read()

    turn = threading.Semaphore(0)
    source = Stepwise([frame(number) for number in range(20)])
    source.released.set()
    with Capture(lambda: source) as capture:
        for number in range(20):
            turn.release()
            found = next(capture)
            assert (found.number, number_of(found.image)) == (number, number)
        stats = capture.stats()
        assert (stats.taken, stats.handed_over, stats.dropped) == (20, 20, 0)
        turn.release(100)


def test_numbers_show_what_was_dropped_while_frames_race() -> None:
    source = ListSource([frame(number) for number in range(256)])
    numbers = []
    with Capture(lambda: source, patience=0.1) as capture:
        while (found := capture.take(timeout=0 if source.exhausted.is_set() else 0.01)) or (
            not source.exhausted.is_set()
        ):
            assert consistent(capture.stats())
            if found is not None:
                assert found.number == number_of(found.image)
                numbers.append(found.number)
        stats = capture.stats()
    release(source)
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 255
    assert (stats.taken, stats.handed_over, stats.waiting) == (256, len(numbers), 0)
    assert stats.dropped == 256 - len(numbers)


def test_a_file_is_handed_over_whole_and_in_order_however_slow_the_user(tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 25, (320, 240))
    for number in range(30):
        writer.write(frame(number))
    writer.release()
    said: list[str] = []
    with Capture(lambda: open_source(str(path)), say=said.append) as capture:
        for number, found in enumerate(capture):
            assert found.number == number
            np.testing.assert_array_equal(found.image, frame(number))
            stats = capture.stats()
            assert consistent(stats)
            assert stats.waiting <= 2  # read ahead, but not far
            if number < 3:
                time.sleep(0.05)
        assert number == 29
        assert capture.finished
        stats = capture.stats()
    assert (stats.taken, stats.handed_over, stats.dropped, stats.waiting) == (30, 30, 0, 0)
    assert said == []


def test_a_damaged_picture_comes_as_an_error_after_those_before_it(tmp_path: Path) -> None:
    for number in range(3):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), frame(number))
    (tmp_path / "3.png").write_bytes(b"no picture")
    numbers: list[int] = []
    with Capture(lambda: open_source(str(tmp_path))) as capture:
        with pytest.raises(DataError, match=r"3\.png: is no picture"):
            numbers.extend(found.number for found in capture)
        assert capture.finished
    assert numbers == [0, 1, 2]


def test_closing_in_the_middle_of_a_file_ends_the_thread() -> None:
    source = ListSource([frame(number) for number in range(20)], live=False)
    with Capture(lambda: source) as capture:
        assert next(capture).number == 0
    assert source.closed == 1
    assert list(capture) == []
    stats = capture.stats()
    assert consistent(stats)
    assert stats.waiting == 0
    capture.close()


def test_what_the_first_opening_raises_is_the_callers() -> None:
    capture = Capture(opener_of([SourceError("source 0: no such camera")]))
    with pytest.raises(SourceError, match="no such camera"), capture:
        pass


def test_frames_per_second_are_those_of_the_last_seconds() -> None:
    clock = Clock()

    class Paced(ListSource):
        """Ten frames a second, then forty."""

        def read(self) -> NDArray[Any] | None:
            clock.now += 0.1 if len(self.steps) > 400 else 0.025
            return super().read()

    source = Paced([frame(0)] * 500)
    with Capture(lambda: source, clock=clock, patience=0.1) as capture:
        assert source.exhausted.wait(LONG)
        assert capture.stats().fps == pytest.approx(40)
        clock.now += 6
        assert capture.stats().fps == 0
    release(source)


def test_closing_does_not_wait_for_a_read_that_never_returns() -> None:
    source = ListSource([frame(0)])  # blocks after its only frame
    before = time.monotonic()
    with Capture(lambda: source, patience=0.1):
        assert source.exhausted.wait(LONG)
    assert time.monotonic() - before < LONG
    assert source.closed == 0  # closing it during a read would be a crash
    release(source)


def test_a_read_that_never_returns_does_not_keep_the_process() -> None:
    program = """
import threading
from edgedigits.device.capture import Capture

class Stuck:
    name, live, fps, ended = "0", True, None, False
    def read(self):
        threading.Event().wait()
    def close(self):
        raise AssertionError

with Capture(Stuck, patience=0.1) as capture:
    assert capture.take(timeout=0.1) is None
print("left")
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "left\n", "")


def test_a_user_who_waits_is_woken_by_closing() -> None:
    source = ListSource([])
    found: list[object] = []
    with Capture(lambda: source, patience=0.1) as capture:
        user = threading.Thread(target=lambda: found.append(capture.take()))
        user.start()
        assert source.exhausted.wait(LONG)
    user.join(LONG)
    assert found == [None]
    release(source)
