"""A PostgreSQL server of Debian's package, on a folder and a port of its own, for a test."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PASSWORD = "s3cret-of-the-test"
SECONDS_TO_START = 60


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: on the PATH, or where Debian puts them."""
    folders = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    needed = ("initdb", "postgres", "pg_isready")
    return next((f for f in folders if all((f / name).exists() for name in needed)), None)


def _as_other(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: what goes before its commands, and who owns its folder."""
    if os.getuid() != 0:
        return []
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return [
        "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"
    ]  # fmt: skip


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A running server; gives the address of its database. It is stopped and removed at the end."""
    bin_folder = programs()
    assert bin_folder is not None, "PostgreSQL is not installed"
    folder = Path(tempfile.mkdtemp(prefix="edgedigits-postgres-"))
    try:
        other = _as_other(folder)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        data, port = folder / "data", free_port()
        subprocess.run(
            [*other, bin_folder / "initdb", "-D", data, "-U", "worker", "-A", "scram-sha-256",
             "--pwfile", folder / "password", "--no-sync", "--locale=C", "-E", "UTF8"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*other, bin_folder / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port),
                 "-k", folder, "-F"],
                stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        try:
            _wait_for(bin_folder, port, server, folder / "log")
            yield f"postgresql+psycopg://worker:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # ends its connections
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(bin_folder: Path, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    ready = [str(bin_folder / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False).returncode != 0:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < until, "the server did not start"
        time.sleep(0.1)
