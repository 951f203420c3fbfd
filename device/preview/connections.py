"""Connections and requests of the preview: who is let in, and what is answered."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from edgedigits.device.preview.moment import Moment

if TYPE_CHECKING:
    from edgedigits.device.preview.server import PreviewServer

PATIENCE = 5.0  # seconds a viewer may take to send its request, or to take what it asked for
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


class Server(ThreadingHTTPServer):
    """Gives each connection a thread, up to a number of them, and can end them all."""

    daemon_threads = True
    block_on_close = False  # end_connections waits, with an end to its patience

    def __init__(
        self, preview: PreviewServer, family: int, address: Any, *, loopback: bool
    ) -> None:
        self.preview = preview
        self.address_family = family
        self.names = _own_names(str(address[0]), preview._host) if loopback else None
        self._open: dict[socket.socket, threading.Thread] = {}
        self._open_lock = threading.Lock()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind, without HTTPServer's question to a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, or close it where there are too many."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._open_lock:
            full = len(self._open) >= MOST_VIEWERS
            if not full:
                self._open[request] = thread
        if full:
            self.shutdown_request(request)
        else:
            thread.start()

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
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
        until = time.monotonic() + 2
        for thread in still.values():
            thread.join(max(0.0, until - time.monotonic()))


def _own_names(address: str, host: str) -> frozenset[str]:
    """What browsers of this machine may call a server on loopback."""
    return frozenset({"localhost", "127.0.0.1", "::1", address.lower(), host.lower()})


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def setup(self) -> None:
        """Let the system hold little for a viewer that does not read."""
        with contextlib.suppress(OSError):
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().setup()

    def version_string(self) -> str:
        """The Server header, which names no versions."""
        return "edgedigits"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows digits."""

    def do_GET(self) -> None:
        """Answer, if the request may see anything."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body is not read, and must not be the next request
        if not self._names_us():
            self._answer_text(HTTPStatus.FORBIDDEN, "this server does not go by that name")
            return
        try:
            address = urlsplit(self.path)
            query = parse_qs(address.query, max_num_fields=10)
        except ValueError:
            self._answer_text(HTTPStatus.BAD_REQUEST, "not an address")
            return
        if not self.server.preview.allows(query.get("token", [""])[0]):
            self._answer_text(HTTPStatus.FORBIDDEN, "add ?token=… to the address")
            return
        self._route(address.path, query)

    def do_HEAD(self) -> None:
        """As GET; the body is left out where it would be sent."""
        self.do_GET()

    def _names_us(self) -> bool:
        """Whether the browser asked for this server, not for a name that was pointed at it."""
        if self.server.names is None:
            return True
        given = self.headers.get_all("Host", [])
        try:
            name = urlsplit(f"//{given[0]}").hostname if len(given) == 1 else None
        except ValueError:
            name = None
        return name in self.server.names

    def _route(self, path: str, query: dict[str, list[str]]) -> None:
        preview = self.server.preview
        if path in ("/", "/index.html"):
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", preview.page())
        elif path == "/state.json":
            after = query.get("after", [""])[0]
            known = int(after) if after.isascii() and after.isdigit() and len(after) < 19 else None
            state = preview.newest(other_than=known).json()
            self._answer(HTTPStatus.OK, "application/json", state)
        elif path == "/frame.jpg":
            self._answer_frame(preview.newest())
        else:
            self._answer_text(HTTPStatus.NOT_FOUND, "no such page; / is the only one")

    def _answer_frame(self, moment: Moment) -> None:
        try:
            jpeg = moment.jpeg()
        except ValueError as error:
            self._answer_text(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
            return
        if jpeg is None:
            self._answer_text(HTTPStatus.SERVICE_UNAVAILABLE, "no frame yet")
        else:
            self._answer(HTTPStatus.OK, "image/jpeg", jpeg, frame=str(moment.number))

    def _answer_text(self, status: HTTPStatus, text: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", f"{text}\n".encode())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, *, frame: str = "") -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "X-Frame": frame,
            **_HEADERS,
        }.items():
            if value:
                self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            for start in range(0, len(body), PIECE):  # the time limit is one for each write
                self.wfile.write(body[start : start + PIECE])
