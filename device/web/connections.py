"""Connections and requests of a small web site: who is let in, and what is answered."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from edgedigits.device.web.site import Site

PATIENCE = 5.0  # seconds a viewer may take to send its request, or to take what it asked for
LONGEST = 30.0  # seconds that one request may take in all, however slowly it goes on
MOST_VIEWERS = 64  # connections at once; a browser opens a few
SEND_BUFFER = 256 * 1024  # bytes; what the system holds for a viewer that does not read
PIECE = 64 * 1024  # bytes that a viewer must take within its patience

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' blob: data:; connect-src 'self'; "
        "script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Answer:
    """What a request is answered.

    Attributes:
        body: as sent. kind: its Content-Type. headers: others than those every answer has.
    """

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(status: HTTPStatus, text: str) -> Answer:
    """A line of text that says why there is nothing else."""
    return Answer(f"{text}\n".encode(), status=status)


@dataclass
class _Open:
    """A connection: its thread, and since when it waits for a request or is busy with one."""

    thread: threading.Thread
    since: float


class Server(ThreadingHTTPServer):
    """Gives each connection a thread, and can end them all.

    Where there would be too many, the one that has been at its request for longest is ended, so
    that slow ones cannot keep others out.
    """

    daemon_threads = True
    block_on_close = False  # end_connections waits, with an end to its patience

    def __init__(self, site: Site, family: int, address: Any, *, loopback: bool) -> None:
        self.site = site
        self.address_family = family
        self.names = _own_names(str(address[0]), site.host) if loopback else None
        self._open: dict[socket.socket, _Open] = {}
        self._open_lock = threading.Lock()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind, without HTTPServer's question to a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, instead of the slowest one where there are too many."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._open_lock:
            if len(self._open) >= MOST_VIEWERS:
                slowest = min(self._open, key=lambda other: self._open[other].since)
                self._open.pop(slowest)
                _end(slowest)
            self._open[request] = _Open(thread, time.monotonic())
        thread.start()

    def service_actions(self) -> None:
        """End what takes too long; called several times a second."""
        with self._open_lock:
            now = time.monotonic()
            for request, still in self._open.items():
                if now - still.since > LONGEST:
                    _end(request)

    def begins(self, request: Any) -> None:
        """A connection waits for its next request."""
        with self._open_lock:
            if request in self._open:
                self._open[request].since = time.monotonic()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._open_lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a viewer that goes away."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
        """Close what is open, and wait for its threads, two seconds at most."""
        with self._open_lock:
            still = dict(self._open)
        for request in still:
            _end(request)
        until = time.monotonic() + 2
        for connection in still.values():
            connection.thread.join(max(0.0, until - time.monotonic()))


def _end(request: socket.socket) -> None:
    """Let whatever waits for a connection return at once; its thread closes it."""
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


def _own_names(address: str, host: str) -> frozenset[str]:
    """What browsers of this machine may call a server on loopback."""
    return frozenset({"localhost", "127.0.0.1", "::1", address.lower(), host.lower()})


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    default_request_version = "HTTP/1.0"  # what is no request is refused with a status and headers

    def setup(self) -> None:
        """Let the system hold little for a viewer that does not read."""
        with contextlib.suppress(OSError):
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().setup()

    def handle_one_request(self) -> None:
        """Wait for a request, and answer it."""
        self.server.begins(self.request)
        super().handle_one_request()

    def handle_expect_100(self) -> bool:
        """Ask nobody to go on: a body is not read."""
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request, repeating nothing of it."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._refuse(status, status.phrase.lower())

    def version_string(self) -> str:
        """The Server header, which names no versions."""
        return "edgedigits"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows digits."""

    def do_GET(self) -> None:
        """Answer, if the request may see anything."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body is not read, and must not be the next request
        if (asked := self._let_in()) is not None:
            self._send(self.server.site.answer(*asked))

    def do_HEAD(self) -> None:
        """As GET; the body is left out where it would be sent."""
        self.do_GET()

    def do_POST(self) -> None:
        """Take what was sent, if the site takes anything, and from its own page alone."""
        if not self.server.site.most_bytes:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)
            return
        body = self._body()
        if body is None or (asked := self._let_in()) is None:
            return
        if self._from_our_page():
            self._send(self.server.site.take(asked[0], body))
        else:
            self._refuse(HTTPStatus.FORBIDDEN, "only this server's own page may send anything")

    def _let_in(self) -> tuple[str, dict[str, list[str]]] | None:
        """Path and query of a request that may see anything; None: it was refused already."""
        try:
            address = urlsplit(self.path)
            query = parse_qs(address.query, max_num_fields=10)
            names = self._names()
        except ValueError:
            self._refuse(HTTPStatus.BAD_REQUEST, "not an address")
            return None
        if address.netloc:
            names.append(address.hostname)
        if self.server.names is not None and not set(names) <= self.server.names:
            self._refuse(HTTPStatus.FORBIDDEN, "this server does not go by that name")
            return None
        if not any(map(self.server.site.allows, self._tokens(query))):
            self._refuse(HTTPStatus.FORBIDDEN, "add ?token=… to the address")
            return None
        return address.path, query

    def _body(self) -> bytes | None:
        """What was sent, or None where that was refused, and the connection with it."""
        length = self.headers.get_all("Content-Length", [])
        plain = len(length) == 1 and length[0].isascii() and length[0].isdigit()
        self.close_connection = True
        if "Transfer-Encoding" in self.headers or not plain:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "say how long the body is")
            return None
        if len(length[0]) > 9 or int(length[0]) > self.server.site.most_bytes:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too long")
            return None
        body = self.rfile.read(int(length[0]))
        if len(body) != int(length[0]):
            return None  # gone in the middle
        self.close_connection = self.request_version < "HTTP/1.1"
        return body

    def _from_our_page(self) -> bool:
        """Whether no other web page sent this: browsers say where a request comes from."""
        origins = self.headers.get_all("Origin", [])
        plain = self.headers.get_content_type() == "application/json"  # others need no permission
        return plain and set(origins) <= {f"http://{self.headers['Host']}"}

    def _tokens(self, query: dict[str, list[str]]) -> tuple[str, ...]:
        """What the request brings along: in its address, or as scrapers do in a header."""
        kind, _, bearer = self.headers.get("Authorization", "").partition(" ")
        in_address = query.get("token", [""])[0]
        return (in_address, bearer.strip()) if kind.lower() == "bearer" else (in_address,)

    def _names(self) -> list[str | None]:
        """What the browser asked for: a name that was pointed at this machine is not ours.

        Raises:
            ValueError: no name can be read.
        """
        given = self.headers.get_all("Host", [])
        return [urlsplit(f"//{given[0]}").hostname if len(given) == 1 else None]

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._send(refusal(status, text))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {
            "Content-Type": answer.kind,
            "Content-Length": str(len(answer.body)),
            **answer.headers,
            **_HEADERS,
        }.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            for start in range(0, len(answer.body), PIECE):  # the time limit is one for each write
                self.wfile.write(answer.body[start : start + PIECE])
