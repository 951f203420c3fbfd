"""Streams: MJPEG over HTTP and what FFmpeg reads, from a small server on this machine."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers_frames import Connection, images, jpeg, mjpeg_server, number_of, write_video

from edgedigits.device.sources import open_source
from edgedigits.device.sources.mjpeg import Parts
from edgedigits.device.sources.video import open_video_stream
from edgedigits.errors import SourceError, UsageError

LONG = 30.0  # seconds; a timeout that no test is meant to reach


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


def test_mjpeg_keeps_order_and_pixels() -> None:
    def script(client: Connection) -> None:
        client.begin()
        for number in range(20):
            client.part(jpeg(number), length=number % 2 == 0)

    with mjpeg_server(script) as address:
        source = open_source(address, timeout=LONG)
        assert source.live
        found = images(source)
    # The last one has no length: without a delimiter after it, it is not known to be whole.
    assert [number_of(image) for image in found] == list(range(19))
    for number, image in enumerate(found):
        expected = cv2.imdecode(np.frombuffer(jpeg(number), np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(image, expected)


def test_mjpeg_frames_have_the_size_that_was_sent() -> None:
    sizes = [(320, 240), (640, 480), (160, 240)]

    def script(client: Connection) -> None:
        client.begin()
        for number, (width, height) in enumerate(sizes):
            client.part(jpeg(number, width, height))

    with mjpeg_server(script) as address:
        found = images(open_source(address, timeout=LONG))
    assert [image.shape[1::-1] for image in found] == sizes


def test_mjpeg_passes_over_what_is_no_picture() -> None:
    def script(client: Connection) -> None:
        client.begin("multipart/x-mixed-replace;boundary=--other")
        client.write(b"\r\npreamble\r\n")
        client.part(jpeg(1))
        client.part(b"")
        client.part(b"no picture")
        client.part(jpeg(2))
        client.write(b"--frame--\r\n")

    with mjpeg_server(script) as address:
        found = images(open_source(address, timeout=LONG))
    assert [number_of(image) for image in found] == [1, 2]


def test_mjpeg_that_stalls_or_trickles_gives_none_in_time() -> None:
    def stall(client: Connection) -> None:
        client.begin()
        client.part(jpeg(5))
        client.stall()

    def trickle(client: Connection) -> None:
        client.begin()
        client.part(jpeg(6))
        while not client.closing.wait(0.05):
            client.write(b"--frame\r\nX: y\r\n")

    with mjpeg_server(stall, trickle) as address:
        for number in (5, 6):
            source = open_source(address, timeout=0.5)
            image = source.read()
            assert image is not None
            assert number_of(image) == number
            before = time.monotonic()
            assert source.read() is None
            assert 0.3 < time.monotonic() - before < LONG
            assert not source.ended
            source.close()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 1 << 16])
def test_parts_do_not_depend_on_how_the_bytes_arrive(size: int) -> None:
    bodies = [b"\n--frames are no delimiters\r\n--fram", b"--\r\n\r\n--", bytes(range(256)) * 3]
    stream = b"\r\n"
    for i, body in enumerate(bodies * 2):
        head = b"Content-Length: %d\r\n" % len(body) if i < len(bodies) else b"X: y\r\n"
        stream += b"--frame\r\n" + head + b"\r\n" + body + b"\r\n"
    stream += b"--frame\r\n"
    rest = [stream[i : i + size] for i in range(0, len(stream), size)]
    parts = Parts(lambda _: rest.pop(0) if rest else b"")
    deadline = time.monotonic() + LONG
    found = [parts.next(deadline) for _ in range(7)]
    assert found[:3] == bodies
    assert [body if body is None else body.rstrip() for body in found[3:]] == [
        *(body.rstrip() for body in bodies),
        None,
    ]


def test_an_address_that_is_no_mjpeg_is_left_to_ffmpeg(tmp_path: Path) -> None:
    write_video(tmp_path / "video.avi", "MJPG", 10)

    def script(client: Connection) -> None:
        client.begin("video/x-msvideo")
        client.write((tmp_path / "video.avi").read_bytes())

    with mjpeg_server(script) as address:
        source = open_source(address, timeout=LONG)
        assert source.live
        assert [number_of(image) for image in images(source)] == list(range(10))


def test_a_stream_through_ffmpeg_that_stalls_or_is_cut(capfd: pytest.CaptureFixture[str]) -> None:
    def script(client: Connection) -> None:
        client.begin()
        for number in range(5):
            client.part(jpeg(number))
        if not cut:
            client.stall()

    for cut in (False, True):
        with mjpeg_server(script) as address:
            source = open_video_stream("x", address, 1.0)
            assert source is not None
            for number in range(5):
                image = source.read()
                assert image is not None
                assert number_of(image) == number
            assert source.read() is None
            assert source.ended == cut
            source.close()
    assert capfd.readouterr() == ("", "")


def test_an_address_that_gives_no_video(capfd: pytest.CaptureFixture[str]) -> None:
    def page(client: Connection) -> None:
        client.begin("text/html")
        client.write(b"<html>Please log in</html>")

    def missing(client: Connection) -> None:
        client.handler.send_error(404, "Not Found")

    with mjpeg_server(page) as address, pytest.raises(SourceError, match="answers, but with no vi"):
        open_source(address)
    with mjpeg_server(missing) as address, pytest.raises(SourceError, match="404 Not Found; check"):
        open_source(address)
    assert capfd.readouterr() == ("", "")


def test_user_and_password_are_used_and_never_shown() -> None:
    def guarded(client: Connection) -> None:
        given = client.handler.headers["Authorization"]
        if given != "Basic bWU6cEBzcw==":  # base64 of me:p@ss
            client.handler.send_response(401)
            client.handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
            client.handler.send_header("Content-Length", "0")
            client.handler.end_headers()
        else:
            client.begin()
            client.part(jpeg(9))

    with mjpeg_server(guarded) as address:
        source = open_source(address.replace("//", "//me:p%40ss@"), timeout=LONG)
        assert source.name == address.replace("//", "//***@")
        assert [number_of(image) for image in images(source)] == [9]
        with pytest.raises(SourceError, match="401") as error:
            open_source(address.replace("//", "//me:wrong-secret@"), timeout=LONG)
        assert "secret" not in str(error.value)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_refused_address(scheme: str, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:  # bound, but not listening: refuses
        taken.bind(("127.0.0.1", 0))
        address = f"{scheme}://me:secret@127.0.0.1:{taken.getsockname()[1]}/live"
        with pytest.raises(SourceError, match="connection refused; check the port") as error:
            open_source(address)
    assert "secret" not in str(error.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["http://", "rtsp:///path", "http://a:b@host:99999/x"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(UsageError, match="is no address; one looks like") as error:
        open_source(address)
    assert "a:b@" not in str(error.value)
