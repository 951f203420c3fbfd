"""The thread between the queue and the broker: it sends, waits, and connects again."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from edgedigits import __version__
from edgedigits.device.handover import CaptureStats
from edgedigits.device.mqtt.link import Broker, Link, LinkError, check_installed
from edgedigits.device.mqtt.messages import facts_of
from edgedigits.device.mqtt.options import (
    PORT,
    TLS_PORT,
    MqttOptions,
    check_topic,
    device_name,
    queue_folder,
    split_address,
)
from edgedigits.device.mqtt.outbox import Outbox
from edgedigits.device.mqtt.settings import read_settings
from edgedigits.device.mqtt.topics import ONLINE, Topics, discovery
from edgedigits.device.watching import Seen
from edgedigits.progress import SILENT, Progress

FIRST_DELAY = 0.5  # seconds before the broker is tried again; doubled each time
LONGEST_DELAY = 2.0
HOPELESS_DELAY = 30.0  # where it refuses user and password
GOOD_WHILE = 10.0  # seconds of a connection after which delays start anew
AT_ONCE = 20  # readings on their way
EVERY = 10.0  # seconds between diagnostics
SOON = 2.0  # seconds from a connection to the first
GRACE = 3.0  # seconds for what waits when the program ends


@contextlib.contextmanager
def open_mqtt(options: MqttOptions, progress: Progress = SILENT) -> Iterator[Publisher]:
    """Publish while the context lasts.

    Raises:
        UsageError: an option, the file or the folder does not fit.
        MissingPackageError: paho-mqtt is not installed.
        RunError: the queue's folder cannot be written.
    """
    host, port = split_address(options.broker)
    topics = Topics(check_topic(options.topic), device_name(options.name))
    check_installed()
    settings = read_settings(options.config)
    if port is None:
        port = PORT if settings.context is None else TLS_PORT
    outbox = Outbox(queue_folder(options.queue), say=progress.say)
    client = f"edgedigits-{topics.name}-{outbox.queue[:8]}"
    try:
        with Publisher(Broker(host, port, settings, client), topics, outbox, progress.say) as made:
            yield made
    finally:
        outbox.close()


class Publisher:
    """Takes what was seen in each frame; sends what is committed, from a thread of its own.

    Args:
        broker: where to. topics: of this device. outbox: where readings wait.
        say: told what a person should know, each once.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        outbox: Outbox,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker, self._topics, self._outbox = broker, topics, outbox
        self._say, self._clock = say, clock
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._stats: CaptureStats | None = None  # of the newest frame
        self._counted = (0.0, 0)  # when frames were counted last, and how many there were
        self._said: str | None = None  # what is wrong with the connection
        # A daemon: a name server that does not answer must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, seen: Seen) -> None:
        """Take a frame. A committed reading is on disk when this returns."""
        if self._stats is None:
            self._counted = (self._clock(), seen.stats.handed_over)
        self._stats = seen.stats
        if seen.tracked.new_text:
            self._outbox.add(facts_of(seen, self._topics.name))
            self._changed.set()

    def close(self) -> None:
        """Send what waits if the broker takes it soon, say goodbye, and stop."""
        self._closing.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(GRACE + 2.0)
        if left := self._outbox.count:
            self._say(f"mqtt {self._broker.name}: {_waiting(left)} in {self._outbox.folder}")

    def _run(self) -> None:
        delay = FIRST_DELAY
        while not self._closing.is_set():
            began = self._clock()
            try:
                self._session()
                return
            except LinkError as error:
                if self._clock() - began >= GOOD_WHILE:
                    delay = FIRST_DELAY
                self._complain(str(error))
                self._closing.wait(HOPELESS_DELAY if error.hopeless else delay)
                delay = min(2 * delay, LONGEST_DELAY)
            except Exception as error:  # a fault of ours must not end the thread for good
                self._complain(f"{type(error).__name__}: {error}")
                self._closing.wait(HOPELESS_DELAY)

    def _complain(self, why: str) -> None:
        if why != self._said:
            self._said = why
            self._say(
                f"WARNING: mqtt {self._broker.name}: {why}; readings wait in "
                f"{self._outbox.folder}, trying until it takes them"
            )

    def _session(self) -> None:
        """One connection, until the program ends."""
        link = Link(self._broker, self._topics, self._changed.set)
        ended = False
        try:
            self._said = None
            self._say(f"mqtt {self._broker.name}: connected, {_waiting(self._outbox.count)}")
            self._greet(link)
            self._serve(link)
            ended = True
        finally:
            self._outbox.done(link.acknowledged())
            link.close(farewell=ended)

    def _greet(self, link: Link) -> None:
        link.send(self._topics.availability, ONLINE, retain=True)
        if prefix := self._broker.settings.discovery:
            for topic, document in discovery(self._topics, prefix).items():
                link.send(topic, json.dumps(document), retain=True)
        self._send_state(link)

    def _serve(self, link: Link) -> None:
        told = self._clock() - EVERY + SOON
        until: float | None = None
        while True:
            self._changed.clear()
            self._outbox.done(link.acknowledged())
            if not link.alive:
                raise LinkError(link.lost)
            self._send_readings(link)
            now = self._clock()
            if self._closing.is_set():
                until = now + GRACE if until is None else until
                if now >= until or not self._outbox.count:
                    return
            elif now - told >= EVERY and self._stats is not None:
                told = now
                self._send_diagnostics(link, self._stats)
            self._changed.wait(0.1 if until else 1.0)

    def _send_readings(self, link: Link) -> None:
        under_way = link.on_their_way
        if len(under_way) >= AT_ONCE or self._outbox.count <= len(under_way):
            return
        last = self._outbox.last
        for waiting in self._outbox.next(AT_ONCE - len(under_way), under_way):
            link.send(self._topics.reading, waiting.payload, id=waiting.id)
            if waiting.payload == last:
                self._send_state(link)

    def _send_state(self, link: Link) -> None:
        if (last := self._outbox.last) is not None:
            link.send(self._topics.state, last, retain=True)

    def _send_diagnostics(self, link: Link, stats: CaptureStats) -> None:
        now = self._clock()
        before, frames = self._counted
        self._counted = (now, stats.handed_over)
        document: dict[str, Any] = {
            "schema_version": 1,
            "fps": round((stats.handed_over - frames) / max(now - before, 1e-3), 2),
            "frames": stats.handed_over,
            "dropped": stats.dropped,
            "reopened": stats.reopened,
            "readings_waiting": self._outbox.count,
            "readings_lost": self._outbox.dropped,
            "version": __version__,
        }
        link.send(self._topics.diagnostics, json.dumps(document), retain=True)


def _waiting(count: int) -> str:
    return f"{count:,} reading{'' if count == 1 else 's'} waiting"
