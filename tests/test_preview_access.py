"""Who may ask the preview page, for what, and at which address."""

from __future__ import annotations

import socket

import pytest
from helpers_preview import IMAGE, PATHS, READING, ask

from edgedigits.device.preview import PreviewServer
from edgedigits.errors import UsageError


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["s3cret", "ä&b=c +/?#%"])
def test_token(path: str, token: str) -> None:
    with PreviewServer(port=0, token=token) as running:
        running.publish(IMAGE, READING)
        good = running.url.partition("?")[2]
        for query in ("", "?token=", "?token=wrong", "?Token=s3cret", "?token=s3cret2"):
            status, _, body = ask(running, path + query)
            assert status == 403
            assert len(body) < 100
        assert ask(running, "/nothing")[0] == 403
        assert ask(running, f"{path}?{good}")[0] == 200
        assert ask(running, f"{path}?{good}", method="HEAD")[0] == 200


def test_another_address_needs_a_token() -> None:
    for host in ("0.0.0.0", "", "::"):
        with pytest.raises(UsageError, match="--token"):
            PreviewServer(host, 0)
    with pytest.raises(UsageError, match="--token is empty"):
        PreviewServer(port=0, token="")
    with PreviewServer("0.0.0.0", 0, "s3cret") as running:
        running.publish(IMAGE, READING)
        other = {"Host": "raspberrypi.local:8000"}
        assert ask(running, "/state.json", headers=other)[0] == 403
        assert ask(running, "/state.json?token=s3cret", headers=other)[0] == 200
        assert socket.gethostname() in running.url


@pytest.mark.parametrize("path", PATHS)
def test_other_names_for_loopback_are_refused(preview: PreviewServer, path: str) -> None:
    """A web site whose name was pointed at 127.0.0.1 must not read the camera."""
    preview.publish(IMAGE, READING)
    for name in ("evil.example", f"evil.example:{preview.port}", "", "127.0.0.1.evil.example"):
        assert ask(preview, path, headers={"Host": name})[0] == 403
    for name in (
        "localhost",
        "LOCALHOST:9000",
        "127.0.0.1",
        f"127.0.0.1:{preview.port}",
        "[::1]:1",
    ):
        assert ask(preview, path, headers={"Host": name})[0] == 200


def test_requests_without_a_name_or_with_two(preview: PreviewServer) -> None:
    for head in (
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: x\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", preview.port), 60) as connection:
            connection.sendall(head)
            assert connection.recv(100).split()[1] == b"403"


def test_read_only(preview: PreviewServer) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert ask(preview, "/", method=method)[0] == 501
    for path in ("/nothing", "/..", "/page.html", "/frame.jpg/", "/../../etc/passwd", "/%00"):
        assert ask(preview, path)[0] == 404


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(preview: PreviewServer, path: str) -> None:
    preview.publish(IMAGE, READING)
    _, got, body = ask(preview, path)
    status, headers, nothing = ask(preview, path, method="HEAD")
    assert status == 200
    assert nothing == b""
    assert headers["content-length"] == got["content-length"] == str(len(body))


def test_a_body_is_not_the_next_request(preview: PreviewServer) -> None:
    inner = b"GET /state.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", preview.port), 60) as connection:
        connection.sendall(
            b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(inner)
        )
        connection.sendall(inner)
        answer = b""
        try:
            while part := connection.recv(4096):
                answer += part
        except ConnectionResetError:
            pass
    assert answer.count(b"HTTP/1.1") <= 1


def test_a_port_in_use_is_one_clear_line(preview: PreviewServer) -> None:
    with pytest.raises(UsageError) as caught:
        PreviewServer(port=preview.port)
    message = str(caught.value)
    assert f"--port {preview.port}" in message
    assert "in use" in message
    assert "\n" not in message


def test_other_addresses_that_do_not_work() -> None:
    with pytest.raises(UsageError, match="--port 70000"):
        PreviewServer(port=70000)
    with pytest.raises(UsageError, match="--host not an address"):
        PreviewServer("not an address", 0, "s3cret")
    with pytest.raises(UsageError, match=r"--host 192\.0\.2\.1"):  # a documentation address
        PreviewServer("192.0.2.1", 0, "s3cret")


def test_port_zero_takes_a_free_one(preview: PreviewServer) -> None:
    with PreviewServer(port=0) as other:
        assert 0 < other.port != preview.port > 0
        assert other.url == f"http://127.0.0.1:{other.port}/"
