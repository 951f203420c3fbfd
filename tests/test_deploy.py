"""Deploy to a real sshd: from nothing, again, back, and several hosts at once."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import RunCli
from helpers_sshd import Device, device

import edgedigits
from edgedigits.files import file_digest
from edgedigits.remote.deploying import deploy
from edgedigits.remote.many import Outcome
from edgedigits.remote.rolling import rollback, status
from edgedigits.zoo import zoo_file

pytestmark = pytest.mark.slow  # environments are made


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with device(tmp_path_factory.mktemp("device") / "pi") as made:
        yield made


@pytest.fixture
def pi(running: Device) -> Device:
    """A device on which nothing is deployed; environments of earlier tests may be there."""
    running.forget()
    return running


def good(outcomes: list[Outcome]) -> Outcome:
    (outcome,) = outcomes
    assert outcome.error is None, outcome.error
    return outcome


def model_of(pi: Device) -> str:
    return file_digest(pi.prefix / "models/current/model.tflite")


def test_from_nothing_then_another_model_then_back(pi: Device, bundle: Path) -> None:
    first = good(deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh()))
    assert first.state is not None
    assert first.state["release"]["model_sha256"] == file_digest(zoo_file("mnist-8k"))
    assert model_of(pi) == file_digest(zoo_file("mnist-8k"))
    assert pi.edgedigits("--version").stdout == f"edgedigits {edgedigits.__version__}\n"
    assert pi.works()

    second = good(deploy(["pi"], "mnist-16k", pi.plan(), ssh=pi.ssh()))
    assert second.reused
    assert model_of(pi) == file_digest(zoo_file("mnist-16k"))
    assert pi.works()

    back = good(rollback(["pi"], pi.plan(), ssh=pi.ssh()))
    assert back.state is not None
    assert back.state["release"]["number"] == 1
    assert model_of(pi) == file_digest(zoo_file("mnist-8k"))

    forward = good(rollback(["pi"], pi.plan(), ssh=pi.ssh(), to=2))
    assert forward.state is not None
    assert model_of(pi) == file_digest(zoo_file("mnist-16k"))
    assert good(status(["pi"], pi.plan(), ssh=pi.ssh())).state == forward.state


def test_a_damaged_environment_that_was_removed_is_made_again(pi: Device, bundle: Path) -> None:
    """As doctor advises."""
    good(deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh()))
    environment = (pi.prefix / "current/venv").resolve()
    shutil.rmtree(environment)
    assert not (pi.prefix / "venv/bin/edgedigits").exists()
    again = good(deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh()))
    assert again.reused is False
    assert (pi.prefix / "current/venv").resolve() == environment
    assert pi.works()


def test_a_service_of_another_user_can_read_all_of_it(pi: Device, bundle: Path) -> None:
    good(deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh()))
    for path in [pi.prefix, *pi.prefix.rglob("*")]:
        mode = path.stat().st_mode
        assert mode & (stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)), path
        assert not mode & stat.S_IWOTH, path


def test_a_bundle_with_one_byte_changed_is_refused_on_the_device_too(
    pi: Device, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good(deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh()))
    changed = tmp_path / "changed.bundle"
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    with pytest.raises(Exception, match=r"changed\.bundle: "):
        deploy(["pi"], changed, pi.plan(), ssh=pi.ssh())

    # As if it were changed on its way, after every check on this side.
    from edgedigits.device.bundle.contents import open_bundle
    from edgedigits.remote import deploying

    opened = open_bundle(bundle)
    monkeypatch.setattr(deploying, "_bundle", lambda *_: opened)
    object.__setattr__(opened, "path", changed)
    (outcome,) = deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh())
    assert outcome.error is not None
    assert outcome.error.startswith("pi: the bundle was refused: ")
    assert "\n" not in outcome.error
    assert pi.current == "1"
    assert pi.works()
    assert sorted(path.name for path in (pi.prefix / "releases").iterdir()) == ["1"]
    assert not (pi.prefix / ".incoming").exists()


def test_several_hosts_at_once_each_with_its_own_result(
    pi: Device, bundle: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    with device(tmp_path / "shelf", "shelf") as shelf:
        shelf.program("python3", "#!/bin/sh\nexit 127\n")
        both = tmp_path / "config"
        both.write_text(pi.config.read_text() + shelf.config.read_text())
        code, out, err = run_cli(
            *("deploy", "pi", "shelf", "nowhere.invalid", "-F", both, "--no-service", "--json"),
            *("--prefix", pi.prefix, "--bundle", bundle),
        )
    assert code == 1
    hosts = {host["host"]: host for host in json.loads(out)["hosts"]}
    assert [host["ok"] for host in hosts.values()] == [True, False, False]
    assert hosts["pi"]["release"]["number"] == 1
    assert "has no python3" in hosts["shelf"]["error"]
    assert "no host of this name" in hosts["nowhere.invalid"]["error"]
    errors = err.splitlines()[-2:]
    assert errors[0].startswith("edgedigits: shelf: ")
    assert errors[1].startswith("nowhere.invalid: ")


def test_status_and_rollback_where_nothing_is(pi: Device) -> None:
    outcome = good(status(["pi"], pi.plan(), ssh=pi.ssh()))
    assert outcome.state is not None
    assert outcome.state["release"] is None
    (refused,) = rollback(["pi"], pi.plan(prefix="/nonexistent/x"), ssh=pi.ssh())
    assert refused.error == "pi: nothing is deployed in /nonexistent/x"


def test_what_cannot_be_gone_back_to_and_a_deploy_beside_another(pi: Device, bundle: Path) -> None:
    good(deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh()))
    (outcome,) = rollback(["pi"], pi.plan(), ssh=pi.ssh())
    assert outcome.error == "pi: there is no earlier release to go back to"
    (outcome,) = rollback(["pi"], pi.plan(), ssh=pi.ssh(), to=7)
    assert outcome.error == "pi: there is no release 7; there is 1"
    handle = os.open(pi.prefix, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        (outcome,) = deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh())
    finally:
        os.close(handle)
    assert outcome.error == f"pi: another deploy is at work in {pi.prefix}"
    assert pi.current == "1"


def test_a_folder_in_the_way_is_not_touched(pi: Device, bundle: Path) -> None:
    (pi.prefix / "models").mkdir(parents=True)
    (pi.prefix / "models" / "mine.txt").write_text("mine")
    try:
        (outcome,) = deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh())
        assert outcome.error is not None
        assert "is in the way" in outcome.error
        assert (pi.prefix / "models" / "mine.txt").read_text() == "mine"
    finally:
        (pi.prefix / "models" / "mine.txt").unlink()
        (pi.prefix / "models").rmdir()
