"""Readings through a real broker: in order and once; lost connections, frozen brokers, kills."""

from __future__ import annotations

import gc
import json
import random
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from helpers_capture import until
from helpers_commits import Lines, committing, publishing, seen
from helpers_frames import Connection, mjpeg_server
from helpers_mosquitto import Mosquitto, Subscriber, mosquitto, subscribed
from helpers_postgres import free_port
from helpers_programs import need
from helpers_recognise import page_of_digits

from edgedigits.device.mqtt.publisher import Publisher


@pytest.fixture(autouse=True, scope="module")
def _installed() -> None:
    need("mosquitto")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    with subscribed(broker.port) as one:
        yield one


def retained(broker: Mosquitto) -> dict[str, str]:
    """What a newcomer is told."""
    with subscribed(broker.port, "+/desk/#") as newcomer:
        newcomer.wait_for(lambda: len(newcomer.messages) >= 2)
        assert all(kept for _, _, kept in newcomer.messages)
        return {topic: text for topic, text, _ in newcomer.messages}


def test_readings_state_and_availability(
    broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    said = Lines()
    with publishing(broker.address, tmp_path / "q", said) as publisher:
        for text in ("31415\n926", None, "27", None):
            publisher(seen(text))
        subscriber.wait_for(lambda: len(subscriber.texts()) == 2)
        subscriber.wait_for(lambda: subscriber.on("/diagnostics"))
    subscriber.wait_for(lambda: subscriber.availability()[-1] == "offline")
    assert subscriber.texts() == ["31415\n926", "27"]
    assert subscriber.availability() == ["online", "offline"]
    first, second = subscriber.on("/reading")
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert first["queue"] == second["queue"]
    assert subscriber.on("/state")[-1] == second
    (diagnostics,) = subscriber.on("/diagnostics")
    assert (diagnostics["frames"], diagnostics["readings_lost"]) == (1, 0)
    kept = retained(broker)
    assert json.loads(kept["edgedigits/desk/state"]) == second
    assert kept["edgedigits/desk/availability"] == "offline"
    assert "edgedigits/desk/reading" not in kept
    (line,) = said.lines
    assert line.startswith(f"mqtt {broker.address}: connected, ")


def test_discovery_is_retained(broker: Mosquitto, tmp_path: Path) -> None:
    with (
        publishing(broker.address, tmp_path / "q", Lines()),
        subscribed(broker.port, "homeassistant/#") as home,
    ):
        home.wait_for(lambda: len(home.on("/config")) == 3)
    units = {document["unique_id"]: document for document in home.on("/config")}
    assert units["edgedigits_desk_reading"]["state_topic"] == "edgedigits/desk/state"
    with subscribed(broker.port, "homeassistant/sensor/#") as late:
        late.wait_for(lambda: len(late.messages) == 2)
        assert all(kept for _, _, kept in late.messages)


def test_the_camera_publishes_what_it_says_and_the_broker_says_when_it_is_killed(
    broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    pages = [
        cv2.imencode(".jpg", page_of_digits([text])[0])[1].tobytes() for text in ("31415", "2714")
    ]

    def send(connection: Connection) -> None:
        connection.begin()
        while not connection.closing.wait(0.02):
            connection.part(pages[len(subscriber.texts()) % 2])

    with mjpeg_server(send) as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "edgedigits.cli.main", "camera", "--source", url, "--mqtt",
             broker.address, "--mqtt-name", "desk", "--mqtt-topic", "home/cameras", "--queue",
             str(tmp_path / "q")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            subscriber.wait_for(lambda: len(subscriber.texts()) >= 2)
        finally:
            process.kill()
            out, error = process.communicate()
    subscriber.wait_for(lambda: "offline" in subscriber.availability())
    assert subscriber.availability() == ["online", "offline"]
    lines = [line.split(maxsplit=2)[2] for line in out.splitlines()]
    assert subscriber.texts()[:2] == ["31415", "2714"]
    # What is said has been kept; the last may have been published, but not said before the kill.
    assert lines
    assert subscriber.texts()[: len(lines)] == lines
    assert subscriber.messages[0][0] == "home/cameras/desk/availability"
    assert f"mqtt {broker.address}: connected" in error


def test_a_broker_that_is_gone_gets_everything_in_order_and_once_when_it_is_back(
    broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    said = Lines()
    with publishing(broker.address, tmp_path / "q", said) as publisher:
        publisher(seen("1"))
        subscriber.wait_for(lambda: subscriber.texts() == ["1"])
        broker.stop()
        until(lambda: any("connection lost" in line for line in said.lines))
        began = time.monotonic()
        for number in range(2, 102):
            publisher(seen(str(number)))
        assert time.monotonic() - began < 10  # the broker has no say in that
        until(lambda: any("connection refused" in line for line in said.lines))
        broker.start()
        back = time.monotonic()
        subscriber.wait_for(lambda: len(subscriber.texts()) >= 101)
        assert time.monotonic() - back < 10
        subscriber.wait_for(lambda: subscriber.on("/state")[-1]["text"] == "101")
    # The first may come twice: the broker may have gone before its acknowledgement was read.
    once = subscriber.once()
    assert [document["text"] for document in once] == [str(number) for number in range(1, 102)]
    assert [document["sequence"] for document in once] == list(range(1, 102))
    lost = [line for line in said.lines if line.startswith("WARNING")]
    assert len(lost) == 2, lost  # lost once, refused once, however often it was tried
    assert "connection refused" in lost[1]
    assert re.fullmatch(r"mqtt .*: connected, 10[01] readings waiting", said.lines[-1])


def test_readings_of_a_run_without_a_broker_arrive_in_the_next(tmp_path: Path) -> None:
    said, queue = Lines(), tmp_path / "q"
    nowhere = f"127.0.0.1:{free_port()}"
    with publishing(nowhere, queue, said) as publisher:
        for text in ("1", "2"):
            publisher(seen(text))
        until(lambda: said.lines)
    assert said.lines[-1] == f"mqtt {nowhere}: 2 readings waiting in {queue}"
    with (
        mosquitto(tmp_path / "broker") as broker,
        subscribed(broker.port) as subscriber,
        publishing(broker.address, queue, said) as publisher,
    ):
        publisher(seen("3"))
        subscriber.wait_for(lambda: len(subscriber.texts()) == 3)
        assert subscriber.texts() == ["1", "2", "3"]


def test_a_name_that_another_device_has_is_no_quarrel(
    broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    """Two queues are two clients: neither throws the other out."""
    said = Lines()
    with (
        publishing(broker.address, tmp_path / "a", said) as one,
        publishing(broker.address, tmp_path / "b", said) as two,
    ):
        until(lambda: len(said.lines) == 2)
        one(seen("1"))
        two(seen("2"))
        subscriber.wait_for(lambda: len(subscriber.texts()) == 2)
    assert all("connected" in line for line in said.lines)


def test_tries_leave_no_sockets_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is away for months is tried a million times."""
    tries = []

    def counted(text: str) -> None:
        tries.append(text)

    for name in ("FIRST_DELAY", "LONGEST_DELAY"):
        monkeypatch.setattr(f"edgedigits.device.mqtt.publisher.{name}", 0.001)
    monkeypatch.setattr(Publisher, "_complain", lambda self, why: counted(why))
    server = socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()  # takes each connection, and ends it
    gc.disable()
    try:
        with publishing(f"127.0.0.1:{server.server_address[1]}", tmp_path / "q", Lines()):
            until(lambda: len(tries) > 10)
            before = len(list(Path("/proc/self/fd").iterdir()))
            until(lambda: len(tries) > 60)
            assert len(list(Path("/proc/self/fd").iterdir())) < before + 10
    finally:
        gc.enable()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_frozen_broker_does_not_hold_up_the_end(
    broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    said = Lines()
    with publishing(broker.address, tmp_path / "q", said) as publisher:
        until(lambda: said.lines)
        broker.send(signal.SIGSTOP)
        for number in range(30):
            publisher(seen(str(number)))
        began = time.monotonic()
    assert time.monotonic() - began < 15
    broker.send(signal.SIGCONT)
    subscriber.wait_for(lambda: subscriber.availability()[-1:] == ["offline"])
    assert said.lines[-1] == f"mqtt {broker.address}: 30 readings waiting in {tmp_path / 'q'}"


def killed_after(
    seconds: float, broker: Mosquitto, queue: Path, run: int, log: Path, pause: float
) -> list[str]:
    """What a program said it had committed before it was killed."""
    with log.open("wb") as errors:
        process = committing(broker, queue, run, pause, errors)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first, log.read_text()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.wait()
    return (first + rest).split("\n")[:-1]


def test_kills_at_random_moments_lose_nothing_and_double_nothing(
    broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    rng, queue, kept = random.Random(7), tmp_path / "q", []
    for run in range(1, 7):
        moment = rng.uniform(0, 0.4)
        kept += killed_after(moment, broker, queue, run, tmp_path / "log", rng.choice([0, 0.01]))
    said = Lines()
    with publishing(broker.address, queue, said) as publisher:
        publisher(seen("0"))
        subscriber.wait_for(lambda: "0" in subscriber.texts())
    once = [document["text"] for document in subscriber.once()]
    assert len(once) == len(set(once))  # no reading has two ids
    assert set(kept) <= set(once)
    assert len(kept) > 50
    # Not one number is missing, and all came in order.
    numbers = [document["sequence"] for document in subscriber.once()]
    assert numbers == list(range(1, len(once) + 1))


def test_the_last_will_of_the_run_before_does_not_outlast_the_next(
    broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    """A connection that nobody ended, as after a power cut, is thrown out by the next one."""
    process = committing(broker, tmp_path / "q", 1, 0.05, subprocess.DEVNULL)
    try:
        subscriber.wait_for(lambda: subscriber.texts())
        process.send_signal(signal.SIGSTOP)  # its connection stays
        copy = tmp_path / "copy"
        copy.mkdir()
        for file in (tmp_path / "q").iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        with publishing(broker.address, copy, Lines()):
            subscriber.wait_for(lambda: len(subscriber.availability()) >= 3)
            assert subscriber.availability() == ["online", "offline", "online"]
    finally:
        process.kill()
        process.communicate()
