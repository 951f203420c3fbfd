"""A mosquitto of Debian's package on a loopback port, and a subscriber that counts what arrives."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from helpers_postgres import free_port
from helpers_programs import need
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

LONG = 30.0  # seconds; a timeout that no test is meant to reach
FOREVER = {"max_queued_messages": "0", "persistent_client_expiration": "1d"}


class Mosquitto:
    """A broker that can be stopped and started again, on one port and with what it knew.

    Args:
        folder: for its files. settings: lines of its configuration, by key.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self._program = need("mosquitto")
        self.port = free_port()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        lines = {
            "allow_anonymous": "true",
            "persistence": "true",
            "persistence_location": f"{folder}/",
            "log_dest": "stderr",
            **FOREVER,
            **settings,
        }
        if os.getuid() == 0:
            lines["user"] = "root"  # as whom it may write there
        text = f"listener {self.port} 127.0.0.1\n"
        text += "".join(f"{key} {value}\n" for key, value in lines.items())
        (folder / "mosquitto.conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has said."""
        return (self._folder / "log").read_text()

    def start(self) -> None:
        """Start, and wait until it listens."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._folder / "mosquitto.conf")], stderr=log, stdout=log
            )
        deadline = time.monotonic() + LONG
        while True:
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, "mosquitto did not start"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)

    def send(self, what: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(what)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop; it writes what it knows unless it is killed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(LONG)
            self._process = None


@contextlib.contextmanager
def mosquitto(folder: Path, **settings: str) -> Iterator[Mosquitto]:
    """A running broker, stopped at the end."""
    broker = Mosquitto(folder, **settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class Subscriber:
    """Keeps every message of some topics, in order; its session outlives the connection.

    Attributes:
        messages: topic, payload, and whether it was a retained one.
    """

    def __init__(
        self,
        port: int,
        topic: str = "#",
        prepare: Callable[[Client], object] = lambda client: None,
        host: str = "127.0.0.1",
    ) -> None:
        self.messages: list[tuple[str, str, bool]] = []
        self._arrived = threading.Condition()
        self._ready = threading.Event()
        self._topic = topic
        self._client = Client(CallbackAPIVersion.VERSION2, f"test-{topic}", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._keep
        prepare(self._client)
        self._client.connect(host, port)
        self._client.loop_start()
        assert self._ready.wait(LONG)

    def close(self) -> None:
        """Go, but have what follows kept by the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, condition: Callable[[], object], seconds: float = LONG) -> None:
        """Wait until the messages are so."""
        with self._arrived:
            assert self._arrived.wait_for(condition, seconds), self.messages[-20:]

    def on(self, end: str) -> list[dict[str, Any]]:
        """Documents whose topic ends so, in the order they came."""
        with self._arrived:
            return [json.loads(text) for topic, text, _ in self.messages if topic.endswith(end)]

    def once(self) -> list[dict[str, Any]]:
        """Readings by the rule for receivers: what comes with a known id is dropped."""
        return list({document["id"]: document for document in self.on("/reading")}.values())

    def texts(self) -> list[str]:
        """Texts of the readings that came."""
        return [document["text"] for document in self.on("/reading")]

    def availability(self) -> list[str]:
        """What was said of the device."""
        with self._arrived:
            return [text for topic, text, _ in self.messages if topic.endswith("/availability")]

    def _subscribe(self, *_: Any) -> None:
        self._client.subscribe(self._topic, qos=1)

    def _keep(self, _client: Any, _data: Any, message: Any) -> None:
        with self._arrived:
            self.messages.append((message.topic, message.payload.decode(), message.retain))
            self._arrived.notify_all()


@contextlib.contextmanager
def subscribed(port: int, topic: str = "#", **options: Any) -> Iterator[Subscriber]:
    """A subscriber, closed at the end."""
    subscriber = Subscriber(port, topic, **options)
    try:
        yield subscriber
    finally:
        subscriber.close()
