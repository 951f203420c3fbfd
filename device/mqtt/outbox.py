"""Readings that wait for the broker, in an SQLite file.

A reading is on disk before :meth:`Outbox.add` returns, and leaves when the broker has acknowledged
it. Where the disk refuses, readings wait in memory until it takes them.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.device.mqtt.queue_file import open_file
from edgedigits.errors import UsageError
from edgedigits.files import writing

MOST = 10_000  # readings that wait
MOST_BYTES = 10_000_000  # of them together
RETRY = 10.0  # seconds until a disk that refused is tried again


@dataclass(frozen=True)
class Waiting:
    """A reading that waits. ``payload``: JSON, as it is published."""

    id: str
    payload: str


class Outbox:
    """The queue. May be used by several threads; a folder's by one process.

    Each reading gets the number that follows the one before, and an id made of the queue's own id
    and that number.

    Args:
        folder: made if it is not there.
        most, most_bytes: limits; the oldest readings are dropped, counted and said.
        say: told of trouble.
        clock: monotonic seconds.

    Attributes:
        queue: id of the queue, a new one for each new file.

    Raises:
        UsageError: the folder is a file, or in use by another process.
        RunError: it cannot be made or written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        say: Callable[[str], None] = lambda line: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._most, self._most_bytes = most, most_bytes
        self._say = say
        self._clock = clock
        self._lock = threading.Lock()
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: is a file, not a folder; name another --queue")
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._db = open_file(folder, say)
        row = self._db.execute("SELECT queue, sequence, dropped, last FROM state").fetchone()
        self.queue: str = row[0]
        self._sequence: int = row[1]
        self._dropped: int = row[2]
        self._last: str | None = row[3]
        self._count = self._bytes = 0
        self._measure()
        self._said_dropped = 0
        # While the disk refuses: a queue of its own, so that no number is given twice.
        self._memory: deque[Waiting] = deque()
        self._memory_queue, self._memory_sequence = uuid.uuid4().hex, 0
        self._acknowledged: set[str] = set()  # but still on disk
        self._retry_at: float | None = None

    @property
    def count(self) -> int:
        """Readings that wait."""
        with self._lock:
            return self._count - len(self._acknowledged) + len(self._memory)

    @property
    def dropped(self) -> int:
        """Readings that were given up because too many waited, ever."""
        with self._lock:
            return self._dropped

    @property
    def last(self) -> str | None:
        """The newest reading ever added."""
        with self._lock:
            return self._last

    def add(self, facts: dict[str, Any]) -> str:
        """Keep a reading; it is on disk afterwards, or a line says why not.

        Returns:
            its id.
        """
        with self._lock:
            self._settle()
            if self._retry_at is None:
                sequence = self._sequence + 1
                made = _made(self.queue, sequence, facts)
                if self._write(made, sequence):
                    return made.id
            self._memory_sequence += 1
            made = _made(self._memory_queue, self._memory_sequence, facts)
            self._last = made.payload
            self._memory.append(made)
            if len(self._memory) > self._most:
                self._memory.popleft()
                self._drop(1)
            return made.id

    def next(self, limit: int, leave: Collection[str] = ()) -> list[Waiting]:
        """The oldest readings that wait.

        Args:
            limit: how many at most. leave: ids that are on their way already.
        """
        with self._lock:
            self._settle()
            passed = {*leave, *self._acknowledged}
            query = "SELECT id, payload FROM readings ORDER BY number LIMIT ?"
            rows: list[tuple[str, str]] = []
            with self._disk():
                rows = self._db.execute(query, (limit + len(passed),)).fetchall()
            found = [Waiting(*row) for row in rows if row[0] not in passed]
            found += [waiting for waiting in self._memory if waiting.id not in passed]
            return found[:limit]

    def done(self, ids: Collection[str]) -> None:
        """The broker has acknowledged these; they are kept no more."""
        if not ids:
            return
        with self._lock:
            in_memory = {waiting.id for waiting in self._memory}
            self._memory = deque(w for w in self._memory if w.id not in ids)
            self._acknowledged |= {name for name in ids if name not in in_memory}
            self._settle(delete=True)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._retry_at = None if self._retry_at is None else self._clock()
            self._settle(delete=True)
            if self._memory:
                self._say(
                    f"WARNING: {len(self._memory)} of the readings are lost: neither the broker "
                    f"nor {self.folder} took them"
                )
            self._db.close()

    def _settle(self, *, delete: bool = False) -> None:
        """Give the disk what it has not taken yet, unless it refused a moment ago."""
        if self._retry_at is not None and self._clock() < self._retry_at:
            return
        back = self._retry_at is not None
        if not (back or delete):
            return
        with self._disk():
            with self._transaction():
                self._delete(self._acknowledged)
                for waiting in self._memory:
                    self._insert(waiting)
                known = (self._last, self._dropped)
                self._db.execute("UPDATE state SET last = ?, dropped = ?", known)
            self._acknowledged = set()
            self._memory = deque()
            self._retry_at = None
            self._measure()
            if back:
                self._say(f"{self.folder}: takes readings again")

    def _write(self, made: Waiting, sequence: int) -> bool:
        with self._disk():
            with self._transaction():
                self._insert(made)
                size = len(made.payload.encode())
                old = self._too_many(1, size)
                self._delete({name for name, _ in old})
                self._db.execute(
                    "UPDATE state SET sequence = ?, last = ?, dropped = dropped + ?",
                    (sequence, made.payload, len(old)),
                )
            self._sequence, self._last = sequence, made.payload
            self._count += 1 - len(old)
            self._bytes += size - sum(size for _, size in old)
            self._acknowledged -= {name for name, _ in old}
            self._drop(len(old))
            return True
        return False

    def _too_many(self, count: int, size: int) -> list[tuple[str, int]]:
        """Ids and sizes of the oldest, without which so many more have room."""
        count, size = self._count + count, self._bytes + size
        found: list[tuple[str, int]] = []
        if count <= self._most and size <= self._most_bytes:
            return found
        query = "SELECT id, LENGTH(CAST(payload AS BLOB)) FROM readings ORDER BY number LIMIT ?"
        for row in self._db.execute(query, (count - 1,)):
            if count <= self._most and size <= self._most_bytes:
                break
            count, size = count - 1, size - row[1]
            found.append(row)
        return found

    def _drop(self, number: int) -> None:
        if not number:
            return
        self._dropped += number
        if self._dropped >= self._said_dropped:
            self._said_dropped = 2 * self._dropped
            self._say(
                f"WARNING: {self.folder}: too many readings wait for the broker; the oldest are "
                f"dropped, {self._dropped:,} up to now"
            )

    def _insert(self, waiting: Waiting) -> None:
        self._db.execute(
            "INSERT INTO readings (id, payload) VALUES (?, ?)", (waiting.id, waiting.payload)
        )

    def _delete(self, ids: Collection[str]) -> None:
        self._db.executemany("DELETE FROM readings WHERE id = ?", [(name,) for name in ids])

    def _measure(self) -> None:
        sizes = "SELECT COUNT(*), COALESCE(SUM(LENGTH(CAST(payload AS BLOB))), 0) FROM readings"
        self._count, self._bytes = self._db.execute(sizes).fetchone()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """Turns what the disk refuses into one line; tried again later."""
        try:
            yield
        except sqlite3.Error as error:
            if self._retry_at is None:
                self._say(
                    f"WARNING: {self.folder}: {error}; readings wait in memory only, and would be "
                    "lost with the power"
                )
            self._retry_at = self._clock() + RETRY


def _made(queue: str, sequence: int, facts: dict[str, Any]) -> Waiting:
    name = f"{queue}-{sequence}"
    document = {"schema_version": 1, "id": name, "queue": queue, "sequence": sequence, **facts}
    return Waiting(name, json.dumps(document, ensure_ascii=False, separators=(",", ":")))
