"""The unit that runs the camera: systemd itself reads it without a word."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from helpers_programs import need

from edgedigits.device.service.unit import UNIT, Service, command, unit_text
from edgedigits.errors import UsageError

ODD = ["--mqtt", 'mqtt://"a" b/%h$HOME', "", "--text=100 %", "it's", "back\\slash", "a;b", "#"]


def sections(text: str) -> dict[str, list[tuple[str, str]]]:
    """Keys and values of each section, in their order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            now = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            now.append((key, value))
    return found


def words(text: str) -> list[str]:
    """ExecStart= as systemd.service(5) reads it: quotes, then %% and $$."""
    start = dict(sections(text)["Service"])["ExecStart"]
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(start)]


def analysed(text: str, folder: Path) -> str:
    """All that systemd-analyze has to say of a unit; its exit code says nothing of unknown keys."""
    file = folder / UNIT
    file.write_text(text)
    result = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", file],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout + result.stderr


@pytest.fixture
def prefix(tmp_path: Path) -> PurePosixPath:
    """A prefix with the program, so that systemd finds what it is to start."""
    program = tmp_path / "prefix/venv/bin/edgedigits"
    program.parent.mkdir(parents=True)
    shutil.copy("/bin/true", program)
    return PurePosixPath(tmp_path / "prefix")


def here() -> int:
    """The version of the systemd that is installed."""
    line = subprocess.check_output([need("systemd-analyze"), "--version"], text=True)
    return int(line.split()[1])


def test_systemd_has_nothing_to_say_about_the_unit(prefix: PurePosixPath, tmp_path: Path) -> None:
    plain = Service(prefix=prefix)
    full = Service(
        prefix=prefix,
        source="picamera",
        options=[*ODD, "--password=%d/mqtt"],
        credentials={"mqtt": "/etc/edgedigits/100%.txt"},
        groups=("video", "plugdev"),
    )
    for service in (plain, full):
        assert analysed(unit_text(service, systemd=here()), tmp_path) == ""


def test_a_key_that_systemd_does_not_know_would_be_noticed(
    prefix: PurePosixPath, tmp_path: Path
) -> None:
    text = unit_text(Service(prefix=prefix), systemd=here())
    assert "Watchdoc" in analysed(text.replace("WatchdogSec", "WatchdocSec"), tmp_path)


def test_every_word_arrives_as_it_was_given() -> None:
    service = Service(options=ODD, source="rtsp://user:pa$$@pi/1?a=%20")
    assert words(unit_text(service, systemd=252)) == command(service)
    assert command(service)[-len(ODD) :] == ODD


def test_a_credential_is_named_by_its_specifier() -> None:
    text = unit_text(
        Service(options=["--a=%d/mqtt", "%d/ca"], credentials={"mqtt": "/etc/m"}), systemd=252
    )
    assert "--a=%d/mqtt %d/ca\n" in text
    assert ("LoadCredential", "mqtt:/etc/m") in sections(text)["Service"]


def test_it_waits_longer_and_longer_where_systemd_can() -> None:
    old, new = (
        dict(sections(unit_text(Service(), systemd=version))["Service"]) for version in (252, 257)
    )
    assert old["RestartSec"] == "5s"
    assert "RestartSteps" not in old
    assert (new["RestartSec"], new["RestartSteps"], new["RestartMaxDelaySec"]) == ("2s", "6", "60s")


def test_it_is_restarted_for_ever_watched_and_unprivileged() -> None:
    found = sections(unit_text(Service(), systemd=257))
    service = dict(found["Service"])
    assert dict(found["Unit"])["StartLimitIntervalSec"] == "0"
    wanted = {
        "Type": "notify",
        "Restart": "always",
        "WatchdogSec": "30s",
        "DynamicUser": "yes",
        "SupplementaryGroups": "video",
        "StateDirectory": "edgedigits",
        "ProtectHome": "yes",
    }
    assert {key: service[key] for key in wanted} == wanted
    assert command(Service())[:4] == [
        "/opt/edgedigits/venv/bin/edgedigits",
        "camera",
        "--model",
        "/opt/edgedigits/models/current/model.tflite",
    ]


def test_a_prefix_in_a_home_stays_readable_and_a_watchdog_can_be_left_out() -> None:
    service = Service(prefix=PurePosixPath("/home/pi/edge"), watchdog=0)
    found = dict(sections(unit_text(service, systemd=252))["Service"])
    assert found["ProtectHome"] == "read-only"
    assert "WatchdogSec" not in found


def test_crops_go_elsewhere_when_the_options_say_so() -> None:
    assert command(Service()).count("--save-unsure") == 1
    assert "/var/lib/edgedigits/unsure" not in command(Service(options=["--save-unsure=/x"]))


@pytest.mark.parametrize(
    ("service", "named"),
    [
        (Service(prefix=PurePosixPath("relative")), "--prefix relative"),
        (Service(options=["two\nlines"]), "two"),
        (Service(source="a\0b"), "systemd unit"),
        (Service(watchdog=-1), "--watchdog -1"),
        (Service(credentials={"a b": "/x"}), "--credential a b"),
        (Service(credentials={"a": "x"}), "--credential a=x"),
        (Service(groups=("video\nUser=root",)), "--group"),
    ],
)
def test_what_cannot_stand_in_a_unit_is_refused(service: Service, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        unit_text(service, systemd=252)
    assert named in str(caught.value)
