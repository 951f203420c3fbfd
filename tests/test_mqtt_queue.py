"""The queue on disk: order, numbers, limits, disks that refuse, files that are damaged."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from helpers_capture import Clock

from edgedigits.device.mqtt.outbox import RETRY, Outbox
from edgedigits.device.mqtt.queue_file import DAMAGED, FILE
from edgedigits.errors import RunError, UsageError


def texts(outbox: Outbox, limit: int = 100) -> list[str]:
    return [json.loads(waiting.payload)["text"] for waiting in outbox.next(limit)]


def add(outbox: Outbox, *words: str) -> list[str]:
    return [outbox.add({"text": word}) for word in words]


def test_readings_stay_in_order_until_acknowledged_also_over_a_restart(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "new" / "folder")
    ids = add(outbox, "1", "2", "3")
    assert texts(outbox) == ["1", "2", "3"]
    assert texts(outbox, 2) == ["1", "2"]
    assert [waiting.id for waiting in outbox.next(2, {ids[0]})] == ids[1:]
    outbox.done([ids[1]])
    outbox.close()
    again = Outbox(outbox.folder)
    assert texts(again) == ["1", "3"]
    assert again.queue == outbox.queue
    (last,) = add(again, "4")
    assert last not in ids
    documents = [json.loads(waiting.payload) for waiting in again.next(9)]
    assert [document["sequence"] for document in documents] == [1, 3, 4]
    assert all(d["id"] == f"{d['queue']}-{d['sequence']}" for d in documents)
    assert json.loads(again.last or "")["text"] == "4"
    again.done(set(ids) | {last})
    again.close()
    empty = Outbox(outbox.folder)
    assert (empty.count, texts(empty)) == (0, [])
    assert json.loads(empty.last or "")["text"] == "4"  # the state outlives the queue
    add(empty, "5")
    assert json.loads(empty.next(1)[0].payload)["sequence"] == 5  # and so do the numbers
    empty.close()


def test_a_reading_is_on_disk_when_add_returns(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    add(outbox, "31415\n926")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tmp_path.glob("mqtt-queue.*"):  # as a kill would leave them
        (copy / file.name).write_bytes(file.read_bytes())
    assert texts(Outbox(copy)) == ["31415\n926"]
    with pytest.raises(UsageError, match="another program uses this queue"):
        Outbox(tmp_path)


def test_too_many_readings_lose_the_oldest_which_is_counted_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    outbox = Outbox(tmp_path, most=10, say=said.append)
    add(outbox, *(str(n) for n in range(10)))
    assert said == []
    add(outbox, "10")
    assert len(said) == 1
    assert "the oldest are dropped, 1 up to now" in said[0]
    add(outbox, *(str(n) for n in range(11, 50)))
    assert texts(outbox) == [str(n) for n in range(40, 50)]
    assert (outbox.count, outbox.dropped) == (10, 40)
    assert [line.split(", ")[-1].split()[0] for line in said] == ["1", "2", "4", "8", "16", "32"]
    outbox.close()
    assert Outbox(tmp_path).dropped == 40


def test_large_readings_lose_the_oldest(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, most_bytes=10_000)
    add(outbox, *(f"{n}" * 900 for n in range(10, 60)))
    kept = outbox.next(100)
    size = sum(len(waiting.payload.encode()) for waiting in kept)
    assert 8_000 < size <= 10_000
    assert texts(outbox)[-1] == "59" * 900
    assert outbox.dropped == 50 - len(kept)
    assert outbox.count == len(kept)
    outbox.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 600_000


def test_what_is_acknowledged_leaves_room(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, most=10)
    for word in map(str, range(100)):
        outbox.done(add(outbox, word))
    assert (outbox.count, outbox.dropped, outbox.next(1)) == (0, 0, [])


def test_a_full_disk_is_said_once_and_readings_wait_in_memory(tmp_path: Path) -> None:
    said: list[str] = []
    clock = Clock()
    outbox = Outbox(tmp_path, say=said.append, clock=clock)
    first = add(outbox, "1")
    pages = outbox._db.execute("PRAGMA page_count").fetchone()[0]
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own "disk is full"
    large = ["2" * 5000, "3" * 5000, "4" * 5000]
    ids = add(outbox, *large)
    assert len(said) == 1
    assert "full" in said[0]
    assert "memory only" in said[0]
    assert texts(outbox) == ["1", *large]
    assert outbox.count == 4
    outbox.done([*first, ids[0]])  # sent meanwhile
    assert texts(outbox) == large[1:]
    outbox._db.execute("PRAGMA max_page_count = 1000000")
    clock.now += RETRY + 1
    (last,) = add(outbox, "5")
    assert said[1:] == [f"{tmp_path}: takes readings again"]
    assert texts(outbox) == [*large[1:], "5"]
    assert len({*first, *ids, last}) == 5  # no id twice, though there was no disk to count on
    assert outbox.count == 3
    outbox.close()
    assert texts(Outbox(tmp_path)) == [*large[1:], "5"]


def test_what_neither_disk_nor_broker_took_is_said_to_be_lost(tmp_path: Path) -> None:
    said: list[str] = []
    outbox = Outbox(tmp_path, say=said.append)
    pages = outbox._db.execute("PRAGMA page_count").fetchone()[0]
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")
    add(outbox, "2" * 9000)
    outbox.close()
    assert "1 of the readings are lost" in said[-1]


@pytest.mark.parametrize("kind", ["text", "cut", "scribbled", "of a later version"])
def test_a_damaged_queue_is_put_aside_and_a_new_one_begun(kind: str, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    add(outbox, *(f"{n}" * 50 for n in range(200)))
    outbox.close()
    file = tmp_path / FILE
    data = bytearray(file.read_bytes())
    if kind == "text":
        data[:] = b"this is no database, but a text\n" * 200
    elif kind == "cut":
        del data[len(data) // 2 :]
    elif kind == "scribbled":
        data[5000:9000] = b"\xa5" * 4000
    file.write_bytes(data)
    if kind == "of a later version":
        with sqlite3.connect(file) as db:
            db.execute("PRAGMA user_version = 2")
        db.close()
        data = bytearray(file.read_bytes())
    said: list[str] = []
    new = Outbox(tmp_path, say=said.append)
    assert new.queue != outbox.queue
    assert new.count == 0
    assert len(said) == 1
    assert said[0].startswith(f"WARNING: {file}: is ")
    assert (tmp_path / DAMAGED).read_bytes() == bytes(data)
    add(new, "1")
    new.close()
    assert texts(Outbox(tmp_path)) == ["1"]


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="is a file, not a folder; name another --queue"):
        Outbox(file)
    with pytest.raises(RunError, match="a part of the path is a file"):
        Outbox(file / "below")
    with pytest.raises(RunError, match="cannot write"):
        Outbox(Path("/proc/queue"))
    with pytest.raises(RunError, match="name another --queue"):
        Outbox(Path("/proc/self"))
    (tmp_path / "q" / FILE).mkdir(parents=True)
    with pytest.raises(RunError, match="name another --queue"):
        Outbox(tmp_path / "q")
