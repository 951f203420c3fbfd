"""Serves the page, the newest frame and its state; standard library only."""

from __future__ import annotations

import errno
import hmac
import ipaddress
import socket
import threading
import time
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from edgedigits.device.preview.connections import PATIENCE, Server
from edgedigits.device.preview.moment import Moment
from edgedigits.device.reading import U8, Reading
from edgedigits.device.tracking import Tracked
from edgedigits.errors import UsageError

LONGEST_WAIT = 2.0  # seconds until a viewer is answered although there is nothing new
PLACE_OF_STATE = b"/*state*/null"  # in page.html


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
            self._server = Server(self, family, address, loopback=loopback)
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
