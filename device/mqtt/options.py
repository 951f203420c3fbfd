"""What ``camera --mqtt`` was asked for: the broker's address, topics, and where the queue lies."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from edgedigits.errors import UsageError

PORT, TLS_PORT = 1883, 8883
TOPIC = "edgedigits"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ADDRESS = re.compile(r"(?:\[(?P<six>[\w:.%-]+)\]|(?P<host>[^\s:/@\[\]]+))(?::(?P<port>\d+))?")


@dataclass(frozen=True)
class MqttOptions:
    """What was asked for.

    Attributes:
        broker: ``HOST`` or ``HOST:PORT``.
        topic: in front of all topics. name: of this device; None: the host's name.
        config: a file with TLS, user and password.
        queue: folder of the readings that wait for the broker; None: see :func:`queue_folder`.
    """

    broker: str
    topic: str = TOPIC
    name: str | None = None
    config: Path | None = None
    queue: Path | None = None


def split_address(text: str) -> tuple[str, int | None]:
    """Host, and port where one is given.

    Raises:
        UsageError: it is neither ``HOST`` nor ``HOST:PORT``.
    """
    if "@" in text:
        raise UsageError(
            "--mqtt takes no user and password, others can see a command line; "
            "put them into a file and name it by --mqtt-config"
        )
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"  # a bare IPv6 address
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise UsageError(f"--mqtt is {text}; it must be HOST or HOST:PORT")
    port = None if found["port"] is None else int(found["port"])
    if port is not None and not 1 <= port <= 65535:
        raise UsageError(f"--mqtt is {text}; ports go from 1 to 65535")
    return found["six"] or found["host"], port


def check_topic(topic: str) -> str:
    """The topic that stands in front of all.

    Raises:
        UsageError: it holds what no topic may hold, or is empty.
    """
    levels = topic.split("/")
    if not all(levels) or re.search(r"[+#\x00-\x1f]", topic) or len(topic.encode()) > 1000:
        raise UsageError(
            f"--mqtt-topic is {topic!r}; it must be words with / between, without + and #"
        )
    if topic.startswith("$"):
        raise UsageError(f"--mqtt-topic is {topic!r}; topics with $ in front are the broker's own")
    return topic


def device_name(name: str | None) -> str:
    """The name given, or one made of the host's.

    Raises:
        UsageError: Home Assistant would not take it.
    """
    if name is None:
        host = re.sub(r"[^A-Za-z0-9_-]+", "-", socket.gethostname().partition(".")[0])
        return host.strip("-")[:64] or "camera"
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"--mqtt-name is {name!r}; it must be of letters A to Z, digits, _ and -, 64 at most"
        )
    return name


def queue_folder(given: Path | None) -> Path:
    """The folder named, the service's own under systemd, or the user's state folder.

    Raises:
        UsageError: none is named and there is no home folder.
    """
    if given is not None:
        return given
    if service := os.environ.get("STATE_DIRECTORY"):  # systemd: may be several
        return Path(service.split(":")[0])
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "edgedigits"
    try:
        return Path.home() / ".local" / "state" / "edgedigits"
    except RuntimeError:
        raise UsageError("there is no home folder for the queue; name one by --queue") from None
