"""The folder of unsure crops: its files, its index, and its limit.

::

    FOLDER/
      index.jsonl                 one line a candidate, the oldest first
      unsure-00000001-crop.png    28×28, as the model saw it
      unsure-00000001-cut.png     the same place in the frame, with some of what is around it
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
from pathlib import Path
from typing import Any

import cv2

from edgedigits.data.crops import INDEX
from edgedigits.device.reading import U8
from edgedigits.errors import UsageError
from edgedigits.files import read_file, write_bytes, writing

ROOM = 0.9  # of the limit that is left used after deleting, so that it is not done for each crop

_NAME = re.compile(r"unsure-(\d{8})-(crop|cut)\.png")
_LEFT_OVER = re.compile(r"\.(unsure-\d{8}-(crop|cut)-.*\.png|index-.*\.jsonl)")


class CropFolder:
    """The files of unsure crops, used by one thread only after it is opened.

    Raises:
        UsageError: the path is a file, holds another program's ``index.jsonl``, or is in use.
        RunError: the folder cannot be made or read.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self.limit_bytes = limit_bytes
        self._sizes: dict[int, int] = {}  # bytes of each number's pictures, the oldest first
        self._lines: dict[int, str] = {}
        self._index_bytes = 0
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: is a file, not a folder; name another --save-unsure")
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path, os.O_RDONLY)
            try:
                self._take_lock()
                self._continue()
            except BaseException:
                os.close(self._lock)
                raise
        self._next = max([0, *self._sizes, *self._lines]) + 1

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._lock)

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{self.path}: another program keeps crops there; name another --save-unsure"
            ) from None
        except OSError:
            pass  # a file system without locks

    def _continue(self) -> None:
        """Take over what an earlier run has left, a killed one's unfinished files too."""
        index = self.path / INDEX
        whole = True
        if index.exists():
            text = read_file(index).decode(errors="replace")
            whole = text.endswith("\n") or not text
            # Not splitlines, which also divides at characters that JSON leaves in a text.
            for line in text.removesuffix("\n").split("\n") if text else ():
                number = _number_of(line)
                if number is None:
                    whole = False
                else:
                    self._lines[number] = line
            if text.strip() and not self._lines:
                raise UsageError(f"{index}: is not of this program; name another --save-unsure")
            self._index_bytes = len(text.encode())
        for entry in sorted(self.path.iterdir()):
            if match := _NAME.fullmatch(entry.name):
                number = int(match[1])
                self._sizes[number] = self._sizes.get(number, 0) + entry.stat().st_size
            elif _LEFT_OVER.fullmatch(entry.name):
                entry.unlink()
        if not whole:
            self._write_index()
        self._make_room(0)

    def add(self, crop: U8, around: U8, facts: dict[str, Any]) -> None:
        """Write one candidate: the pictures first, so that a line never names what is not there."""
        number = self._next
        pictures = {"crop": crop, "cut": around}
        encoded = {kind: _png(picture) for kind, picture in pictures.items() if picture.size}
        names = {kind: f"unsure-{number:08d}-{kind}.png" for kind in encoded}
        line = json.dumps({**names, **facts}, ensure_ascii=False)
        self._make_room(sum(map(len, encoded.values())) + len(line.encode()) + 1)
        self._next += 1
        self._sizes[number] = 0
        for kind, data in encoded.items():
            write_bytes(self.path / names[kind], data)
            self._sizes[number] += len(data)
        self._append(line)
        self._lines[number] = line

    def _append(self, line: str) -> None:
        index = self.path / INDEX
        data = line.encode() + b"\n"
        with writing(index), index.open("ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                written = file.write(data)
                if written != len(data):  # only a full disk cuts a write short
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(before)
                raise
        self._index_bytes += len(data)

    def _make_room(self, needed: int) -> None:
        used = sum(self._sizes.values()) + self._index_bytes
        if used + needed <= self.limit_bytes:
            return
        shrunk = False
        for number in sorted({*self._sizes, *self._lines}):
            if used + needed <= self.limit_bytes * ROOM:
                break
            with writing(self.path):
                for kind in ("crop", "cut"):
                    (self.path / f"unsure-{number:08d}-{kind}.png").unlink(missing_ok=True)
            used -= self._sizes.pop(number, 0)
            if number in self._lines:
                used -= len(self._lines.pop(number).encode()) + 1
            shrunk = True
        if shrunk:
            self._write_index()

    def _write_index(self) -> None:
        data = "".join(f"{line}\n" for line in self._lines.values()).encode()
        write_bytes(self.path / INDEX, data)
        self._index_bytes = len(data)


def _number_of(line: str) -> int | None:
    """Which candidate a line of the index is about; None: it is damaged, or not ours."""
    try:
        match = _NAME.fullmatch(json.loads(line)["crop"])
    except (ValueError, TypeError, KeyError):
        return None
    return int(match[1]) if match else None


def _png(picture: U8) -> bytes:
    good, data = cv2.imencode(".png", picture)
    if not good:
        raise OSError("a picture cannot be written as PNG")
    return bytes(data.tobytes())
