"""One connection to the broker; the only file that touches paho."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgedigits.device.mqtt.settings import Settings
from edgedigits.device.mqtt.topics import OFFLINE, Topics
from edgedigits.device.mqtt.trouble import CREDENTIALS, why_no_connection, why_refused
from edgedigits.errors import MissingPackageError

KEEPALIVE = 30  # seconds; the last will is sent after one and a half times that
PATIENCE = 10.0  # seconds for the broker to answer a connection
TIMEOUT = 4.0  # seconds for the connection itself
FAREWELL = 1.0  # seconds for the last message to be acknowledged


def check_installed() -> None:
    """Raises MissingPackageError where paho is not there."""
    try:
        import paho.mqtt.client
    except ImportError:
        raise MissingPackageError("--mqtt", "service", "paho-mqtt") from None
    del paho


class LinkError(Exception):
    """There is no connection, or no more. Its text is the end of a sentence.

    Attributes:
        hopeless: trying again at once would not help.
    """

    def __init__(self, text: str, *, hopeless: bool = False) -> None:
        super().__init__(text)
        self.hopeless = hopeless


@dataclass(frozen=True, eq=False)
class Broker:
    """Where to connect, and as whom.

    Attributes:
        host, port: of the broker. settings: TLS, user, password.
        client_id: the same each time, so that the broker knows the connection before as ours and
            sends its last will before, not after, this one is online.
    """

    host: str
    port: int
    settings: Settings
    client_id: str

    @property
    def name(self) -> str:
        """``HOST:PORT``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Link:
    """A connection. All methods are for one thread.

    Args:
        broker: where to. topics: for the last will.
        changed: called, in another thread, when something was acknowledged or the connection lost.

    Raises:
        LinkError: no connection came about.
    """

    def __init__(self, broker: Broker, topics: Topics, changed: Callable[[], None]) -> None:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self._topics = topics
        self._changed = changed
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._refused: int | None = None  # the broker's reason code, and its name
        self._refusal = ""
        self._lost: str | None = None
        self._done: deque[int] = deque()  # message numbers, as they were acknowledged
        self._sent: dict[int, str] = {}  # ids of readings by message number
        client = paho.Client(
            CallbackAPIVersion.VERSION2, broker.client_id, reconnect_on_failure=False
        )
        client.connect_timeout = TIMEOUT
        client.max_inflight_messages_set(0)  # no limit: nothing waits behind the farewell
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish = self._on_publish
        client.will_set(topics.availability, OFFLINE, qos=1, retain=True)
        if broker.settings.user is not None:
            client.username_pw_set(broker.settings.user, broker.settings.password)
        if broker.settings.context is not None:
            client.tls_set_context(broker.settings.context)
        self._client = client
        self._encrypted = broker.settings.context is not None
        try:
            client.connect(broker.host, broker.port, KEEPALIVE)
        except (OSError, ValueError) as error:
            self._stop()
            raise LinkError(why_no_connection(error)) from error
        client.loop_start()
        self._answered.wait(PATIENCE)
        if self._refused is not None or not self.alive:
            self._stop()
            # Raised here and kept nowhere, or it and the client would keep each other.
            raise LinkError(self._why_not(), hopeless=self._refused in CREDENTIALS)

    def _why_not(self) -> str:
        if self._refused is not None:
            return why_refused(self._refused, self._refusal)
        what = "ends the connection at once" if self._lost else "does not answer"
        if self._encrypted:
            return f"it {what}; does it want a certificate and key of this device?"
        return f"it {what}; is it a broker, and does it want TLS?"

    @property
    def alive(self) -> bool:
        """Whether the connection stands."""
        return self._lost is None and self._client.is_connected()

    @property
    def lost(self) -> str:
        """Why it stands no more, as the end of a sentence."""
        return f"connection lost ({self._lost or 'unknown reason'})"

    @property
    def on_their_way(self) -> set[str]:
        """Ids of readings that the broker has not acknowledged yet."""
        return set(self._sent.values())

    def send(self, topic: str, payload: str, *, retain: bool = False, id: str | None = None) -> int:
        """Publish with quality of service 1; returns the number of the message.

        Args:
            id: of a reading, which :meth:`acknowledged` will give back.
        """
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if id is not None:
            self._sent[info.mid] = id
        return int(info.mid)

    def acknowledged(self) -> list[str]:
        """Ids of readings that the broker has acknowledged since the last call."""
        found = []
        while self._done:
            number = self._sent.pop(self._done.popleft(), None)
            if number is not None:
                found.append(number)
        return found

    def close(self, *, farewell: bool) -> None:
        """End the connection.

        Args:
            farewell: say that the device is offline; otherwise the broker does.
        """
        if farewell and self.alive:
            last = self._client.publish(self._topics.availability, OFFLINE, qos=1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):  # lost meanwhile
                last.wait_for_publish(FAREWELL)
            # Behind the message in the same connection: who reads one has read the other.
            self._client.disconnect()
            self._ended.wait(FAREWELL)
        self._stop()

    def _stop(self) -> None:
        client = self._client
        # Where it still stands, its thread would wait for acknowledgements.
        if isinstance(left := client.socket(), socket.socket):  # of TLS too
            with contextlib.suppress(OSError):
                left.shutdown(socket.SHUT_RDWR)
        client.loop_stop()
        if (left := client.socket()) is not None:
            left.close()
        # paho closes two more sockets when nothing refers to the client any more.
        client.on_connect = client.on_disconnect = client.on_publish = None

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if code.is_failure:
            self._refusal, self._refused = str(code), int(code.value)
        self._answered.set()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        self._lost = str(code).lower()
        self._ended.set()
        self._answered.set()
        self._changed()

    def _on_publish(self, _client: Any, _data: Any, mid: int, _code: Any, _more: Any) -> None:
        self._done.append(mid)
        self._changed()
