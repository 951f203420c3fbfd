"""Unsure crops brought home from devices: none lost, none twice, never half of one.

A crop's name at home holds the host and a digest of what it is, so that the same crop always gets
the same name: what is there already is not fetched again, and whatever was cut off goes on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.errors import DeviceError, EdgedigitsError, RunError, UsageError
from edgedigits.files import write_bytes, writing
from edgedigits.progress import SILENT, Progress
from edgedigits.remote.judging import OLDEST
from edgedigits.remote.ssh import Connection, Ssh, connect
from edgedigits.remote.there.crops import INDEX, digest

STATE = "/var/lib/edgedigits/unsure"
DIGITS = 12  # of the SHA-256 that stand in a name
KINDS = ("crop", "cut")
_LEFT_OVER = re.compile(r"\.(.+-[0-9a-f]{12}-(crop|cut)-.*\.png|index-.*\.jsonl)")


@dataclass(frozen=True)
class Collected:
    """What was brought from one host.

    Attributes:
        found: crops there. new: of them, those that were not here. removed: taken away there.
        error: one line; None: it went well.
    """

    host: str
    found: int = 0
    new: int = 0
    removed: int = 0
    error: str | None = None


def collect(
    hosts: Sequence[str],
    out: Path,
    *,
    ssh: Ssh,
    folder: str = STATE,
    move: bool = False,
    progress: Progress = SILENT,
) -> list[Collected]:
    """Bring home the crops of hosts, one host after the other.

    Args:
        out: the folder at home; made where it is missing. folder: on the device.
        move: take away there what lies here, whole and checked.

    Raises:
        UsageError: ``out`` is a file, or in use. RunError: it cannot be written.
    """
    if not hosts:
        raise UsageError("name a host, as in 'ssh HOST'")
    if not folder.startswith(("/", "~/")):
        raise UsageError(f"--from {folder}: must be absolute, like {STATE}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file, not a folder")
    results = []
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        home = _Home(out)
        for host in hosts:
            try:
                results.append(_from(host, home, ssh, folder, move, progress))
            except RunError:
                raise
            except EdgedigitsError as error:
                text = str(error)
                text = text if text.startswith(f"{host}: ") else f"{host}: {text}"
                results.append(Collected(host, error=text))
    return results


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    handle = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"--out {out}: another program keeps crops there") from None
        yield
    finally:
        os.close(handle)


class _Home:
    """The folder at home: pictures first, then the index's line, each whole or not at all."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._changed = False
        self._lines: dict[str, str] = {}  # by the crop's name
        for entry in out.iterdir():
            if _LEFT_OVER.fullmatch(entry.name):  # of a run that was killed
                entry.unlink()
        index = out / INDEX
        if index.is_file():
            for line in index.read_text(encoding="utf-8", errors="replace").split("\n"):
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    self._lines[str(json.loads(line)["crop"])] = line

    def holds(self, host: str, entry: dict[str, Any]) -> bool:
        """Whether a crop's pictures are here, whole, as the disk has them."""
        try:
            pictures = [(self.out / name).read_bytes() for name in _names(host, entry)]
        except OSError:
            return False
        same: bool = digest(entry["line"], pictures) == entry["sha256"]
        if same:
            self._note(host, entry)
        return same

    def take(self, host: str, entry: dict[str, Any], pictures: list[bytes]) -> None:
        """Write one crop's pictures; its line is written by :meth:`finish`."""
        names = _names(host, entry)
        for name, picture in zip(names, pictures, strict=True):
            write_bytes(self.out / name, picture)
        self._note(host, entry)

    def _note(self, host: str, entry: dict[str, Any]) -> None:
        own = dict(zip(KINDS, _names(host, entry), strict=False))
        if own["crop"] not in self._lines:
            facts = {**json.loads(entry["line"]), **own, "host": host}
            self._lines[own["crop"]] = json.dumps(
                {**facts, "collected": entry["sha256"]}, ensure_ascii=False
            )
            self._changed = True

    def finish(self) -> None:
        """Write the index, where it has more to say than the one on the disk."""
        if self._changed:
            text = "".join(f"{line}\n" for line in self._lines.values())
            write_bytes(self.out / INDEX, text.encode())
            self._changed = False


def _names(host: str, entry: dict[str, Any]) -> list[str]:
    """Names at home of an item's pictures."""
    stem = f"{re.sub(r'[^A-Za-z0-9.-]', '-', host)}-{entry['sha256'][:DIGITS]}"
    return [f"{stem}-{kind}.png" for kind, _ in zip(KINDS, entry["pictures"], strict=False)]


def _from(
    host: str, home: _Home, ssh: Ssh, folder: str, move: bool, progress: Progress
) -> Collected:
    with _connected(ssh, host, folder) as connection:
        items: list[dict[str, Any]] = connection.read()["items"]
        new = [entry for entry in items if not home.holds(host, entry)]
        connection.write({"want": new})
        by_digest = {entry["sha256"]: entry for entry in new}
        taken = 0
        try:
            while "sent" not in (message := connection.read()):
                entry = by_digest[message["item"]]
                pictures = [connection.read_bytes(size) for size in message["sizes"]]
                if digest(entry["line"], pictures) != entry["sha256"]:
                    raise DeviceError(f"{host}: a crop arrived damaged; run the command again")
                home.take(host, entry, pictures)
                taken += 1
                progress.update(f"crops of {host}", taken, len(new))
        finally:
            home.finish()
        safe = [entry for entry in items if home.holds(host, entry)] if move else []
        connection.write({"remove": safe})
        removed = int(connection.read()["done"]["removed"])
    return Collected(host, len(items), taken, removed)


@contextlib.contextmanager
def _connected(ssh: Ssh, host: str, folder: str) -> Iterator[Connection]:
    """A conversation with who may read the folder: the user, else root."""
    with connect(ssh, host, "checking", folder, "/") as connection:
        facts = connection.read()["facts"]
    if tuple(facts["python"][:2]) < OLDEST:
        raise DeviceError(f"{host}: its Python is too old, 3.10 or newer is needed")
    root = not (facts["root"] or facts["writable"]) and bool(facts["sudo"])
    with connect(ssh, host, "work", root=root) as connection:
        connection.write({"do": "collect", "prefix": "/", "folder": folder})
        yield connection
