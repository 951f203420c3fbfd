"""Deploy with the service, on a device whose systemd is a fake that really runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers_camera import Stream
from helpers_frames import mjpeg_server
from helpers_sshd import Device, device

from edgedigits.files import file_digest
from edgedigits.remote.deploying import deploy
from edgedigits.remote.many import Outcome
from edgedigits.remote.plan import Plan, Wish
from edgedigits.remote.rolling import rollback, status
from edgedigits.report.devices import deploy_view

pytestmark = pytest.mark.slow

UNIT = "edgedigits.service"


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with device(tmp_path_factory.mktemp("device") / "pi") as made:
        made.use_systemd()
        yield made


@pytest.fixture(scope="module")
def stream() -> Iterator[str]:
    with mjpeg_server(Stream()) as url:
        yield url


def plan(pi: Device, **wish: object) -> Plan:
    return pi.plan(wish=Wish(**wish), settle=0.5, patience=90.0)  # type: ignore[arg-type]


def good(outcomes: list[Outcome]) -> Outcome:
    (outcome,) = outcomes
    assert outcome.error is None, outcome.error
    return outcome


def shown(pi: Device) -> dict[str, str]:
    text = pi.systemctl("show", UNIT, "--property=ActiveState,MainPID,NRestarts")
    return dict(line.split("=", 1) for line in text.splitlines())


def command_of(pid: str) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")


def test_the_service_runs_what_is_deployed_and_goes_back_by_itself(
    pi: Device, bundle: Path, stream: str
) -> None:
    first = good(deploy(["pi"], bundle, plan(pi, source=stream), ssh=pi.ssh()))
    assert first.state is not None
    assert first.state["service"]["state"] == "active"
    before = shown(pi)
    assert before["ActiveState"] == "active"
    assert ["--source", stream] == command_of(before["MainPID"])[5:7]
    assert (pi.units / UNIT).readlink() == pi.prefix / "current" / UNIT
    assert (pi.units / "multi-user.target.wants" / UNIT).is_symlink()

    # Another model, no option given: it is started as it was told before.
    second = good(deploy(["pi"], "mnist-16k", plan(pi), ssh=pi.ssh()))
    after = shown(pi)
    assert after["MainPID"] != before["MainPID"]
    assert not Path(f"/proc/{before['MainPID']}").exists()
    assert ["--source", stream] == command_of(after["MainPID"])[5:7]
    assert "frames recognised" in deploy_view([second])

    # A service that does not start: the device goes back, and says why.
    bad = plan(pi, options=["--nonsense"])
    (outcome,) = deploy(["pi"], bundle, bad, ssh=pi.ssh())
    assert outcome.error is not None
    assert outcome.error.startswith("pi: the service ended (exit-code 2): ")
    assert "--nonsense" in outcome.error
    assert outcome.error.endswith("went back to release 2, which runs")
    assert pi.current == "2"
    assert shown(pi)["ActiveState"] == "active"
    assert "--nonsense" not in command_of(shown(pi)["MainPID"])
    assert sorted(path.name for path in (pi.prefix / "releases").iterdir()) == ["1", "2"]

    # And by hand.
    back = good(rollback(["pi"], plan(pi), ssh=pi.ssh()))
    assert back.state is not None
    assert pi.current == "1"
    assert shown(pi)["ActiveState"] == "active"
    model = pi.prefix / "models/current/model.tflite"
    assert back.state["release"]["model_sha256"] == file_digest(model)
    found = good(status(["pi"], plan(pi), ssh=pi.ssh())).state
    assert found is not None
    assert found["service"]["state"] == "active"


def test_a_service_that_is_no_longer_wanted_ends(pi: Device, bundle: Path, stream: str) -> None:
    good(deploy(["pi"], bundle, plan(pi, service=True, source=stream), ssh=pi.ssh()))
    process = Path(f"/proc/{shown(pi)['MainPID']}")
    assert process.exists()
    without = good(deploy(["pi"], "mnist-8k", plan(pi, service=False), ssh=pi.ssh()))
    assert without.state is not None
    assert without.state["service"] is None
    assert not process.exists()
    assert shown(pi)["ActiveState"] == "inactive"
    assert not (pi.units / UNIT).is_symlink()
    back = good(rollback(["pi"], plan(pi), ssh=pi.ssh()))
    assert back.state is not None
    assert back.state["service"]["state"] == "active"
    again = good(
        rollback(["pi"], plan(pi), ssh=pi.ssh(), to=int(without.state["release"]["number"]))
    )
    assert again.state is not None
    assert again.state["service"] is None
    assert shown(pi)["ActiveState"] == "inactive"
    good(deploy(["pi"], bundle, plan(pi, service=True, source=stream), ssh=pi.ssh()))


def test_without_a_folder_for_units_nothing_changes(pi: Device, bundle: Path, stream: str) -> None:
    current = pi.current
    wrong = replace(plan(pi, service=True, source=stream), units=f"{pi.folder}/none")
    (outcome,) = deploy(["pi"], bundle, wrong, ssh=pi.ssh())
    assert outcome.error is not None
    assert outcome.error.startswith(f"pi: {pi.folder}/none: no such folder for unit files")
    assert pi.current == current


def test_a_unit_of_somebody_else_is_left_alone(pi: Device, bundle: Path, stream: str) -> None:
    link = pi.units / UNIT
    there = link.readlink() if link.is_symlink() else None
    link.unlink(missing_ok=True)
    link.write_text("[Service]\nExecStart=/bin/mine\n")
    current = pi.current
    try:
        (outcome,) = deploy(["pi"], bundle, plan(pi, source=stream), ssh=pi.ssh())
        assert outcome.error is not None
        assert f"{link} is there and not of this prefix" in outcome.error
        assert link.read_text() == "[Service]\nExecStart=/bin/mine\n"
        assert pi.current == current
    finally:
        link.unlink()
        if there is not None:
            link.symlink_to(there)
