"""Hosts and devices that cannot take a deploy: one clear line each, and nothing changed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import RunCli
from helpers_bundle import parts_of, with_manifest, zipped
from helpers_postgres import free_port
from helpers_programs import lacking
from helpers_sshd import PYTHON, Device, device

from edgedigits.errors import BundleError, UsageError
from edgedigits.remote import judging
from edgedigits.remote.deploying import deploy
from edgedigits.remote.judging import look, needs_root, problems
from edgedigits.remote.packages import _fits
from edgedigits.remote.plan import Plan, Wish, check_paths
from edgedigits.remote.rolling import status
from edgedigits.remote.ssh import Ssh


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with device(tmp_path_factory.mktemp("device") / "pi") as made:
        yield made


@pytest.fixture
def pi(running: Device) -> Iterator[Device]:
    keys = (running.folder / "authorized_keys").read_text()
    config = running.config.read_text()
    known = running.known_hosts.read_text()
    yield running
    (running.folder / "authorized_keys").write_text(keys)
    running.config.write_text(config)
    running.known_hosts.write_text(known)
    for program in running.programs.iterdir():
        program.unlink()
    running.program("python3", PYTHON)


def refusal(pi: Device, bundle: Path, host: str = "pi", *options: str, **fields: object) -> str:
    """The one line of a deploy that must fail; nothing may be there afterwards."""
    (outcome,) = deploy([host], bundle, pi.plan(**fields), ssh=pi.ssh(*options))
    assert outcome.error is not None
    assert outcome.error.startswith(f"{host}: ")
    assert "\n" not in outcome.error
    assert not pi.prefix.exists()
    return outcome.error


def test_a_host_that_is_not_there(pi: Device, bundle: Path) -> None:
    assert "no host of this name" in refusal(pi, bundle, "nowhere.invalid")


def test_nobody_answers(pi: Device, bundle: Path) -> None:
    assert "nobody answers there" in refusal(pi, bundle, "pi", f"Port={free_port()}")


def test_a_refused_key(pi: Device, bundle: Path) -> None:
    (pi.folder / "authorized_keys").write_text("")
    line = refusal(pi, bundle)
    assert "does not let you in (publickey" in line
    assert "ssh-copy-id pi" in line


def test_an_unknown_host_key_is_not_accepted(pi: Device, bundle: Path) -> None:
    pi.known_hosts.write_text("")
    assert "host key is not known yet" in refusal(pi, bundle)
    assert pi.known_hosts.read_text() == ""


def test_a_changed_host_key_is_not_accepted(pi: Device, bundle: Path) -> None:
    pi.known_hosts.write_text(f"pi {(pi.folder / 'user_key.pub').read_text()}")
    line = refusal(pi, bundle)
    assert "host key is not the one that is known" in line


def test_the_command_that_forgets_a_changed_host_key_does(pi: Device, bundle: Path) -> None:
    name = f"[127.0.0.1]:{pi.port}"
    pi.known_hosts.write_text(f"{name} {(pi.folder / 'user_key.pub').read_text()}")
    line = refusal(pi, bundle, "pi", f"HostKeyAlias={name}")
    _, _, command = line.partition(" once after: ")
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    assert "host key is not known yet" in refusal(pi, bundle, "pi", f"HostKeyAlias={name}")


def test_no_configuration_makes_it_accept_a_key(pi: Device, bundle: Path) -> None:
    pi.known_hosts.write_text("")
    pi.config.write_text(pi.config.read_text() + " StrictHostKeyChecking no\n")
    line = refusal(pi, bundle, "pi", "StrictHostKeyChecking=no")
    assert "host key is not known yet" in line
    assert pi.known_hosts.read_text() == ""


def test_an_option_that_ssh_does_not_know(pi: Device, bundle: Path) -> None:
    assert "ssh does not know an option" in refusal(pi, bundle, "pi", "Nonsense=1")


@pytest.mark.parametrize("host", ["", "-oProxyCommand=touch x", "a b", "a\nb"])
def test_what_is_no_host_is_not_given_to_ssh(pi: Device, host: str) -> None:
    (outcome,) = status([host], pi.plan(), ssh=pi.ssh())
    assert outcome.error is not None
    assert "is no name of a host" in outcome.error


def test_a_host_named_twice_and_no_host(pi: Device) -> None:
    with pytest.raises(UsageError, match="pi is named twice"):
        status(["pi", "pi"], pi.plan(), ssh=pi.ssh())
    with pytest.raises(UsageError, match="name a host"):
        status([], pi.plan(), ssh=pi.ssh())


def test_no_python(pi: Device, bundle: Path) -> None:
    pi.program("python3", "#!/bin/sh\necho 'sh: 1: exec: python3: not found' >&2\nexit 127\n")
    assert "has no python3" in refusal(pi, bundle)
    config = Ssh(pi.config, (), "python3.99")
    (outcome,) = deploy(["pi"], bundle, pi.plan(), ssh=config)
    assert outcome.error is not None
    assert "--python" in outcome.error


def pretending(pi: Device, lines: str) -> None:
    """The device's Python tells of another machine."""
    (pi.folder / "pretend.py").write_text(lines)
    pi.program(
        "python3",
        f"""\
        #!{sys.executable}
        import os, platform, shutil, struct, subprocess, sys, time
        exec(open({str(pi.folder / "pretend.py")!r}).read())
        code = sys.argv[sys.argv.index("-c") + 1]
        sys.argv[:] = ["-c", *sys.argv[sys.argv.index("-c") + 2:]]
        exec(code)
        """,
    )


OLD = "class V(tuple): major, minor, micro = 3, 9, 2\nsys.version_info = V((3, 9, 2, 'final', 0))"
NEW = OLD.replace("3, 9, 2", "3, 99, 0")
SMALL = "struct.calcsize = lambda kind: 4\nplatform.machine = lambda: 'armv7l'"
FULL = "shutil.disk_usage = lambda path: type('U', (), {'free': 5 << 20})"
LATE = "true = time.time\ntime.time = lambda: true() - 86400 * 365 * 3"
MAC = "platform.system = lambda: 'Darwin'"


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (OLD, "its Python is 3.9.2, 3.10 or newer is needed"),
        (NEW, "its Python is 3.99.0, which is too new"),
        (SMALL, "32 bits (armv7l)"),
        (FULL, "has 5 MB free, 64 MB are needed"),
        (LATE, "its clock is 3 years slow"),
        (MAC, "it runs Darwin, Linux is needed"),
    ],
)
def test_a_device_that_does_not_fit(pi: Device, bundle: Path, lines: str, named: str) -> None:
    pretending(pi, lines)
    assert named in refusal(pi, bundle)


def test_everything_that_is_wrong_is_said_at_once(pi: Device, bundle: Path) -> None:
    pretending(pi, "\n".join((OLD, SMALL, FULL)))
    line = refusal(pi, bundle)
    for named in ("3.9.2", "armv7l", "5 MB free"):
        assert named in line


def test_a_clock_that_is_off_can_be_taken(pi: Device) -> None:
    pretending(pi, LATE)
    facts = look(pi.ssh(), "pi", str(pi.prefix), str(pi.units))
    assert facts["clock_off"] == pytest.approx(-86400 * 365 * 3, abs=60)
    assert problems(facts, service=False) != []
    assert problems(facts, service=False, any_clock=True) == []


def test_no_systemd(pi: Device, bundle: Path) -> None:
    pi.program("systemctl", "#!/bin/sh\necho offline\nexit 1\n")
    line = refusal(pi, bundle, wish=Wish(service=True))
    assert "no systemd runs there; with --no-service" in line


@pytest.mark.slow
def test_a_disk_that_is_full_while_files_are_sent(pi: Device, bundle: Path, tmp_path: Path) -> None:
    """A file system of 3 MB; the check of free space is passed by a lie."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", disk], capture_output=True, check=False
    )
    if mount.returncode:
        lacking("this user may not mount a file system")
    try:
        whole = pi.plan(prefix=str(disk / "opt"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(judging, "NEW_BYTES", 0)
            patch.setattr(judging, "UPDATE_BYTES", 0)
            (outcome,) = deploy(["pi"], bundle, whole, ssh=pi.ssh())
        assert outcome.error is not None
        assert "disk is full" in outcome.error or "No space left" in outcome.error
        assert "\n" not in outcome.error
        left = [path for path in (disk / "opt").rglob("*") if path.is_file()]
        assert left == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_bundle_that_is_damaged_or_of_another_version_goes_nowhere(
    pi: Device, bundle: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.bundle"
    data = bytearray(bundle.read_bytes())
    data[-2000] ^= 4
    damaged.write_bytes(data)
    newer = tmp_path / "newer.bundle"
    newer.write_bytes(
        zipped(with_manifest(parts_of(bundle), lambda document: document.update(schema_version=9)))
    )
    for path, named in ((damaged, "damaged"), (newer, "another version of edgedigits")):
        with pytest.raises(BundleError, match=named):
            deploy(["pi"], path, pi.plan(), ssh=pi.ssh())
    assert not pi.prefix.exists()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prefix": "relative"}, "--prefix relative"),
        ({"wheel": Path("no.whl")}, "--wheel no.whl"),
        ({"wheels": Path("nowhere")}, "--wheels nowhere"),
        ({"key": Path("no.pub")}, "--key no.pub"),
    ],
)
def test_options_that_do_not_fit(
    pi: Device, bundle: Path, fields: dict[str, object], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        deploy(["pi"], bundle, pi.plan(**fields), ssh=pi.ssh())


def test_a_login_that_prints_does_no_harm(pi: Device) -> None:
    pi.program("python3", f"#!/bin/sh\necho 'Welcome to the shelf'\nexec {sys.executable} \"$@\"\n")
    (outcome,) = status(["pi"], pi.plan(), ssh=pi.ssh())
    assert outcome.error is None


FACTS = {
    "python": [3, 11, 2], "system": "Linux", "bits": 64, "machine": "aarch64", "venv": True,
    "free_bytes": 8 << 30, "place": "/opt", "prefix": "/opt/edgedigits", "systemd": 252,
    "user": "pi", "root": False, "writable": False, "units_writable": False, "sudo": True,
    "clock_off": 0.4,
}  # fmt: skip


def test_root_is_needed_for_a_service_or_a_folder_of_roots() -> None:
    assert needs_root(FACTS, service=True)
    assert needs_root(FACTS, service=False)
    assert not needs_root({**FACTS, "writable": True}, service=False)
    assert not needs_root({**FACTS, "root": True}, service=True)
    runs = {**FACTS, "writable": True, "told": {"service": True}}
    assert needs_root(runs, service=False)
    (line,) = problems({**runs, "sudo": False}, service=False)
    assert "pi may not end the service: allow it sudo" in line
    assert problems(FACTS, service=True) == []
    (line,) = problems({**FACTS, "sudo": False}, service=True)
    assert "pi may not install a service: allow it sudo without a password" in line
    (line,) = problems({**FACTS, "sudo": False}, service=False)
    assert "pi may not write /opt/edgedigits" in line
    assert problems({**FACTS, "sudo": False, "writable": True}, service=False) == []


def test_an_environment_needs_more_room_than_an_update() -> None:
    little = {**FACTS, "free_bytes": 100 << 20}
    assert problems(little, service=True, new=False) == []
    assert "450 MB are needed" in problems(little, service=True, new=True)[0]


NOBODY = "os.geteuid = lambda: 65534\nos.access = lambda path, mode: False"


def test_a_user_without_sudo(pi: Device, bundle: Path) -> None:
    pretending(pi, NOBODY)
    pi.program("sudo", "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    line = refusal(pi, bundle)
    assert f"nobody may not write {pi.prefix}: allow it sudo without a password" in line
    (pi.programs / "sudo").unlink()
    assert "allow it sudo" in refusal(pi, bundle)


def test_a_user_with_sudo_works_by_way_of_it(pi: Device, bundle: Path) -> None:
    pretending(pi, NOBODY)
    asked = pi.folder / "sudo.txt"
    pi.program("sudo", f'#!/bin/sh\necho "$1 $2 $3" >>{asked}\n[ "$2" = true ] || exit 3\n')
    line = refusal(pi, bundle)
    assert "the program there ended (exit code 3)" in line
    assert asked.read_text().splitlines() == ["-n true ", "-n -- python3"]


def test_a_rollback_needs_no_room() -> None:
    short = {**FACTS, "free_bytes": 1 << 20, "venv": False, "python": [3, 15, 0]}
    assert len(problems(short, service=True)) == 3
    assert problems(short, service=True, back=True) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"units": "units"}, "--unit-folder units: must be absolute"),
        ({"settle": float("nan")}, "--settle nan: must be a number of seconds"),
        ({"settle": -1.0}, "--settle -1.0: must be"),
    ],
)
def test_a_plan_that_makes_no_sense(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=re.escape(expected)):
        check_paths(Plan(**changes))


def test_a_file_that_is_no_wheel(tmp_path: Path) -> None:
    for name in ("edgedigits.whl", "other-1-py3-none-any.whl", "edgedigits-1-py3-none-any.whl"):
        wheel = tmp_path / name
        wheel.write_bytes(b"no zip")
        with pytest.raises(UsageError, match="is no wheel of edgedigits"):
            check_paths(Plan(wheel=wheel))


def test_names_that_are_no_wheels_are_passed_over() -> None:
    assert not _fits("foo.whl", FACTS)


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--ssh-config .*none: not found"):
        Ssh(tmp_path / "none").command("pi", "true")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--status", "--bundle", "mnist-8k"), "--bundle: has no effect with --status"),
        (("--status", "--settle", "1"), "--settle: has no effect with --status"),
        (("--rollback", "--no-service"), "--service/--no-service: has no effect with --rollback"),
        (("--rollback", "--offline"), "--offline: has no effect with --rollback"),
    ],
)
def test_options_that_would_be_passed_over(
    words: tuple[str, ...], option: str, run_cli: RunCli
) -> None:
    code, out, err = run_cli("deploy", "nowhere.invalid", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"edgedigits: {option}; leave it out")
