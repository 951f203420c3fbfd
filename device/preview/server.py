"""Serves the page, the newest frame and its state; standard library only."""

from __future__ import annotations

import contextlib
import errno
import hmac
import ipaddress
import socket
import socketserver
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from edgedigits.device.preview.moment import Moment
from edgedigits.device.reading import U8, Reading
from edgedigits.device.tracking import Tracked
from edgedigits.errors import UsageError

PATIENCE = 5.0  # seconds a viewer may take to send its request, or to take what it asked for
LONGEST_WAIT = 2.0  # seconds until a viewer is answered although there is nothing new
MOST_VIEWERS = 64  # connections at once; a browser opens a few
SEND_BUFFER = 256 * 1024  # bytes; what the system holds for a viewer that does not read
PIECE = 64 * 1024  # bytes that a viewer must take within its patience
PLACE_OF_STATE = b"/*state*/null"  # in page.html

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


class PreviewServer:
    """A web page that shows the newest frame, its digits and the recogniser's numbers.

    ``/`` is the page, ``/frame.jpg`` the newest frame with boxes and ``/state.json`` its state;
    ``/state.json?after=N`` waits for a frame other than N, for two seconds at most. Viewers have
    their own threads and each gets the newest frame when it is ready for one.

    Args:
        host: the address to listen at. Another than loopback needs a token.
        port: 0 takes a free one.
        token: every request must carry it as ``?token=…``.

    Attributes:
        port: the port listened at.

    Raises:
        UsageError: the port is in use or not allowed, the address is not of this machine, or there
            is no token where one is needed.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 8000, token: str | None = None) -> None:
        family, address, loopback = _resolve(host, port)
        if token == "":
            raise UsageError("--token is empty; give a text that cannot be guessed")
        if token is None and not loopback:
            raise UsageError(
                f"--host {host}: everybody in the network could watch; add --token TEXT, "
                "or listen at 127.0.0.1"
            )
        self._host, self._token = host, token
        self._newest = Moment(0)
        self._changed = threading.Condition()
        self._closing = False
        self._asked_at = float("-inf")
        try:
            self._server = _Server(self, family, address, loopback=loopback)
        except OSError as error:
            raise UsageError(_why_not(error, host, port)) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="preview", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> PreviewServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where to point a browser, the token included."""
        name = self._host
        if name in ("", "0.0.0.0", "::"):
            name = socket.gethostname()
        query = "" if self._token is None else f"?token={quote(self._token, safe='')}"
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}/{query}"

    @property
    def watched(self) -> bool:
        """Whether somebody asked for a frame or its state within the last five seconds."""
        return time.monotonic() - self._asked_at < PATIENCE

    def publish(
        self,
        image: U8,
        reading: Reading,
        tracked: Tracked | None = None,
        stats: dict[str, Any] | None = None,
    ) -> None:
        """Show a frame instead of the one before; returns at once.

        Args:
            image: uint8 ``[h, w]`` or ``[h, w, 3]`` (BGR), the frame that was read. It is not
                copied: do not change it afterwards.
            reading: what was found in it.
            tracked: what is known after it; None where nothing is tracked.
            stats: shown by its keys, for example ``{"frames per second": 29.8, "dropped": 3}``.
        """
        with self._changed:
            self._newest = Moment(self._newest.number + 1, image, reading, tracked, stats)
            self._changed.notify_all()

    def newest(self, *, other_than: int | None = None) -> Moment:
        """The frame published last.

        Args:
            other_than: wait for a frame that has not this number, but for two seconds at most.
        """
        with self._changed:
            self._asked_at = time.monotonic()
            self._changed.wait_for(
                lambda: self._closing or self._newest.number != other_than, timeout=LONGEST_WAIT
            )
            return self._newest

    def page(self) -> bytes:
        """The page, the newest state in it: nothing has to be fetched for the first picture."""
        page = files("edgedigits.device.preview").joinpath("page.html").read_bytes()
        return page.replace(PLACE_OF_STATE, self._newest.json(), 1)

    def allows(self, given: str) -> bool:
        """Whether a request with this token, or with none (empty), may see anything."""
        return self._token is None or hmac.compare_digest(
            given.encode(errors="surrogatepass"), self._token.encode(errors="surrogatepass")
        )

    def close(self) -> None:
        """Stop serving and end every connection; waits for it, and may be called again."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()


def _resolve(host: str, port: int) -> tuple[int, Any, bool]:
    """Address family, socket address, and whether it is reached from this machine only."""
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: ports go from 0 (any free one) to 65535")
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host}: no such address: {error}") from error
    family, _, _, _, address = found[0]
    bare = str(address[0]).partition("%")[0]
    return family, address, ipaddress.ip_address(bare).is_loopback


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port {port}: in use by another program; choose another, or 0 for any free one"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"--port {port}: not allowed for this user; choose one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host}: not an address of this machine; 127.0.0.1 always is"
    return f"--host {host} --port {port}: cannot listen there: {error.strerror or error}"


class _Server(ThreadingHTTPServer):
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
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's own, which asks a name server who we are.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
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
        with self._open_lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a viewer that goes away."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
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


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def setup(self) -> None:
        with contextlib.suppress(OSError):
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().setup()

    def version_string(self) -> str:
        return "edgedigits"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows digits."""

    def do_GET(self) -> None:
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
