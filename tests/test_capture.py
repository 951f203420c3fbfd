"""The capture thread: newest frame or every frame, counted exactly; lost sources come back."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers_frames import Connection, frame, jpeg, mjpeg_server, number_of
from numpy.typing import NDArray

from edgedigits.device.capture import Capture
from edgedigits.device.handover import CaptureStats
from edgedigits.device.sources import Source, open_source
from edgedigits.errors import DataError, SourceError

LONG = 30.0  # seconds; a timeout that no test is meant to reach

Step = NDArray[Any] | Exception | str | None


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


class ListSource:
    """A source that gives what is listed: a frame, None for a stall, ``"end"``, an error.

    After the list it says that it is ``exhausted`` and blocks until it is ``released``.
    """

    def __init__(self, steps: list[Step], *, live: bool = True) -> None:
        self.name = "0"
        self.live = live
        self.ended = False
        self.steps = list(steps)
        self.closed = 0
        self.exhausted = threading.Event()
        self.released = threading.Event()

    def read(self) -> NDArray[Any] | None:
        assert not self.closed, "read after close"
        if not self.steps:
            self.exhausted.set()
            self.released.wait()
            return None
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, str):
            self.ended = True
            return None
        return step

    def close(self) -> None:
        self.closed += 1


class Clock:
    """Time that passes only where it is waited for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def consistent(stats: CaptureStats) -> bool:
    return stats.taken == stats.handed_over + stats.dropped + stats.waiting


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def release(source: ListSource) -> None:
    """Let a capture that was closed during the source's last read come to its end."""
    source.released.set()
    until(lambda: source.closed)


def opener_of(sources: list[Source | Exception]) -> Callable[[], Source]:
    waiting = iter(sources)

    def open_next() -> Source:
        source = next(waiting)
        if isinstance(source, Exception):
            raise source
        return source

    return open_next


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


def test_a_lost_camera_is_opened_again_with_growing_pauses() -> None:
    clock = Clock()
    gone = SourceError("source 0: there is no /dev/video0")
    first = ListSource([frame(0), None])
    silent = ListSource([None])  # opens, but gives nothing
    last = ListSource([frame(1), frame(2)])
    said: list[str] = []
    sources: list[Source | Exception] = [first, *[gone] * 5, silent, gone, last]
    options: dict[str, Any] = {"say": said.append, "clock": clock, "wait": clock.wait}
    with Capture(opener_of(sources), **options, patience=0.1) as capture:
        assert last.exhausted.wait(LONG)
        found = capture.take()
        assert found is not None
        assert (found.number, number_of(found.image)) == (2, 2)
        assert capture.stats().reopened == 1
    release(last)
    assert clock.waits == [0.5, 1, 2, 4, 8, 10, 10, 10]
    assert said == [
        "source 0: no frame for 0.0 s, reopening…",
        "source 0: there is no /dev/video0; trying until it is back",
        "source 0: back after 45.5 s",
    ]
    assert first.closed == silent.closed == last.closed == 1


def test_every_kind_of_loss_is_said_once_and_pauses_start_anew_after_a_good_while() -> None:
    clock = Clock()

    class Slow(ListSource):
        """A read takes a second."""

        def read(self) -> NDArray[Any] | None:
            clock.now += 1.0
            return super().read()

    long = [frame(number) for number in range(15)]
    failure = SourceError("source 0: the camera fails: EIO")
    sources = [
        Slow([frame(0), frame(1), "end"]),
        Slow([frame(2), "end"]),  # lost again at once: the pause goes on growing
        Slow([*long, failure]),
        Slow([*long, None]),
        Slow([frame(3)]),
    ]
    said: list[str] = []
    options: dict[str, Any] = {"say": said.append, "clock": clock, "wait": clock.wait}
    with Capture(opener_of([*sources]), **options, patience=0.1) as capture:
        assert sources[-1].exhausted.wait(LONG)
        assert capture.stats().reopened == 4
        assert capture.stats().taken == 34
    release(sources[-1])
    assert clock.waits == [0.5, 1, 0.5, 0.5]
    assert said == [
        "source 0: no more frames, reopening…",
        "source 0: back after 2.5 s",  # the read that failed, the pause, the read that worked
        "source 0: no more frames, reopening…",
        "source 0: back after 3.0 s",
        "source 0: the camera fails: EIO, reopening…",
        "source 0: back after 2.5 s",
        "source 0: no frame for 1.0 s, reopening…",
        "source 0: back after 2.5 s",
    ]


def test_a_changed_frame_size_is_said_and_goes_on() -> None:
    small, large = frame(0, 640, 480), frame(1, 1280, 720)
    source = ListSource([small, large, large[:, :, 0], small])
    said: list[str] = []
    with Capture(lambda: source, say=said.append, patience=0.1) as capture:
        assert source.exhausted.wait(LONG)
        assert capture.stats().taken == 4
    release(source)
    assert said == [
        "source 0: frame size changed from 640×480 to 1280×720",
        "source 0: frame size changed from 1280×720 to 640×480",
    ]


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
    name, live, ended = "0", True, False
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


# Over a real connection


def frames_until(capture: Capture, last: int) -> Iterator[int]:
    for found in capture:
        yield (number := number_of(found.image))
        if number == last:
            return


def test_a_stream_that_stalls_is_cut_or_refused_comes_back() -> None:
    seen = [threading.Event() for _ in range(3)]

    def stalls(client: Connection) -> None:
        client.begin()
        client.part(jpeg(1))
        client.stall()

    def cut(client: Connection) -> None:
        client.begin()
        client.part(jpeg(2))
        assert seen[1].wait(LONG)
        client.write(b"--frame\r\nContent-Length: 9999\r\n\r\n" + jpeg(3)[:100])

    def unavailable(client: Connection) -> None:
        client.handler.send_error(503, "Service Unavailable")

    def good(client: Connection) -> None:
        client.begin()
        client.part(jpeg(4, 640, 480))
        client.stall()

    said: list[str] = []
    with mjpeg_server(stalls, cut, unavailable, good) as address:
        opener = lambda: open_source(address, timeout=1.0)  # noqa: E731
        with Capture(opener, say=said.append, wait=lambda seconds: None) as capture:
            found = []
            for number in frames_until(capture, 4):
                found.append(number)
                seen[min(number, 3) - 1].set()
            stats = capture.stats()
    assert found == [1, 2, 4]
    assert stats.reopened == 2
    name = f"source {address}: "
    assert all(line.startswith(name) for line in said)
    texts = [line.removeprefix(name) for line in said[:6]]
    assert texts[0].startswith("no frame for 1.")
    assert texts[0].endswith(" s, reopening…")
    assert texts[1].startswith("back after 1.")
    assert texts[2] == "no more frames, reopening…"
    assert "503 Service Unavailable" in texts[3]
    assert texts[4].startswith("back after ")
    assert texts[5] == "frame size changed from 320×240 to 640×480"


def test_a_slow_user_of_a_stream_gets_its_newest_frame() -> None:
    def fast(client: Connection) -> None:
        client.begin()
        for number in range(100):
            client.part(jpeg(number))
        client.stall()

    with (
        mjpeg_server(fast) as address,
        Capture(lambda: open_source(address, timeout=LONG), patience=0.1) as capture,
    ):
        until(lambda: capture.stats().taken == 100)
        found = next(capture)
        assert (found.number, number_of(found.image)) == (99, 99)
        assert capture.stats().dropped == 99
