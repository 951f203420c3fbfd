"""A real sshd on loopback with keys and a folder of its own, as the device of a test."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers_postgres import free_port
from helpers_programs import need

from edgedigits.remote.plan import Plan, Wish
from edgedigits.remote.ssh import Ssh

SECONDS_TO_START = 20
SECONDS_TO_END = 90
SITE = next(path for path in map(Path, sys.path) if (path / "numpy").is_dir())

PLAIN = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}

# The device's Python: has the test's packages, as one that apt filled has its own.
PYTHON = f"""\
#!/bin/sh
{sys.executable} "$@" || exit
case " $* " in
*" -m venv "*)
    for last; do :; done
    echo {SITE} >"$(echo "$last"/lib/python3.*/site-packages)/apt.pth" ;;
esac
"""


@dataclass
class Device:
    """A host that ``ssh`` reaches by ``config`` alone.

    Attributes:
        name: of the host. folder: all that the test made of it. config: for ``ssh -F``.
        programs: a folder in front of the device's PATH. port: of its sshd.
    """

    name: str
    folder: Path
    config: Path
    programs: Path
    port: int
    server: subprocess.Popen[bytes]

    @property
    def prefix(self) -> Path:
        """Where the tests deploy to."""
        return self.folder / "opt"

    @property
    def known_hosts(self) -> Path:
        """The host keys that the workstation knows."""
        return self.folder / "known_hosts"

    def program(self, name: str, text: str) -> Path:
        """Put a program in front of the device's PATH."""
        path = self.programs / name
        path.write_text(textwrap.dedent(text))
        path.chmod(0o755)
        return path

    def ssh(self, *options: str) -> Ssh:
        """How the library reaches it."""
        return Ssh(self.config, options)

    def plan(self, **fields: Any) -> Plan:
        """A deploy without a service, of what the test runs."""
        fields = {"wish": Wish(service=False), "prefix": str(self.prefix), **fields}
        return Plan(units=str(self.units), **fields)

    @property
    def units(self) -> Path:
        """The folder of unit files."""
        return self.folder / "units"

    @property
    def current(self) -> str | None:
        """The number of the release in place; None: none."""
        link = self.prefix / "current"
        return link.readlink().name if link.is_symlink() else None

    def edgedigits(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run what is deployed, as the service would."""
        command = [str(self.prefix / "venv/bin/edgedigits"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=PLAIN)

    def works(self) -> bool:
        """Whether the model in place is read by the environment in place."""
        model = self.prefix / "models/current/model.tflite"
        result = self.edgedigits("bench", model, "--rounds", 1, "--json")
        return result.returncode == 0 and '"latency_us_p50"' in result.stdout

    def processes(self) -> list[int]:
        """All that runs on the device for those who logged in, orphans too."""
        mine = f"HOME={self.folder}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if mine in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found

    def cut_power(self) -> None:
        """All of it is gone at once, and so is every connection."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait_until_idle(self) -> None:
        """Wait until nothing runs on the device any more."""
        until = time.monotonic() + SECONDS_TO_END
        while self.processes():
            assert time.monotonic() < until
            time.sleep(0.05)

    def forget(self) -> None:
        """Nothing is deployed any more, but environments stay, which take long to make."""
        for name in ("current", "venv", "models", "service.json"):
            (self.prefix / name).unlink(missing_ok=True)
        shutil.rmtree(self.prefix / "releases", ignore_errors=True)

    def use_systemd(self) -> None:
        """From now on the device has a systemd: a fake one that really runs units."""
        self.units.mkdir()
        for name in ("systemctl", "journalctl"):
            self.program(
                name,
                f"""\
                #!/bin/sh
                export FAKE_SYSTEMD={self.folder}/systemd FAKE_UNITS={self.units}
                exec {sys.executable} {self.folder}/fake/{name} "$@"
                """,
            )
            fake = self.folder / "fake" / name
            fake.parent.mkdir(exist_ok=True)
            shutil.copy(Path(__file__).parent / "fake_systemctl.py", fake)

    def systemctl(self, *words: str) -> str:
        """What the fake systemctl prints."""
        return subprocess.check_output([self.programs / "systemctl", *words], text=True)

    def options(self, *more: str) -> list[str]:
        """What every command against it needs."""
        return ["-F", str(self.config), "--prefix", str(self.prefix), *more]


def _key(path: Path) -> Path:
    command = [need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


@contextlib.contextmanager
def device(
    folder: Path, name: str = "pi", *, environment: dict[str, str] | None = None
) -> Iterator[Device]:
    """A running sshd; it is stopped at the end.

    Args:
        folder: an empty folder of the test's own. environment: of what is run there.
    """
    sshd = need("sshd", "ssh", "ssh-keygen")
    folder.mkdir(parents=True, exist_ok=True)
    programs = folder / "bin"
    programs.mkdir()
    host_key, user_key = _key(folder / "host_key"), _key(folder / "user_key")
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    port = free_port()
    here = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PIP_NO_DEPS": "1",  # the packages are there, see PYTHON
        "HOME": str(folder),
    }
    settings = " ".join(f'"{key}={value}"' for key, value in here.items())
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nPidFile none\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        f"MaxStartups 100\nSetEnv {settings}\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it shuts its unprivileged part in
    log = (folder / "sshd.log").open("wb")
    server = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    config = folder / "ssh_config"
    config.write_text(
        f"Host {name}\n HostName 127.0.0.1\n HostKeyAlias {name}\n Port {port}\n"
        f" User {getpass.getuser()}\n IdentityFile {user_key}\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {folder}/known_hosts\n GlobalKnownHostsFile /dev/null\n"
    )
    made = Device(name, folder, config, programs, port, server)
    made.known_hosts.write_text(f"{name} {(folder / 'host_key.pub').read_text()}")
    made.program("python3", PYTHON)
    try:
        _wait_for(made)
        yield made
    finally:
        if (made.units / "edgedigits.service").exists():
            made.systemctl("stop", "edgedigits.service")
        server.terminate()
        server.wait(10)
        log.close()


def _wait_for(made: Device) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", made.port), 1):
            return
        assert made.server.poll() is None, (made.folder / "sshd.log").read_text()
        assert time.monotonic() < until, "sshd did not start"
        time.sleep(0.05)
