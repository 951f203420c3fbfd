"""The one file that runs ``ssh``: the system's own, with the user's configuration.

Host keys are never accepted silently, and nothing is ever asked: what ssh would ask becomes an
error that says what to do by hand.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

from edgedigits.errors import DeviceError, UsageError
from edgedigits.files import file_digest
from edgedigits.remote.there.talking import BLOCK, MARK

THERE = "edgedigits.remote.there"
MODULES = (
    "talking",
    "tree",
    "environment",
    "service",
    "measuring",
    "crops",
    "work",
)  # in the order in which they import each other
NO_ANSWER = 255  # ssh's own exit code
NOT_FOUND = 127  # the shell's
ALWAYS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "LogLevel=ERROR",
    "RequestTTY=no",
    "RemoteCommand=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
)
CONNECT = "ConnectTimeout=15"  # after the user's own options, so that they may name another

# Reads modules from standard input's first line and runs one of them.
BOOT = (
    "import sys,json,types\n"
    "p=json.loads(sys.stdin.buffer.readline().decode())\n"
    "for n,t in p['modules']:\n"
    " m=types.ModuleType(n);sys.modules[n]=m;exec(compile(t,n,'exec'),m.__dict__)\n"
    "sys.modules[p['main']].main()\n"
)


@dataclass(frozen=True)
class Ssh:
    """How hosts are reached.

    Attributes:
        config: another configuration file than the user's, as ``ssh -F`` takes it.
        options: ``ssh -o`` each, for example ``Port=2222``.
        python: the device's Python.
    """

    config: Path | None = None
    options: Sequence[str] = ()
    python: str = "python3"

    def command(self, host: str, remote: str) -> list[str]:
        """The words of an ssh command. Raises UsageError for what is no host."""
        if not host or host.startswith("-") or not host.isprintable() or " " in host:
            raise UsageError(f"{host!r}: is no name of a host; name one as in 'ssh HOST'")
        program = shutil.which("ssh")
        if program is None:
            raise UsageError("there is no program 'ssh' here; install openssh-client")
        if self.config not in (None, Path("none")) and not self.config.exists():
            raise UsageError(f"--ssh-config {self.config}: not found")
        own = [] if self.config is None else ["-F", str(self.config)]
        told = [word for o in (*ALWAYS, *self.options, CONNECT) for word in ("-o", o)]
        return [program, "-T", *own, *told, "--", host, remote]


_running: set[subprocess.Popen[bytes]] = set()


def hang_up() -> None:
    """End every connection, as when the user interrupts; the devices run what they ran."""
    for child in list(_running):
        child.terminate()


class Connection:
    """A conversation with a program of ours on a device."""

    def __init__(self, host: str, child: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self.host = host
        self._child = child
        self._errors = errors

    def write(self, message: dict[str, Any]) -> None:
        """Send one line. Raises DeviceError."""
        self.send(json.dumps(message).encode() + b"\n")

    def send(self, data: bytes) -> None:
        """Send bytes. Raises DeviceError."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(data)
            self._child.stdin.flush()
        except OSError:
            raise self.lost() from None

    def send_files(self, named: dict[str, Path]) -> None:
        """Send files' bytes, in this order."""
        for path in named.values():
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    self.send(block)

    def read(self) -> dict[str, Any]:
        """The next line of ours. Raises DeviceError, also for an error that the device tells of."""
        assert self._child.stdout is not None
        while line := self._child.stdout.readline():
            if not line.startswith(MARK.encode()) or not line.endswith(b"\n"):
                continue  # a login script that prints
            message = json.loads(line[len(MARK) :])
            if "error" in message:
                raise DeviceError(f"{self.host}: {message['error']}")
            assert isinstance(message, dict)
            return message
        raise self.lost()

    def read_bytes(self, size: int) -> bytes:
        """So many bytes. Raises DeviceError where fewer come."""
        assert self._child.stdout is not None
        data = self._child.stdout.read(size)
        if len(data) != size:
            raise self.lost()
        return data

    def lost(self) -> DeviceError:
        """Why nothing more comes, in one line."""
        with contextlib.suppress(OSError):
            assert self._child.stdin is not None
            self._child.stdin.close()
        code = self._child.wait()
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", "replace")
        return DeviceError(f"{self.host}: {_why(self.host, code, text)}")


def file_list(named: dict[str, Path]) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of files that are to be sent under these names."""
    return [
        {"name": name, "bytes": path.stat().st_size, "sha256": file_digest(path)}
        for name, path in named.items()
    ]


@contextlib.contextmanager
def connect(
    ssh: Ssh, host: str, main: str, *arguments: str, root: bool = False
) -> Iterator[Connection]:
    """Run one of our modules on the device.

    Args:
        main: ``checking`` alone, or ``work`` with all that it needs.
        arguments: of the program. root: by way of ``sudo -n``.

    Raises:
        UsageError: the host is no name. DeviceError: from the conversation.
    """
    names = MODULES if main == "work" else (main,)
    modules = [[f"{THERE}.{name}", _source(name)] for name in names]
    words = ["sudo", "-n", "--"] if root else []
    words += [ssh.python, "-I", "-c", BOOT, *arguments]
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            ssh.command(host, "exec " + shlex.join(words)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        _running.add(child)
        try:
            connection = Connection(host, child, errors)
            connection.write({"modules": modules, "main": f"{THERE}.{main}"})
            yield connection
        finally:
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            _running.discard(child)


def _source(name: str) -> str:
    return (files(THERE) / f"{name}.py").read_text(encoding="utf-8")


def _why(host: str, code: int, text: str) -> str:
    """What ssh's or the shell's last words mean for the user."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if code == NOT_FOUND:
        return f"it has no python3 ({last or 'command not found'}); name its Python with --python"
    if code >= 0 and code != NO_ANSWER:  # below: ssh itself was killed
        return f"the program there ended ({last or f'exit code {code}'})"
    for sign, meaning in (
        ("Could not resolve hostname", "there is no host of this name"),
        ("Connection refused", "nobody answers there; is ssh switched on, and the port right?"),
        ("IDENTIFICATION HAS CHANGED", "its host key is not the one that is known; if you know "
            f"why, run 'ssh {host}' once after: {_forget(host, text)}"),
        ("host key is known", f"its host key is not known yet; run 'ssh {host}' once and compare "
            "the fingerprint with the device's own"),
        ("Host key verification failed", f"its host key cannot be trusted; run 'ssh {host}' once"),
        ("Permission denied", f"it does not let you in ({_methods(text)}); put your key there "
            f"with 'ssh-copy-id {host}'"),
        ("Too many authentication failures", "it does not let you in: too many keys were offered; "
            "name one with --ssh-option IdentityFile=FILE"),
        ("timed out", "it does not answer; is it on, and in this network?"),
        ("No route to host", "there is no way to it; is it on, and in this network?"),
        ("Network is unreachable", "there is no way to it; is this machine in its network?"),
        ("Bad owner or permissions", "ssh does not like its configuration file: " + last),
        ("onfiguration option", "ssh does not know an option: " + last),
    ):  # fmt: skip
        if sign in text:
            return meaning
    return f"the connection was cut ({last})" if last else "the connection was cut"


def _forget(host: str, text: str) -> str:
    """The command that forgets the key that ssh names, by its file and by the name in there."""
    name = re.search(r"^Host key for (.+) has changed", text, re.MULTILINE)
    file = re.search(r"^Offending .* key in (.+):\d+\s*$", text, re.MULTILINE)
    words = ["ssh-keygen", *(["-f", file[1]] if file else [])]
    return shlex.join([*words, "-R", name[1] if name else host.rpartition("@")[2]])


def _methods(text: str) -> str:
    start = text.rfind("Permission denied (")
    return text[start:].partition("(")[2].partition(")")[0] if start >= 0 else "permission denied"
