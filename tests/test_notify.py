"""What systemd is told, by real datagrams, and how the camera ends."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from helpers_camera import ServiceManager, Stream, camera, service_manager, write_clip
from helpers_capture import Clock
from helpers_frames import mjpeg_server

from edgedigits.device.camera import CameraOptions, run_camera
from edgedigits.device.opening import open_recogniser
from edgedigits.device.service.notify import Notifier
from edgedigits.device.service.stopping import StopRequest
from edgedigits.errors import SourceError
from edgedigits.zoo import reader_file


def _environ(manager: ServiceManager, watchdog: float | None = 8) -> dict[str, str]:
    found = {"NOTIFY_SOCKET": manager.address}
    if watchdog is not None:
        found |= {"WATCHDOG_USEC": str(round(watchdog * 1e6)), "WATCHDOG_PID": str(os.getpid())}
    return found


def _fill(address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.setblocking(False)
        while True:
            full.sendto(b"x", address)


@pytest.mark.parametrize("abstract", [False, True])
def test_frames_make_it_ready_and_feed_the_watchdog(tmp_path: Path, abstract: bool) -> None:
    name = f"@edgedigits-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    clock = Clock()
    with service_manager(name) as manager:
        notifier = Notifier(_environ(manager), clock)
        assert notifier.watchdog == 8
        sent = []
        for number in range(10):  # a frame a second, for ten seconds
            notifier.recognised(f"frame\n{number}")
            sent.append(manager.receive(0.02))
            clock.now += 1
        assert sent[0] == ["READY=1", "WATCHDOG=1", "STATUS=frame 0"]
        assert [i for i, lines in enumerate(sent) if lines] == [0, 2, 4, 6, 8]  # 8 s / 4
        assert sent[2] == ["WATCHDOG=1", "STATUS=frame 2"]
        notifier.event("source 0: no frame for 3.0 s, reopening…")
        assert manager.receive(1) == [
            "STATUS=source 0: no frame for 3.0 s, reopening… "
            "(restarted once no frame was recognised for 8 s)"
        ]
        clock.now -= 0.5  # not due: the frame takes the event's place as status, no more
        notifier.recognised("back")
        assert manager.receive(1) == ["STATUS=back"]
        notifier.stopping()
        notifier.stopping()
        assert manager.receive(1) == ["STOPPING=1"]
        assert manager.receive(0.02) is None


def test_without_a_watchdog_the_status_comes_now_and_then(tmp_path: Path) -> None:
    clock = Clock()
    with service_manager(str(tmp_path / "n")) as manager:
        notifier = Notifier(_environ(manager, None), clock)
        for _ in range(25):
            notifier.recognised("fine")
            clock.now += 1
        assert manager.receive(0.1) == ["READY=1", "STATUS=fine"]
        assert [manager.receive(0.1) for _ in range(3)] == [["STATUS=fine"], ["STATUS=fine"], None]


def test_an_error_is_the_last_status(tmp_path: Path) -> None:
    with service_manager(str(tmp_path / "n")) as manager:
        with pytest.raises(ValueError), Notifier(_environ(manager)):
            raise ValueError("source 0: there is no /dev/video0")
        assert manager.receive(1) == ["STATUS=source 0: there is no /dev/video0"]
        assert manager.receive(1) == ["STOPPING=1"]


def test_nothing_is_sent_where_nobody_listens(tmp_path: Path) -> None:
    clock = Clock()
    for environ in (
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "vsock:2:1"},
        {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "@" + "x" * 300},
    ):
        with Notifier(environ, clock) as notifier:
            notifier.recognised("fine")
            notifier.event("lost")


def test_a_full_socket_is_no_reason_to_wait(tmp_path: Path) -> None:
    clock = Clock()
    with service_manager(str(tmp_path / "n")) as manager:
        with pytest.raises(BlockingIOError):
            _fill(manager.address)
        notifier = Notifier(_environ(manager), clock)
        notifier.recognised("first")
        while (lines := manager.receive(0.05)) is not None:
            assert lines == ["x"]
        notifier.recognised("second")  # what did not go is sent with the next frame
        assert manager.receive(1) == ["READY=1", "WATCHDOG=1", "STATUS=second"]


def test_a_watchdog_of_another_process_or_of_nonsense_is_none_of_ours(tmp_path: Path) -> None:
    there = {"NOTIFY_SOCKET": str(tmp_path / "n")}
    other = {**there, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert Notifier(other).watchdog is None
    assert Notifier({**there, "WATCHDOG_USEC": "1000000"}).watchdog == 1
    for text in ("", "0", "-5", "x", "1e6", "²"):
        assert Notifier({**there, "WATCHDOG_USEC": text}).watchdog is None


def test_sigterm_is_noted_and_the_handler_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert not stop.asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # a second one ends it
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_video_from_ready_to_stopping(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi")
    with service_manager(str(tmp_path / "n")) as manager:
        environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "60000000"}
        with camera("--source", clip, env=environ) as running:
            first = manager.receive()
            assert first is not None
            assert first[:2] == ["READY=1", "WATCHDOG=1"]
            assert "1 frames recognised" in first[2]
            assert manager.receive() == ["STOPPING=1"]
            assert running.process.wait(60) == 0


def test_a_source_that_is_not_there_is_never_ready(tmp_path: Path) -> None:
    with service_manager(str(tmp_path / "n")) as manager:
        with camera("--source", "63", env={"NOTIFY_SOCKET": manager.address}) as running:
            assert running.process.wait(60) == 1
        lines = manager.receive(1)
        assert lines is not None
        assert lines[0].startswith("STATUS=source 63: there is no /dev/video63")
        assert manager.receive(1) == ["STOPPING=1"]


def test_a_stream_without_a_frame_is_given_up_unless_a_service_manager_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgedigits.device.camera.FIRST_FRAME", 0.5)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    stream = Stream()
    stream.flowing.clear()
    recogniser = open_recogniser(reader_file())
    with mjpeg_server(stream) as url:
        options = CameraOptions(source=url, frames=1)
        with pytest.raises(SourceError, match=f"source {url}: not one frame came within"):
            run_camera(options, recogniser, write=print)
        with service_manager(str(tmp_path / "n")) as manager:
            monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
            threading.Timer(4, stream.flowing.set).start()
            run_camera(options, recogniser, write=print)
            manager.wait_for("READY=1")


def test_a_stalled_stream_starves_the_watchdog_until_it_is_back(tmp_path: Path) -> None:
    """Fed by frames, not by a timer; and SIGTERM ends even a camera without frames, with 0."""
    stream = Stream()
    with service_manager(str(tmp_path / "n")) as manager, mjpeg_server(stream) as url:
        environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000"}
        copy = tmp_path / "seen.avi"
        with camera("--source", url, "--out", copy, env=environ) as running:
            assert manager.wait_for("READY=1")[1] == "WATCHDOG=1"
            for _ in range(3):
                manager.wait_for("WATCHDOG=1")
            stream.flowing.clear()
            lost = manager.wait_for("STATUS=source")
            while "reopening" not in lost[0]:
                lost = manager.wait_for("STATUS=source")
            assert "no frame for" in lost[0]
            assert "restarted once no frame was recognised for 2 s" in lost[0]
            assert manager.receive(2.5) is None  # longer than the watchdog: nothing feeds it
            stream.flowing.set()
            assert manager.wait_for("WATCHDOG=1")
            stream.flowing.clear()
            while manager.receive(1) is not None:
                pass
            assert running.end() == 0
            assert manager.wait_for("STOPPING=1") == ["STOPPING=1"]
            assert "frames recognised" in running.lines[-1]
            assert copy.is_file()
