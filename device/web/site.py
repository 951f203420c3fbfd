"""A small web site of this program: at which address, who may see it, from start to end.

Standard library only. What it shows is up to those who derive from it.
"""

from __future__ import annotations

import errno
import hmac
import ipaddress
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from edgedigits.device.web.connections import Answer, Server, refusal
from edgedigits.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Options:
    """What the command line calls the address, for messages."""

    host: str = "--host"
    port: str = "--port"


class Site(ABC):
    """Serves on an address of this machine, in threads of its own, until it is closed.

    Args:
        host: the address to listen at. Another than loopback needs a token.
        port: 0 takes a free one.
        token: every request must carry it, as ``?token=…`` or ``Authorization: Bearer …``.

    Attributes:
        host, port: listened at. token: as given.

    Raises:
        UsageError: the port is in use or not allowed, the address is not of this machine, or there
            is no token where one is needed.
    """

    name = "site"
    options = Options()
    path = "/"  # of what there is to see
    most_bytes = 0  # of what its own page may post; 0: nothing is taken

    def __init__(self, host: str, port: int, token: str | None) -> None:
        family, address, loopback = _resolve(host, port, self.options)
        if token == "":
            raise UsageError("--token is empty; give a text that cannot be guessed")
        if token is None and not loopback:
            raise UsageError(
                f"{self.options.host} {host}: everybody in the network could watch; add --token "
                "TEXT, or listen at 127.0.0.1"
            )
        self.host, self.token = host, token
        try:
            self._server = Server(self, family, address, loopback=loopback)
        except OSError as error:
            raise UsageError(_why_not(error, host, port, self.options)) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=self.name, daemon=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to answer; called once everything that answers need is there."""
        self._thread.start()

    @abstractmethod
    def answer(self, path: str, query: Mapping[str, Sequence[str]]) -> Answer:
        """What an allowed GET is answered.

        Args:
            path: of the address, as sent. query: its parameters, a list of values each.
        """

    def take(self, path: str, body: bytes) -> Answer:
        """What an allowed POST is answered, of JSON that the site's own page sent.

        Args:
            path: of the address, as sent. body: ``most_bytes`` at most.
        """
        return refusal(HTTPStatus.NOT_IMPLEMENTED, "this page takes nothing")

    @property
    def url(self) -> str:
        """Where to point a browser, the token included."""
        name = self.host
        if name in ("", "0.0.0.0", "::"):
            name = socket.gethostname()
        query = "" if self.token is None else f"?token={quote(self.token, safe='')}"
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}{self.path}{query}"

    def allows(self, given: str) -> bool:
        """Whether a request with this token, or with none (empty), may see anything."""
        return self.token is None or hmac.compare_digest(
            given.encode(errors="surrogatepass"), self.token.encode(errors="surrogatepass")
        )

    def close(self) -> None:
        """Stop serving and end every connection; waits for it, and may be called again."""
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()


def _resolve(host: str, port: int, options: Options) -> tuple[int, Any, bool]:
    """Address family, socket address, and whether it is reached from this machine only."""
    if not 0 <= port <= 65535:
        raise UsageError(f"{options.port} {port}: ports go from 0 (any free one) to 65535")
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{options.host} {host}: no such address: {error}") from error
    family, _, _, _, address = found[0]
    bare = str(address[0]).partition("%")[0]
    return family, address, ipaddress.ip_address(bare).is_loopback


def _why_not(error: OSError, host: str, port: int, options: Options) -> str:
    port_option, host_option = f"{options.port} {port}", f"{options.host} {host}"
    if error.errno == errno.EADDRINUSE:
        return f"{port_option}: in use by another program; choose another, or 0 for any free one"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{port_option}: not allowed for this user; choose one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host_option}: not an address of this machine; 127.0.0.1 always is"
    return f"{host_option} {port_option}: cannot listen there: {error.strerror or error}"
