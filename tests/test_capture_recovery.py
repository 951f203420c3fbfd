"""A camera or stream that is lost: what is said, how often it is tried, and that it comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from helpers_capture import LONG, Clock, ListSource, Step, opener_of, release, until
from helpers_frames import Connection, frame, jpeg, mjpeg_server, number_of
from numpy.typing import NDArray

from edgedigits.device.capture import Capture
from edgedigits.device.sources import Source, open_source
from edgedigits.errors import SourceError


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


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
    assert clock.waits == [0.5, *[1.0] * 7]
    assert said == [
        "source 0: no frame for 0.0 s, reopening…",
        "source 0: there is no /dev/video0; trying until it is back",
        "source 0: back after 7.5 s",
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
        Slow([frame(3), "end"]),  # at once again, though long after the start
        Slow([frame(4)]),
    ]
    said: list[str] = []
    options: dict[str, Any] = {"say": said.append, "clock": clock, "wait": clock.wait}
    with Capture(opener_of([*sources]), **options, patience=0.1) as capture:
        assert sources[-1].exhausted.wait(LONG)
        assert capture.stats().reopened == 5
        assert capture.stats().taken == 35
    release(sources[-1])
    assert clock.waits == [0.5, 1, 0.5, 0.5, 1]
    assert said == [
        "source 0: no more frames, reopening…",
        "source 0: back after 2.5 s",  # the read that failed, the pause, the read that worked
        "source 0: no more frames, reopening…",
        "source 0: back after 3.0 s",
        "source 0: the camera fails: EIO, reopening…",
        "source 0: back after 2.5 s",
        "source 0: no frame for 1.0 s, reopening…",
        "source 0: back after 2.5 s",
        "source 0: no more frames, reopening…",
        "source 0: back after 3.0 s",
    ]


@pytest.mark.parametrize("failure", [None, "end", SourceError("source 0: EIO")])
def test_what_never_gives_a_frame_is_given_up(failure: Step) -> None:
    clock = Clock()
    silent = [ListSource([failure]) for _ in range(40)]
    opener = opener_of([*silent])
    with (
        Capture(opener, give_up=30, clock=clock, wait=clock.wait) as capture,
        pytest.raises(SourceError, match="source 0: not one frame came within 30 s; check"),
    ):
        capture.take()
    assert sum(clock.waits) == 30.5  # 0.5 and then every second
    assert all(source.closed for source in silent[:31])


def test_what_gave_a_frame_is_never_given_up() -> None:
    clock = Clock()
    first, last = ListSource([frame(0), None]), ListSource([frame(1)])
    opener = opener_of([first, *[ListSource([None]) for _ in range(100)], last])
    with Capture(
        opener, give_up=30, clock=clock, wait=clock.wait, say=lambda _: None, patience=0.1
    ) as capture:
        assert last.exhausted.wait(LONG)
        assert capture.stats().reopened == 1
    release(last)
    assert sum(clock.waits) > 100


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
