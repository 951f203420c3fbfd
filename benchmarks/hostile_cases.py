"""Requests that no browser sends, and what each may be shown. Used by ``hostile_requests.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

CANARY = b"<script>h0stile"  # never to be repeated
EVIL = "evil.example"

# read: wait for the answer. cut: reset the connection at once. slow: go on sending, a byte now and
# then. unread: ask, and take nothing of the answer.
Ending = Literal["read", "cut", "slow", "unread"]


@dataclass(frozen=True)
class Target:
    """A site that is asked.

    Attributes:
        name: for the result. port: on loopback.
        token: that it wants, or None.
        pages: paths that an allowed request is shown. marks: bytes that only those hold.
    """

    name: str
    port: int
    token: str | None
    pages: tuple[str, ...]
    marks: tuple[bytes, ...]

    @property
    def host(self) -> str:
        """Its name in a Host header."""
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Case:
    """One request.

    Attributes:
        kind: for the result. data: as sent, whole or not.
        shows: whether the answer has to hold a page (True), may (None), or must not (False).
        ending: what is done once it is sent.
    """

    kind: str
    data: bytes
    shows: bool | None = False
    ending: Ending = "read"


def request(
    target: Target,
    path: str | None = None,
    *,
    method: str = "GET",
    version: str = "HTTP/1.1",
    host: str | None = None,
    token: str | None = None,
    headers: Sequence[bytes] = (),
    body: bytes = b"",
) -> bytes:
    """A request that is right but for what is given.

    Args:
        token: another one than the right one; empty: none.
        headers: lines beside Host and Connection.
    """
    path = target.pages[-1] if path is None else path
    token = target.token if token is None else token
    if token:
        path += f"{'&' if '?' in path else '?'}token={token}"
    lines = [
        f"{method} {path} {version}".encode("utf-8", "surrogateescape"),
        f"Host: {target.host if host is None else host}".encode(),
        b"Connection: close",
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


Make = Callable[[Target, np.random.Generator], Case]
BAD_PATHS = (
    "/..", "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd",
    "/.git/config", "/state.json/", "/state.json;x", "/State.json", "/%73tate.json",
    "/metrics/../metrics/",
    "/frame.jpg%00.html", "/frame.jpg\\", "\\..\\..\\windows", "*", "/*", "/cgi-bin/test",
    "//" + EVIL + "/frame.jpg", "/" + "a" * 8000, "/" + "a" * 70000, "/?" + "a=b&" * 2000,
    "/%", "/%zz", "/\udcff\udcfe", "/☃", "/<script>h0stile", "?", "#", "/?#", "http:", "http://[",
    "file:///etc/passwd", "javascript:alert(1)", "/server.py", "/connections.py", "/page.html",
    "/proc/self/environ", "/?after=" + "9" * 400, "/index.html/..", "/%c0%ae%c0%ae/etc/passwd",
)  # fmt: skip


def _path(target: Target, rng: np.random.Generator) -> Case:
    path = str(rng.choice(np.array(BAD_PATHS, dtype=object)))
    # "/?…" is the page itself, asked with parameters that it does not know.
    shows = None if path.startswith(("/?", "?", "#")) else False
    return Case("path", request(target, path), shows)


def _absolute(target: Target, rng: np.random.Generator) -> Case:
    ours = bool(rng.integers(2))
    site = target.host if ours else EVIL
    data = request(target, f"http://{site}{target.pages[-1]}")
    return Case("absolute address", data, ours)


def _query(target: Target, rng: np.random.Generator) -> Case:
    values = ("-1", "1e9", "9" * 30, "²", "%00", "", "0x10", "1;DROP", "..", "[]", "1&after=2")
    after = str(rng.choice(np.array(values, dtype=object)))
    return Case("query", request(target, f"{target.pages[-1]}?after={after}"), True)


def _host(target: Target, rng: np.random.Generator) -> Case:
    names = (
        EVIL, f"{EVIL}:{target.port}", f"127.0.0.1.{EVIL}", f"{EVIL}#127.0.0.1", "", " ", "[",
        "::1]", "0.0.0.0", f"localhost.{EVIL}", "127.1", "2130706433", "localhost, " + EVIL,
        "\x00localhost",
    )  # fmt: skip
    return Case("host", request(target, host=str(rng.choice(np.array(names, dtype=object)))))


def _hosts(target: Target, rng: np.random.Generator) -> Case:
    lines = [f"Host: {EVIL}".encode()] * int(rng.integers(1, 4))
    return Case("several hosts", request(target, headers=lines))


def _no_host(target: Target, rng: np.random.Generator) -> Case:
    versions = (b" HTTP/1.0\r\n\r\n", b" HTTP/1.1\r\n\r\n", b"\r\n", b"\r\n\r\n", b" HTTP/1.1\r\n")
    path = target.pages[-1].encode()
    if target.token:
        path += b"?token=" + target.token.encode()
    return Case("no host", b"GET " + path + versions[int(rng.integers(len(versions)))])


def _header(target: Target, rng: np.random.Generator) -> Case:
    lines: list[Sequence[bytes]] = [
        [b"X: " + b"a" * 70000], [b"X-%d: y" % i for i in range(300)], [b": empty"], [b"no colon"],
        [b" folded: before"], [b"X:\x00\x01\xff"], [b"\xff\xfe: y"], [b"X: " + CANARY],
        [b"Connection: keep-alive, " + b"x," * 5000], [b"Upgrade: websocket"],
        [b"Range: bytes=0-0"], [b"Expect: 100-continue"], [b"Accept-Encoding: gzip;q=x"],
        [b"Cookie: token=" + b"x" * 5000], [b"X-Forwarded-For: 127.0.0.1"], [b"Referer: " + CANARY],
        [b"Origin: http://" + EVIL.encode()], [b"X-HTTP-Method-Override: DELETE"], [b"X\r: y"],
    ]  # fmt: skip
    chosen = lines[int(rng.integers(len(lines)))]
    return Case("header", request(target, headers=chosen), None)


def _length(target: Target, rng: np.random.Generator) -> Case:
    values = (b"-1", b"0", b"99999999999999999999", b"5, 6", b"0x10", b"", b"abc", b"+5", b"\xff")
    lines = [b"Content-Length: " + values[int(rng.integers(len(values)))]]
    if rng.random() < 0.3:
        lines.append(b"Transfer-Encoding: chunked")
    return Case("length", request(target, headers=lines, body=b"x" * 50), True)


def _smuggled(target: Target, rng: np.random.Generator) -> Case:
    inner = request(target)
    if rng.random() < 0.5:
        head, body = [b"Content-Length: %d" % len(inner)], inner
    else:
        head, body = [b"Transfer-Encoding: chunked"], b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
    data = request(target, "/nothing", headers=head, body=body).replace(
        b"Connection: close\r\n", b""
    )
    return Case("request in a body", data)


def _method(target: Target, rng: np.random.Generator) -> Case:
    names = (
        "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "GETT",
        "<script>h0stile", "G\x00T", "A" * 5000, "__init__", "é", "HEAD",
    )  # fmt: skip
    method = str(rng.choice(np.array(names, dtype=object)))
    return Case("method", request(target, method=method, body=CANARY))


def _posted(target: Target, rng: np.random.Generator) -> Case:
    size = int(rng.choice([0, 1, 1000, 200_000]))
    lines = [b"Content-Length: %d" % size, b"Content-Type: application/json"]
    body = rng.bytes(size)
    return Case("body", request(target, method="POST", headers=lines, body=body))


def _version(target: Target, rng: np.random.Generator) -> Case:
    names = (
        "HTTP/2.0", "HTTP/1.1.1", "HTTP/x", "HTTP/-1.1", "HTTP/9999999999.1", "HTTP/", "http/1.1",
        "HTTP/1", "HTTP/0.9", "HTTP/1.١", "ICY/1.0", "HTTP/1.1 extra", "HTTP/" + "1" * 5000,
    )  # fmt: skip
    name = str(rng.choice(np.array(names, dtype=object)))
    return Case("version", request(target, version=name), None if name == "HTTP/0.9" else False)


def _token(target: Target, rng: np.random.Generator) -> Case:
    if target.token is None:
        return Case("token", request(target, token="anything"), True)
    right = target.token
    ways: list[bytes] = [
        *(request(target, token=wrong) for wrong in _wrong_tokens(right, rng)),
        request(target, token="", headers=[b"Cookie: token=" + right.encode()]),
        request(target, token="", headers=[b"X-Token: " + right.encode()]),
        request(target, token="", headers=[b"Authorization: Basic " + right.encode()]),
        request(target, token="", headers=[b"Authorization: " + right.encode()]),
        request(target, token="", headers=[b"Authorization: Bearer"]),
        request(target, token="", headers=[b"Authorization: Bearer \xff" + right.encode()]),
        request(target, f"{target.pages[-1]}?token=wrong&token={right}", token=""),
        request(target, f"{target.pages[-1]}#token={right}", token=""),
        request(target, f"{target.pages[-1]}?Token={right}", token=""),
        request(target, f"{target.pages[-1]};token={right}", token=""),
    ]
    return Case("token", ways[int(rng.integers(len(ways)))])


def _wrong_tokens(right: str, rng: np.random.Generator) -> list[str]:
    return [
        "", right[:-1], right + "x", right + "%00", right.upper(), "%" + right, "a" * 5000,
        f"%20{right}", f"{right}%20", "%ff%fe", "☃", "null", "true", "*",
        str(int(rng.integers(1_000_000_000))),
    ]  # fmt: skip


def _noise(target: Target, rng: np.random.Generator) -> Case:
    if rng.random() < 0.2:  # how TLS begins
        return Case("noise", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.bytes(200))
    return Case("noise", rng.bytes(int(rng.integers(1, 4000))))


def _mutated(target: Target, rng: np.random.Generator) -> Case:
    """Of a request that may see nothing: one for another site, and with a wrong token."""
    data = bytearray(request(target, host=EVIL, token="wrong" if target.token else ""))
    for _ in range(int(rng.integers(1, 8))):
        place = int(rng.integers(len(data)))
        what = int(rng.integers(3))
        if what == 0:
            data[place] = int(rng.integers(256))
        elif what == 1:
            del data[place : place + int(rng.integers(1, 8))]
        else:
            data[place:place] = rng.bytes(int(rng.integers(1, 8)))
        if not data:
            break
    return Case("mutated", bytes(data))


def _cut(target: Target, rng: np.random.Generator) -> Case:
    data = request(target)
    return Case("cut", data[: int(rng.integers(len(data) + 1))], ending="cut")


def _slow(target: Target, rng: np.random.Generator) -> Case:
    data = request(target)
    return Case("slow sender", data[: int(rng.integers(len(data) - 2))], ending="slow")


def _unread(target: Target, rng: np.random.Generator) -> Case:
    return Case("never reads", request(target), ending="unread")


COMMON: tuple[Make, ...] = (
    _path, _absolute, _query, _host, _hosts, _no_host, _header, _length, _smuggled, _method,
    _posted, _version, _token, _noise, _mutated, _cut,
)  # fmt: skip
HANGING: tuple[Make, ...] = (_slow, _unread)
HANGING_SHARE = 0.03


def cases(targets: Sequence[Target], count: int, seed: int) -> Iterator[tuple[Target, Case]]:
    """Requests for each target in turn, the same ones for the same seed and targets."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        target = targets[number % len(targets)]
        make = HANGING if rng.random() < HANGING_SHARE else COMMON
        yield target, make[int(rng.integers(len(make)))](target, rng)
