"""The folder that holds edgedigits on a device, and the one rename that replaces what runs.

::

    PREFIX/
      releases/7/           one a deploy, never changed once it has its name
        venv → ../../venvs/0.1.0-3f9a…
        models/             as edgedigits.device.bundle.placing writes it
        service.json        what deploy was told
        edgedigits.service  the unit
        release.json        facts of the release; "proven" beside it once it was seen to run
      current → releases/7  replaced by a rename: environment, model and unit at once
      venvs/0.1.0-3f9a…/    environments; "ready.json" is written last
      venv → current/venv   models → current/models   service.json → current/service.json
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgedigits.remote.there.talking import Trouble

KEPT = 3  # releases, the current one among them
UNFINISHED = ".unfinished-"
INCOMING = ".incoming"
UNIT = "edgedigits.service"
READY = "ready.json"
PROVEN = "proven"
LINKS = {"venv": "current/venv", "models": "current/models", "service.json": "current/service.json"}


class Tree:
    """Paths below the prefix, and what may be done with them."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.releases = prefix / "releases"
        self.venvs = prefix / "venvs"
        self.incoming = prefix / INCOMING
        self.link = prefix / "current"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder against another deploy, and clear what one that was cut off left."""
        self.prefix.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.prefix, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Trouble(f"another deploy is at work in {self.prefix}") from None
            for folder in (self.releases, self.venvs):
                folder.mkdir(exist_ok=True)
            self._place_links()
            self.clear_left_overs()
            yield
        finally:
            os.close(handle)

    def _place_links(self) -> None:
        for name, target in LINKS.items():
            link = self.prefix / name
            if link.is_symlink() and str(link.readlink()) == target:
                continue
            if link.exists() and not link.is_symlink():
                raise Trouble(f"{link} is in the way: it is not of edgedigits; choose a --prefix")
            make_link(link, target)

    def clear_left_overs(self) -> None:
        """Remove what no release can use."""
        shutil.rmtree(self.incoming, ignore_errors=True)
        for left in [*self.prefix.glob(f"{UNFINISHED}*"), *self.releases.glob(f"{UNFINISHED}*")]:
            remove(left)
        for venv in self.venvs.iterdir():
            if not (venv / READY).is_file():
                remove(venv)
        for release in self.numbers():
            (self.releases / str(release) / f"{UNFINISHED}{PROVEN}").unlink(missing_ok=True)

    def current(self) -> Path | None:
        """The release in place."""
        if not self.link.is_symlink():
            return None
        release = self.releases / self.link.readlink().name
        return release if release.is_dir() else None

    def numbers(self) -> list[int]:
        """Of all releases, the oldest first."""
        if not self.releases.is_dir():
            return []
        return sorted(int(path.name) for path in self.releases.iterdir() if path.name.isdigit())

    def facts(self, release: Path) -> dict[str, Any]:
        """What a release is."""
        try:
            found = json.loads((release / "release.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        return {
            "proven": (release / PROVEN).is_file(),
            **(found if isinstance(found, dict) else {}),
            "number": int(release.name),
        }

    def before(self, release: Path) -> Path | None:
        """The release that a rollback goes to: what ran before, else the nearest older one."""
        former = self.facts(release).get("before")
        if isinstance(former, int) and (self.releases / str(former)).is_dir():
            return self.releases / str(former)
        older = [number for number in self.numbers() if number < int(release.name)]
        return self.releases / str(older[-1]) if older else None

    def switch(self, release: Path) -> None:
        """Make a release the current one: one rename."""
        os.sync()
        make_link(self.link, f"releases/{release.name}")
        flush(self.prefix)

    def prove(self, release: Path) -> None:
        """Note that a release was seen to run."""
        write(release / PROVEN, b"")

    def prune(self) -> list[int]:
        """Remove all but the last releases, and environments that none uses; never the current."""
        current = self.current()
        keep: list[Path] = []
        now = current
        while now is not None and now not in keep and len(keep) < KEPT:
            keep.append(now)
            now = self.before(now)
        for number in reversed(self.numbers()):  # newer ones, after a rollback
            if len(keep) < KEPT and self.releases / str(number) not in keep:
                keep.append(self.releases / str(number))
        gone = [number for number in self.numbers() if self.releases / str(number) not in keep]
        for number in gone:
            self.remove_release(self.releases / str(number))
        used = {(release / "venv").resolve() for release in keep}
        for venv in self.venvs.iterdir():
            if venv.resolve() not in used:
                (venv / READY).unlink(missing_ok=True)  # first: half of one is no environment
                remove(venv)
        return gone

    def remove_release(self, release: Path) -> None:
        """Take a release away, by its name first, so that no half of one is ever found."""
        aside = self.releases / f"{UNFINISHED}{release.name}"
        release.rename(aside)
        remove(aside)


def make_link(link: Path, target: str) -> None:
    """A symbolic link in place of what was there, all at once."""
    aside = link.parent / f"{UNFINISHED}{link.name}-{os.getpid()}"
    aside.unlink(missing_ok=True)
    aside.symlink_to(target)
    aside.replace(link)


def write(path: Path, data: bytes) -> None:
    """A whole file or none."""
    aside = path.parent / f"{UNFINISHED}{path.name}"
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    flush(path.parent)


def flush(folder: Path) -> None:
    """Have the folder's names on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Take a file, link or folder away, as far as that goes."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
