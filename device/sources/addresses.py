"""Streams from an address: MJPEG over HTTP by our own reader, all others through FFmpeg."""

from __future__ import annotations

import re
import socket
from urllib.parse import urlsplit, urlunsplit

from edgedigits.device.sources.mjpeg import open_mjpeg, why
from edgedigits.device.sources.source import Source
from edgedigits.device.sources.video import open_video_stream
from edgedigits.errors import SourceError, UsageError

PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


def is_stream(name: str) -> bool:
    """Whether the name has the form of an address that can be a source."""
    return re.match(r"(https?|rtsps?)://", name, re.IGNORECASE) is not None


def open_stream(address: str, timeout: float) -> Source:
    """Connect to a stream.

    Args:
        address: ``http://``, ``https://``, ``rtsp://`` or ``rtsps://``; may hold
            ``user:password@``, which no message repeats.
        timeout: seconds.

    Raises:
        UsageError: the address is malformed.
        SourceError: nothing answers there, or what answers is no video.
    """
    name = without_password(address)
    if urlsplit(address).scheme.lower() in {"http", "https"}:
        source = open_mjpeg(name, address, timeout)
        if source is not None:
            return source
    stream = open_video_stream(name, address, timeout)
    if stream is None:
        _check_connection(name, address, timeout)
        raise SourceError(
            f"source {name}: the address answers, but with no video within {timeout:.1f} s; check "
            "its path, user and password"
        )
    return stream


def without_password(address: str) -> str:
    """The address as it may be shown: ``***`` for user and password.

    Raises:
        UsageError: it is malformed.
    """
    try:
        parts = urlsplit(address)
        if not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"source {address.rpartition('@')[2]}: is no address; one looks like "
            "http://192.168.1.20:8080/stream or rtsp://user:password@192.168.1.20/live"
        ) from None
    _, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"***@{host}" if at else host))


def _check_connection(name: str, address: str, timeout: float) -> None:
    """FFmpeg does not say why it failed; an attempt to connect does."""
    parts = urlsplit(address)
    port = parts.port or PORTS[parts.scheme.lower()]
    try:
        socket.create_connection((parts.hostname or "", port), timeout).close()
    except OSError as error:
        raise SourceError(f"source {name}: {why(error)}") from error
