"""MJPEG over HTTP: ``multipart/x-mixed-replace``, one JPEG a part.

FFmpeg reads such streams too, but scales every frame to the size of the first one and does not say
why a connection failed; here sizes are the camera's own.
"""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.errors import SourceError
from edgedigits.picture_headers import is_sensible

CHUNK = 1 << 16  # bytes asked for at once
LARGEST_PART = 1 << 26  # bytes of one JPEG; more is no camera's


class MjpegSource:
    """An open stream; see :class:`~edgedigits.device.sources.source.Source`.

    Args:
        name: what to call it. response: its headers are read. timeout: seconds for one frame.
    """

    live = True
    fps: float | None = None

    def __init__(self, name: str, response: http.client.HTTPResponse, timeout: float) -> None:
        self.name = name
        self.ended = False
        self._response = response
        self._timeout = timeout
        self._parts = Parts(response.read1)

    def read(self) -> NDArray[Any] | None:
        """The next frame, uint8 ``[h, w, 3]`` BGR, or None. Damaged pictures are passed over."""
        deadline = time.monotonic() + self._timeout
        try:
            while not self.ended:
                part = self._parts.next(deadline)
                if part is None:
                    self.ended = True
                    break
                image = _decode(part)
                if image is not None:
                    return image
        except TimeoutError:
            return None
        except (OSError, http.client.HTTPException, ValueError):
            self.ended = True  # reset, or cut in the middle of a chunk
        return None

    def close(self) -> None:
        """Close the connection."""
        self._response.close()


def _decode(part: bytes) -> NDArray[Any] | None:
    if not is_sensible(part):
        return None
    try:
        return cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # empty, or of a size that nobody means
        return None


class Parts:
    """Cuts a stream of bytes into the bodies of its parts.

    The delimiter is the first line that begins with two dashes, whatever the headers promised:
    cameras disagree on who writes the dashes.

    Args:
        receive: gives at most so many bytes, none at the end.
    """

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._held = bytearray()
        self._delimiter = b""

    def next(self, deadline: float) -> bytes | None:
        """The next part's body, or None at the end.

        Raises:
            TimeoutError: it is not complete at the deadline (monotonic seconds).
            OSError: the connection broke.
        """
        line = self._line(deadline)
        while line is not None and line != self._delimiter:
            line = self._line(deadline)
        length = None
        while line and line.strip():  # headers, up to an empty line
            line = self._line(deadline)
            key, _, value = (line or b"").partition(b":")
            if key.strip().lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        if line is None:
            return None
        if length is not None:
            return self._take(length, deadline)
        return self._until_delimiter(deadline)

    def _line(self, deadline: float) -> bytes | None:
        searched = 0
        while (end := self._held.find(b"\n", searched)) < 0:
            searched = len(self._held)
            if not self._fill(deadline):
                return None
        line = bytes(self._held[: end + 1])
        del self._held[: end + 1]
        if not self._delimiter and line.startswith(b"--"):
            self._delimiter = line
        return line

    def _take(self, length: int, deadline: float) -> bytes | None:
        while len(self._held) < length:
            if not self._fill(deadline):
                return None
        body = bytes(self._held[:length])
        del self._held[:length]
        return body

    def _until_delimiter(self, deadline: float) -> bytes | None:
        mark = b"\n" + self._delimiter
        searched = 0
        while (end := self._held.find(mark, searched)) < 0:
            searched = max(0, len(self._held) - len(mark))
            if not self._fill(deadline):
                return None
        return self._take(end + 1, deadline)  # decoders pass over the line's end

    def _fill(self, deadline: float) -> bool:
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(self._held) > LARGEST_PART:
            raise ValueError("a part without an end")
        received = self._receive(CHUNK)
        self._held += received
        return bool(received)


def open_mjpeg(name: str, address: str, timeout: float) -> MjpegSource | None:
    """Connect.

    Args:
        name: what to call it in messages.
        address: may hold user and password, for Basic or Digest authentication.
        timeout: seconds for the connection, and for every frame.

    Returns:
        None where the address answers, but with something else than MJPEG.

    Raises:
        SourceError: no connection, or the server refuses.
    """
    try:
        response = _opener(address).open(_bare(address), timeout=timeout)
    except urllib.error.HTTPError as error:
        hint = "check user and password" if error.code in (401, 403) else "check the address"
        raise SourceError(
            f"source {name}: the server answers {error.code} {error.reason}; {hint}"
        ) from error
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason))
        raise SourceError(f"source {name}: {why(reason)}") from error
    except OSError as error:
        raise SourceError(f"source {name}: {why(error)}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise SourceError(f"source {name}: what answers there is no web server: {error}") from error
    if response.headers.get_content_maintype() == "multipart":
        return MjpegSource(name, response, timeout)
    response.close()
    return None


def why(error: OSError) -> str:
    """One line for a connection that failed."""
    if isinstance(error, socket.gaierror):
        return "there is no host of this name; check the address and the network"
    if isinstance(error, TimeoutError):
        return "does not answer; check the address, and whether the camera is on"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; check the port, and whether the camera's server is running"
    return f"cannot be reached: {error.strerror or error}"


def _opener(address: str) -> urllib.request.OpenerDirector:
    parts = urlsplit(address)
    if parts.username is None:
        return urllib.request.build_opener()
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    user, password = unquote(parts.username), unquote(parts.password or "")
    passwords.add_password(None, _bare(address), user, password)
    return urllib.request.build_opener(
        urllib.request.HTTPBasicAuthHandler(passwords),
        urllib.request.HTTPDigestAuthHandler(passwords),
    )


def _bare(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
