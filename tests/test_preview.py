"""The preview page, asked for over a real loopback connection."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_browser import BROWSER, NEEDS_BROWSER
from helpers_preview import (
    IMAGE,
    READING,
    ask,
    decode,
    noise,
    state_of,
    tracked_reading,
    wait_until,
)
from helpers_reading import line, reading

from edgedigits.device import drawing
from edgedigits.device.preview import PreviewServer, moment, server
from edgedigits.device.reading import U8
from edgedigits.device.web import connections


def test_state_is_what_was_published(preview: PreviewServer) -> None:
    assert state_of(preview)["reading"] is None
    tracked = tracked_reading()
    preview.publish(IMAGE, READING, tracked, {"fps": 29.5, "dropped": 3})
    state = state_of(preview)
    assert state["frame"] == 1
    assert state["reading"] == json.loads(json.dumps(READING.to_json()))
    assert state["text"] == "31\n4"
    assert state["stats"] == {"fps": 29.5, "dropped": 3}
    everything = [*READING.digits, *READING.rejected]
    for shown, one in zip(state["candidates"], everything, strict=True):
        assert shown["digit"] == one.digit
        assert shown["accepted"] == one.accepted
        np.testing.assert_allclose(shown["scores"], one.scores, atol=1e-4)
        crop = np.frombuffer(base64.b64decode(shown["crop"]), np.uint8).reshape(28, 28)
        np.testing.assert_array_equal(crop, one.crop)
    ids = [track.id for track in tracked.tracks]
    assert [shown["track"] for shown in state["candidates"]] == [*ids, None]
    assert [shown["committed"] for shown in state["candidates"]] == [True] * 3 + [False]


def test_without_tracks_the_text_is_the_readings(preview: PreviewServer) -> None:
    preview.publish(IMAGE, READING)
    assert state_of(preview)["text"] == READING.text


def test_numbers_that_json_does_not_know(preview: PreviewServer) -> None:
    stats = {"fps": np.float32(2.5), "n": np.int64(3), "bad": float("nan"), "at": Path("x")}
    preview.publish(IMAGE, READING, None, {**stats, "list": (1, float("inf"))})
    expected = {"fps": 2.5, "n": 3, "bad": None, "at": "x", "list": [1, None]}
    assert state_of(preview)["stats"] == expected


@pytest.mark.parametrize("shape", [(480, 640, 3), (479, 641), (1, 1, 3)])
def test_frame_has_its_own_size_and_its_boxes(
    preview: PreviewServer, shape: tuple[int, ...]
) -> None:
    image = np.full(shape, 200, np.uint8)
    preview.publish(image, READING)
    status, headers, body = ask(preview, "/frame.jpg?frame=1")
    assert status == 200
    assert headers["content-type"] == "image/jpeg"
    assert headers["x-frame"] == "1"
    picture = decode(body)
    assert picture.shape[:2] == shape[:2]
    if shape[0] > 1:
        b, g, r = picture[48:52, 60].astype(int).min(axis=0)  # the line above the first digit
        assert g > r + 30
        assert b < 150
    assert (image == 200).all()


def test_no_frame_yet(preview: PreviewServer) -> None:
    assert ask(preview, "/frame.jpg")[0] == 503


def test_a_picture_that_cannot_be_drawn_breaks_nothing(preview: PreviewServer) -> None:
    preview.publish(np.zeros((5, 5), np.float32), READING)  # type: ignore[arg-type]
    assert ask(preview, "/frame.jpg")[0] == 500
    preview.publish(IMAGE, READING)
    assert ask(preview, "/frame.jpg")[0] == 200


class Page(HTMLParser):
    """Collects what matters of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: set[str] = set()
        self.state = ""
        self._in_state = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.add(value or "")
        self._in_state = ("id", "state") in attrs

    def handle_data(self, data: str) -> None:
        if self._in_state:
            self.state += data
            self._in_state = False


def test_the_page_needs_nothing_else(preview: PreviewServer) -> None:
    preview.publish(IMAGE, READING, None, {"</script><b>": "</script><b>"})
    status, headers, body = ask(preview, "/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    text = body.decode()
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text)
    assert text.count("</script>") == 2
    page = Page()
    page.feed(text)
    for tag, name, value in page.attributes:
        assert name not in ("src", "action", "srcset", "data"), (tag, name, value)
        assert name != "href" or value == "data:,"
        assert not name.startswith("on")  # no code in attributes
    assert ("html", "lang", "en") in page.attributes
    assert any(
        name == "content" and "width=device-width" in value for _, name, value in page.attributes
    )
    assert "prefers-color-scheme: dark" in text
    assert json.loads(page.state) == state_of(preview)
    # All that the script looks for is there, and all that describes something else too.
    wanted = re.findall(r'byId\("([^"]+)"\)', text)
    wanted += [value for _, name, value in page.attributes if name == "aria-labelledby"]
    assert set(wanted) <= page.ids
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_waiting_for_the_next_frame(preview: PreviewServer) -> None:
    preview.publish(IMAGE, READING)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(state_of, preview, "/state.json?after=1")
        assert not wait_until(waiting.done, 0.3)
        preview.publish(IMAGE, reading(line("5", 50, 50)))
        assert waiting.result(60)["text"] == "5"
    # Another number than the newest, as after a restart, is answered at once.
    assert state_of(preview, "/state.json?after=99")["frame"] == 2
    for wrong in ("", "x", "-1", "%C2%B2", "9" * 50):
        assert state_of(preview, f"/state.json?after={wrong}")["frame"] == 2


def test_nothing_new_is_answered_in_the_end(
    preview: PreviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LONGEST_WAIT", 0.2)
    preview.publish(IMAGE, READING)
    assert state_of(preview, "/state.json?after=1")["frame"] == 1


def test_made_once_a_frame_and_only_for_viewers(
    preview: PreviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[U8] = []
    real = moment._encoded

    def counted(picture: U8) -> bytes:
        made.append(picture)
        return real(picture)

    monkeypatch.setattr(moment, "_encoded", counted)
    assert not preview.watched
    for _ in range(100):
        preview.publish(IMAGE, READING)
    assert made == []
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(preview, "/frame.jpg"), range(16)))
    assert {headers["x-frame"] for _, headers, _ in answers} == {"100"}
    assert len({body for _, _, body in answers}) == 1
    assert len(made) == 1
    assert preview.watched


def test_many_viewers_see_frames_in_order(preview: PreviewServer) -> None:
    done = threading.Event()

    def watch(_: int) -> list[int]:
        seen = [0]
        connection = http.client.HTTPConnection("127.0.0.1", preview.port, timeout=60)
        while seen[-1] < 30:
            connection.request("GET", f"/state.json?after={seen[-1]}")
            seen.append(json.loads(connection.getresponse().read())["frame"])
            connection.request("GET", "/frame.jpg")
            assert decode(connection.getresponse().read()).shape == IMAGE.shape
        connection.close()
        return seen

    def publish() -> None:
        for _ in range(30):
            preview.publish(IMAGE, READING)
            done.wait(0.01)

    with ThreadPoolExecutor(9) as pool:
        watching = [pool.submit(watch, index) for index in range(8)]
        pool.submit(publish)
        for one in watching:
            seen = one.result(120)
            assert seen == sorted(set(seen))


def test_a_viewer_that_does_not_read_disturbs_nobody(
    preview: PreviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 1 <= connections.Handler.timeout <= 10
    monkeypatch.setattr(connections.Handler, "timeout", 1.0)
    preview.publish(noise(), READING)
    size = len(ask(preview, "/frame.jpg")[2])
    assert size > 3_000_000
    stuck = []
    for _ in range(4):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", preview.port))
        connection.sendall(b"GET /frame.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stuck.append(connection)
    # All four are being served, and none can be finished.
    assert wait_until(lambda: len(preview._server._open) >= 4)
    slowest = 0.0
    for number in range(200):
        start = time.perf_counter()
        preview.publish(IMAGE, READING, None, {"number": number})
        slowest = max(slowest, time.perf_counter() - start)
    assert slowest < 0.5  # a viewer's time limit would be a second
    assert state_of(preview)["stats"] == {"number": 199}
    assert ask(preview, "/frame.jpg")[2] != b""
    # They are given up; what they did not take is not sent any more.
    assert wait_until(lambda: not preview._server._open)
    for connection in stuck:
        taken = 0
        try:
            while part := connection.recv(1 << 20):
                taken += len(part)
        except ConnectionResetError:
            pass
        assert taken < size
        connection.close()


def test_where_there_are_too_many_connections_the_slowest_is_ended(
    preview: PreviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_VIEWERS", 3)
    idle = [socket.create_connection(("127.0.0.1", preview.port), 60) for _ in range(3)]
    assert wait_until(lambda: len(preview._server._open) == 3)
    assert ask(preview, "/")[0] == 200
    assert idle[0].recv(1) == b""
    idle[1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert idle[1].recv(15) == b"HTTP/1.1 200 OK"
    assert ask(preview, "/")[0] == 200
    assert idle[2].recv(1) == b""  # the other one has asked for something since
    for connection in idle:
        connection.close()
    assert wait_until(lambda: not preview._server._open)
    assert ask(preview, "/")[0] == 200


def test_a_request_that_never_ends_is_ended(
    preview: PreviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then keeps within the time limit of each read."""
    monkeypatch.setattr(connections, "LONGEST", 1.0)
    with socket.create_connection(("127.0.0.1", preview.port), 60) as slow:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012
            slow.sendall(b"GET / HTTP/1.1\r\n")
            while time.monotonic() - began < 30:
                slow.sendall(b"X: y\r\n")
                time.sleep(0.1)
        assert time.monotonic() - began < 4


def test_closing_does_not_wait_for_viewers() -> None:
    before = threading.active_count()
    running = PreviewServer(port=0)
    running.publish(noise(), READING)
    connections = []
    for request in (b"", b"GET /frame.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /sta"):
        connection = socket.create_connection(("127.0.0.1", running.port), 60)
        connection.sendall(request)
        connections.append(connection)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, running, "/state.json?after=1")
        assert wait_until(lambda: len(running._server._open) == 4)
        start = time.monotonic()
        running.close()
        assert time.monotonic() - start < 4  # an idle connection would last for five
        waiting.exception(60)
    running.close()
    for connection in connections:
        connection.close()
    assert wait_until(lambda: threading.active_count() <= before)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", running.port), 5)


@NEEDS_BROWSER
@pytest.mark.parametrize("token", [None, "s3 cret&"])
def test_a_real_browser_shows_the_digits(tmp_path: Path, token: str | None) -> None:
    """The text published only after the page has begun to ask must be in its document."""
    with PreviewServer(port=0, token=token) as running:
        running.publish(IMAGE, READING)
        stop = threading.Event()

        def publish() -> None:
            later = reading(line("2718", 50, 50))
            while not stop.wait(0.05):
                running.publish(IMAGE, later if running.watched else READING, None, {"fps": 20.5})

        publishing = threading.Thread(target=publish)
        publishing.start()
        try:
            finished = subprocess.run(
                [
                    str(BROWSER),
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--no-first-run",
                    f"--user-data-dir={tmp_path / 'profile'}",
                    "--virtual-time-budget=5000",
                    "--dump-dom",
                    running.url,
                ],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        finally:
            stop.set()
            publishing.join()
    dom = finished.stdout
    assert re.search(r'id="text"[^>]*>2718<', dom), finished.stderr[-2000:]
    assert len(re.findall(r'<li class="card\b', dom)) == 4
    assert "20.5" in dom
    assert "dark on light" in dom
    assert ">live<" in dom


def test_one_thread_draws_for_all_viewers(
    preview: PreviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV keeps 6 MB of fonts for each thread that ever wrote a letter."""
    drew = set()

    def draw_and_tell(*arguments: Any, **options: Any) -> Any:
        drew.add(threading.get_ident())
        return drawing.draw(*arguments, **options)

    monkeypatch.setattr(moment, "draw", draw_and_tell)
    for _ in range(5):  # each over a connection, and so in a thread, of its own
        preview.publish(IMAGE, READING, tracked_reading(), {})
        status, _, body = ask(preview, "/frame.jpg")
        assert (status, body[:2]) == (200, b"\xff\xd8")
    assert len(drew) == 1
    assert threading.get_ident() not in drew
