"""The file of the queue: opened by one process, and put aside where it is damaged."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path

from edgedigits.errors import RunError, UsageError
from edgedigits.files import writing

FILE = "mqtt-queue.sqlite3"
DAMAGED = "mqtt-queue.damaged.sqlite3"
VERSION = 1

_TABLES = """
CREATE TABLE readings (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, payload TEXT NOT NULL);
CREATE TABLE state (queue TEXT NOT NULL, sequence INTEGER NOT NULL, dropped INTEGER NOT NULL,
                    last TEXT);
"""


def open_file(folder: Path, say: Callable[[str], None]) -> sqlite3.Connection:
    """The database of a folder; one that is damaged is put aside.

    Args:
        folder: is there. say: told of a damaged one.

    Raises:
        UsageError: another process uses it. RunError: it cannot be written.
    """
    file = folder / FILE
    try:
        return _connected(file)
    except _NotOursError as error:
        aside = folder / DAMAGED
        with writing(folder):
            for end in ("-wal", "-shm"):
                Path(f"{aside}{end}").unlink(missing_ok=True)
            file.replace(aside)
            for end in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{file}{end}").replace(f"{aside}{end}")
        say(f"WARNING: {file}: {error}; it is kept as {aside.name}, and a new queue is begun")
        return open_file(folder, say)


class _NotOursError(Exception):
    """A file that is damaged, or of another version."""


def _connected(file: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(file, timeout=2.0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise RunError(f"{file}: cannot be written: {error}; name another --queue") from None
    try:
        # Exclusive: one process, and no file of shared memory, which some file systems lack.
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            "wal_autocheckpoint = 100",
            "journal_size_limit = 500000",
        ):
            db.execute(f"PRAGMA {pragma}")
        _prepare(db)
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.Error):
            _explain(file, error)
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and not db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
        for statement in filter(str.strip, _TABLES.split(";")):
            db.execute(statement)
        db.execute("INSERT INTO state VALUES (?, 0, 0, NULL)", (uuid.uuid4().hex,))
        db.execute(f"PRAGMA user_version = {VERSION}")
    elif version != VERSION:
        raise _NotOursError(f"is of version {version}, not {VERSION}")
    elif db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise _NotOursError("is damaged")
    db.execute("COMMIT")


def _explain(file: Path, error: sqlite3.Error) -> None:
    text = str(error)
    if "locked" in text:
        raise UsageError(f"{file}: another program uses this queue; name another --queue") from None
    if isinstance(error, sqlite3.OperationalError) and "disk image" not in text:
        raise RunError(f"{file}: cannot be written: {text}; name another --queue") from None
    raise _NotOursError(f"is damaged ({text})") from None
