"""Unsure crops on the device: listed with their digests, sent, and removed once they are safe."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from edgedigits.remote.there.talking import Talk, Trouble
from edgedigits.remote.there.tree import Tree

INDEX = "index.jsonl"


def collect(tree: Tree, request: dict[str, Any], talk: Talk) -> None:
    """List the crops, send those that are asked for, then remove those that are said to be safe.

    The camera may go on writing meanwhile. Its index stays as it is, so that its numbers go on.
    """
    folder = Path(str(request["folder"])).expanduser()
    if not folder.is_dir():
        raise Trouble(f"{folder}: no such folder; 'camera --save-unsure' fills one")
    talk.say(items=items(folder))
    sent = 0
    for entry in talk.read()["want"]:
        sent += _send(folder, entry, talk)
    talk.say(sent=sent)
    removed = sum(_remove(folder, entry) for entry in talk.read()["remove"])
    talk.say(done={"removed": removed})


def items(folder: Path) -> list[dict[str, Any]]:
    """Of each line of the index whose crop is there: line, pictures, bytes and digest."""
    try:
        text = (folder / INDEX).read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    found = []
    # What follows the last line's end is nothing, or a line half written. Not splitlines, which
    # also divides at characters that JSON leaves in a text.
    for line in text.split("\n")[:-1]:
        names = _names(line)
        pictures = None if names is None else _read(folder, names)
        if names is not None and pictures is not None:
            entry = {"line": line, "pictures": names}
            size = sum(map(len, pictures))
            found.append({**entry, "bytes": size, "sha256": digest(entry["line"], pictures)})
    return found


def digest(line: object, pictures: list[bytes]) -> str:
    """SHA-256 of an item: its line and its pictures, each with its length before it."""
    total = hashlib.sha256()
    for part in (str(line).encode(), *pictures):
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def _names(line: str) -> list[str] | None:
    """Names of the pictures of a line: the crop's, then the cut's where there is one."""
    try:
        facts = json.loads(line)
        names = [str(facts[kind]) for kind in ("crop", "cut") if facts.get(kind)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    good = names and "crop" in facts and all(Path(name).name == name for name in names)
    return names if good else None


def _read(folder: Path, names: list[str]) -> list[bytes] | None:
    """Bytes of the pictures; None where one has gone, as when the camera made room."""
    try:
        return [(folder / name).read_bytes() for name in names]
    except OSError:
        return None


def _send(folder: Path, entry: dict[str, Any], talk: Talk) -> int:
    pictures = _read(folder, entry["pictures"])
    if pictures is None or digest(entry["line"], pictures) != entry["sha256"]:
        return 0
    talk.say(item=entry["sha256"], sizes=[len(picture) for picture in pictures])
    talk.send(b"".join(pictures))
    return 1


def _remove(folder: Path, entry: dict[str, Any]) -> int:
    """Take an item's pictures away if they still are what was brought home."""
    pictures = _read(folder, entry["pictures"])
    if pictures is None or digest(entry["line"], pictures) != entry["sha256"]:
        return 0
    with contextlib.suppress(OSError):
        for name in reversed(entry["pictures"]):  # the crop last: without it there is no item
            (folder / name).unlink()
        return 1
    return 0
