"""Addresses, topics, the file of ``--mqtt-config``, and what Home Assistant is told."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RunCli
from helpers_commits import seen

from edgedigits import __version__
from edgedigits.cli.mqtt import mqtt_options
from edgedigits.device.mqtt.messages import facts_of
from edgedigits.device.mqtt.options import check_topic, device_name, queue_folder, split_address
from edgedigits.device.mqtt.settings import read_settings
from edgedigits.device.mqtt.topics import Topics, discovery
from edgedigits.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("broker", ("broker", None)),
        ("broker.local:1884", ("broker.local", 1884)),
        ("10.0.0.7", ("10.0.0.7", None)),
        ("::1", ("::1", None)),
        ("[::1]:1884", ("::1", 1884)),
        ("[fe80::1%eth0]", ("fe80::1%eth0", None)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int | None]) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "must be HOST or HOST:PORT"),
        ("broker:", "must be HOST or HOST:PORT"),
        ("broker:mqtt", "must be HOST or HOST:PORT"),
        ("mqtt://broker", "must be HOST or HOST:PORT"),
        ("broker:0", "ports go from 1 to 65535"),
        ("broker:70000", "ports go from 1 to 65535"),
        ("me:secret@broker", "put them into a file and name it by --mqtt-config"),
    ],
)
def test_addresses_that_are_none(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as found:
        split_address(text)
    assert expected in str(found.value)
    assert "secret" not in str(found.value)


def test_topics_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_topic("home/first-floor") == "home/first-floor"
    for bad in ("", "/home", "home/", "a//b", "a/+/b", "a/#", "$SYS/a", "a\nb"):
        with pytest.raises(UsageError, match="--mqtt-topic is "):
            check_topic(bad)
    assert device_name("shelf_2-b") == "shelf_2-b"
    for bad in ("", "a/b", "a b", "ä", "x" * 65, "a+", "a.b"):
        with pytest.raises(UsageError, match="--mqtt-name is "):
            device_name(bad)
    monkeypatch.setattr(socket, "gethostname", lambda: "pi-4 (küche).fritz.box")
    assert device_name(None) == "pi-4-k-che"
    monkeypatch.setattr(socket, "gethostname", lambda: "ü")
    assert device_name(None) == "camera"


def test_where_the_queue_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert queue_folder(None) == Path("/home/me/.local/state/edgedigits")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert queue_folder(None) == Path("/state/edgedigits")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/edgedigits:/var/lib/other")
    assert queue_folder(None) == Path("/var/lib/edgedigits")
    assert queue_folder(tmp_path) == tmp_path


def config(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "mqtt.conf"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_user_and_password_as_they_are_written(tmp_path: Path) -> None:
    file = config(tmp_path, "# mine\n[mqtt]\nuser = me\npassword = 100% s#cret; = yes\n", 0o640)
    settings = read_settings(file)
    assert (settings.user, settings.password) == ("me", "100% s#cret; = yes")
    assert settings.context is None
    assert settings.discovery == "homeassistant"
    assert read_settings(None).user is None
    assert read_settings(config(tmp_path, "[mqtt]\ndiscovery =\n")).discovery == ""
    context = read_settings(config(tmp_path, "[mqtt]\ntls = yes\n")).context
    assert context is not None
    assert context.check_hostname
    assert read_settings(config(tmp_path, "[mqtt]\ntls = no\n")).context is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user = me\n", "is not as 'key = value' below [mqtt]"),
        ("[mqtt]\ns3cret\n", "line 2 of it is not as 'key = value'"),
        ("[mqtt]\nuser = me\nuser = s3cret\n", "line 3 of it"),
        ("[broker]\nuser = me\n", "must hold one section, [mqtt]"),
        ("", "must hold one section, [mqtt]"),
        ("[mqtt]\npasswort = s3cret\n", "passwort: no such key; there are user, password, ca"),
        ("[mqtt]\npassword = s3cret\n", "has a password but no user"),
        ("[mqtt]\ntls = perhaps\n", "tls is perhaps; it must be yes or no"),
        ("[mqtt]\ntls = no\nca = ca.pem\n", "tls is no, but there is ca"),
        ("[mqtt]\nca = none.pem\n", "none.pem: cannot be read: No such file"),
        ("[mqtt]\nca = mqtt.conf\n", "holds no certificate in PEM form"),
        ("[mqtt]\nkey = k.pem\n", "has a key but no certificate"),
        ("[mqtt]\ncertificate = none.pem\n", "none.pem: cannot be read"),
        ("[mqtt]\ncertificate = mqtt.conf\n", "cannot be used"),
    ],
)
def test_files_that_say_what_cannot_be(text: str, expected: str, tmp_path: Path) -> None:
    file = config(tmp_path, text)
    with pytest.raises(UsageError) as found:
        read_settings(file)
    message = str(found.value)
    assert message.startswith(str(file))
    assert expected in message
    assert "\n" not in message
    assert "s3cret" not in message


def test_a_file_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    file = config(tmp_path, "[mqtt]\nuser = me\n", 0o644)
    with pytest.raises(UsageError, match=f"run 'chmod 600 {re.escape(str(file))}'"):
        read_settings(file)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_settings(tmp_path / "none")
    with pytest.raises(UsageError, match="is not a file"):
        read_settings(tmp_path)
    file.write_bytes(b"[mqtt]\nuser = \xff\n")
    file.chmod(0o600)
    with pytest.raises(UsageError, match="is no text file"):
        read_settings(file)


# Required of an MQTT sensor that is discovered, as documented at
# https://www.home-assistant.io/integrations/mqtt/ and …/sensor.mqtt/, …/binary_sensor.mqtt/.
TOPIC = re.compile(r"homeassistant/(sensor|binary_sensor)/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/config")
KNOWN = {
    "availability_topic", "device", "device_class", "entity_category", "icon",
    "json_attributes_topic", "name", "origin", "payload_available", "payload_not_available",
    "qos", "state_class", "state_topic", "unique_id", "unit_of_measurement", "value_template",
}  # fmt: skip


def test_discovery_has_the_documented_keys() -> None:
    topics = Topics("home/digits", "desk")
    found = discovery(topics, "homeassistant")
    assert len(found) == 3
    assert len({document["unique_id"] for document in found.values()}) == 3
    for topic, document in found.items():
        assert TOPIC.fullmatch(topic), topic
        assert set(document) <= KNOWN
        assert document["availability_topic"] == "home/digits/desk/availability"
        assert document["device"]["identifiers"] == ["edgedigits_desk"]
        assert document["origin"] == {"name": "edgedigits", "sw_version": __version__}
        assert document["state_topic"] in (topics.state, topics.diagnostics)
    fps = found["homeassistant/sensor/edgedigits_desk/fps/config"]
    assert fps["entity_category"] == "diagnostic"


def rendered(template: str, document: object) -> str:
    jinja = pytest.importorskip("jinja2")  # what Home Assistant renders templates with
    return str(jinja.Environment().from_string(template).render(value_json=document))


def test_templates_give_home_assistant_what_it_can_show() -> None:
    found = discovery(Topics("edgedigits", "desk"), "homeassistant")
    reading, fps, camera = (document["value_template"] for document in found.values())
    facts = json.loads(json.dumps(facts_of(seen("31415\n926"), "desk")))
    assert rendered(reading, facts) == "31415 926"
    assert len(rendered(reading, {"rows": ["123"] * 100})) == 255
    assert rendered(fps, {"fps": 12.5}) == "12.5"
    assert (rendered(camera, {"fps": 0.1}), rendered(camera, {"fps": 0.0})) == ("ON", "OFF")


def test_a_reading_as_a_document() -> None:
    facts = facts_of(seen("31\n4", 7), "desk")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", facts.pop("time"))
    assert facts == {
        "name": "desk",
        "source": "made up",
        "frame": 7,
        "text": "31\n4",
        "rows": ["31", "4"],
        "digits": [
            {"digit": 3, "score": 0.5, "box": [0, 5, 8, 12]},
            {"digit": 1, "score": 0.5, "box": [9, 5, 8, 12]},
            {"digit": 4, "score": 0.5, "box": [18, 5, 8, 12]},
        ],
    }


def test_options_that_are_for_mqtt_alone() -> None:
    options: list[tuple[str, tuple[str | None, str | None, Path | None, Path | None]]] = [
        ("--mqtt-topic", ("home", None, None, None)),
        ("--mqtt-name", (None, "desk", None, None)),
        ("--mqtt-config", (None, None, Path("x"), None)),
        ("--queue", (None, None, None, Path("x"))),
    ]
    for option, given in options:
        with pytest.raises(UsageError, match=f"{option} is for --mqtt HOST; add it"):
            mqtt_options(None, *given)
        assert mqtt_options("host", *given) is not None
    assert mqtt_options(None, None, None, None, None) is None


def test_bad_options_are_one_line_of_the_program(tmp_path: Path, run_cli: RunCli) -> None:
    open_file = config(tmp_path, "[mqtt]\nuser = me\n", 0o644)
    mqtt = ("--mqtt", "127.0.0.1:1", "--queue", tmp_path / "q")
    for arguments, code, expected in (
        (("--mqtt-name", "desk"), 2, "--mqtt-name is for --mqtt HOST"),
        ((*mqtt, "--mqtt-config", open_file), 2, f"run 'chmod 600 {open_file}'"),
        (("--mqtt", "host", "--queue", "/proc/queue"), 1, "/proc/queue: cannot write"),
    ):
        found, _, error = run_cli("camera", "--source", "none.avi", *arguments)
        assert (found, error.count("\n")) == (code, 1), (arguments, error)
        assert expected in error


def test_without_paho_the_extra_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['paho'] = None; sys.modules['paho.mqtt'] = None\n"
        "from edgedigits.cli.main import run; run()"
    )
    command = [sys.executable, "-c", program, "camera", "--source", "none.avi", "--mqtt", "host"]
    done = subprocess.run(
        [*command, "--queue", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "edgedigits: --mqtt needs paho-mqtt, which is not installed: "
        "pip install 'edgedigits[service]'\n"
    )
