"""Connections cut and programs killed at any moment: a working release is in place afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers_sshd import Device, device

from edgedigits.remote.deploying import deploy
from edgedigits.remote.many import Outcome
from edgedigits.remote.rolling import rollback, status
from edgedigits.remote.ssh import hang_up

pytestmark = pytest.mark.slow

MOMENTS = 3


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Device]:
    with device(tmp_path_factory.mktemp("device") / "pi") as made:
        (outcome,) = deploy(["pi"], bundle, made.plan(), ssh=made.ssh())
        assert outcome.error is None, outcome.error
        yield made


class AtStep:
    """A progress that does something when a line comes."""

    def __init__(self, step: str, act: Callable[[], None]) -> None:
        self.step, self.act, self.done = step, act, False

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        pass

    def say(self, line: str) -> None:
        if self.step in line and not self.done:
            self.done = True
            self.act()


def left(pi: Device) -> list[str]:
    """What an unfinished deploy leaves, until the next one."""
    places = (pi.prefix, pi.prefix / "releases", pi.prefix / "venvs")
    return [p.name for place in places for p in place.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("cut", ["connection", "power"])
def test_cut_while_it_is_verified_leaves_the_old_one(pi: Device, cut: str) -> None:
    before = pi.current
    act = hang_up if cut == "connection" else pi.cut_power
    progress = AtStep("verifying", act)
    (outcome,) = deploy(["pi"], "mnist-16k", pi.plan(), ssh=pi.ssh(), progress=progress)
    assert progress.done
    assert outcome.error is not None
    assert outcome.error.startswith("pi: the connection was cut")
    pi.wait_until_idle()
    assert pi.current == before
    assert pi.works()
    if cut == "connection":
        assert left(pi) == []  # the device noticed, and cleared up by itself


def test_cut_while_the_environment_is_made_leaves_the_old_one(pi: Device, bundle: Path) -> None:
    before = pi.current
    venvs = sorted(path.name for path in (pi.prefix / "venvs").iterdir())
    progress = AtStep("installing", hang_up)
    options = pi.plan(wheel=_other_wheel(pi.folder))
    (outcome,) = deploy(["pi"], bundle, options, ssh=pi.ssh(), progress=progress)
    assert progress.done
    assert outcome.error is not None
    pi.wait_until_idle()
    assert pi.current == before
    assert sorted(path.name for path in (pi.prefix / "venvs").iterdir()) == venvs
    assert left(pi) == []


def _other_wheel(folder: Path) -> Path:
    """A wheel of the same edgedigits with other bytes, so that it gets its own environment."""
    import zipfile

    from edgedigits.remote.wheels import own_wheel

    wheel = own_wheel(folder)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("edgedigits/note.txt", "other")
    return wheel


def test_cut_after_the_switch_began_ends_with_the_new_one(pi: Device) -> None:
    progress = AtStep("switching", hang_up)
    (outcome,) = deploy(["pi"], "mnist-16k", pi.plan(), ssh=pi.ssh(), progress=progress)
    assert progress.done
    pi.wait_until_idle()
    (seen,) = status(["pi"], pi.plan(), ssh=pi.ssh())
    assert seen.state is not None
    assert seen.state["release"]["model"] == "mnist-16k"
    assert seen.state["release"]["proven"]
    assert pi.works()
    assert outcome.state is None or outcome.state == seen.state


def test_the_workstation_killed_without_a_word_is_not_waited_for(pi: Device) -> None:
    """It neither answers nor hangs up, as when a cable is pulled: nothing is switched."""
    from edgedigits.remote import many
    from edgedigits.remote.there import talking

    assert talking.ANSWER_SECONDS > 10
    before = pi.current

    def silent(connection: object, say: object) -> dict[str, object]:
        message = connection.read()  # type: ignore[attr-defined]
        while "ask" not in message:
            message = connection.read()  # type: ignore[attr-defined]
        time.sleep(0.5)
        assert pi.current == before
        pi.cut_power()
        return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgedigits.remote.deploying.follow", silent)
        deploy(["pi"], "mnist-8k", pi.plan(), ssh=pi.ssh())
    assert many.follow is not silent
    pi.wait_until_idle()
    assert pi.current == before
    assert pi.works()


def test_killed_at_random_moments_of_deploy_and_rollback(pi: Device, bundle: Path) -> None:
    def bring() -> list[Outcome]:
        return deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh())

    def back() -> list[Outcome]:
        return rollback(["pi"], pi.plan(), ssh=pi.ssh())

    rng = random.Random(7)
    for job in (bring, back):
        began = time.monotonic()
        assert [outcome.error for outcome in job()] == [None]
        whole = time.monotonic() - began
        for _ in range(MOMENTS):
            timer = threading.Timer(rng.uniform(0.1, whole), pi.cut_power)
            timer.start()
            job()
            timer.join()
            pi.wait_until_idle()
            assert pi.works()
            assert pi.current is not None
    (outcome,) = bring()
    assert outcome.error is None
    assert left(pi) == []
