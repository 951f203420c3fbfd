"""Where readings go: lines of JSON, a terminal, an annotated video, pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from edgedigits.device.drawing import draw
from edgedigits.device.reading import U8
from edgedigits.device.watching import Seen
from edgedigits.errors import DataError, UsageError
from edgedigits.files import atomic_path, writing

VIDEO_CODES = {".avi": "MJPG", ".mp4": "mp4v"}
ASSUMED_FPS = 10.0


def json_line(document: dict[str, Any]) -> str:
    """One document on one line."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


class Terminal:
    """What a person reads: each committed text once, on a line of its own."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def __call__(self, seen: Seen) -> None:
        """Show a frame."""
        if seen.tracked.new_text:
            rows = seen.tracked.new_text.replace("\n", " / ")
            self._write(f"frame {seen.frame.number:>6}  {rows}")


def _unknown() -> None:
    return None


class Video:
    """An annotated copy of everything that was recognised, as a video.

    Args:
        path: ends in ``.avi`` or ``.mp4``; takes its place when the video is complete.
        fps: asked at the first frame for the frames a second of playback; None: 10.

    Raises:
        UsageError: another ending, the file is there already, or its folder is not.
        RunError: nothing can be written to the folder.
    """

    def __init__(self, path: Path, fps: Callable[[], float | None] = _unknown) -> None:
        if path.suffix.lower() not in VIDEO_CODES:
            raise UsageError(f"--out {path}: must end in {' or '.join(VIDEO_CODES)}")
        if path.exists():
            raise UsageError(f"--out {path}: is there already; name another file")
        if not path.parent.is_dir():
            raise UsageError(f"--out {path}: there is no folder {path.parent}; make it first")
        self._path = path
        self._part = path.with_name(f".{path.stem}.part{path.suffix}")
        with writing(path):  # OpenCV does not say why it cannot, and not before the first frame
            self._part.touch()
            self._part.unlink()
        self._fps = fps
        self._writer: Any = None
        self._size = (0, 0)

    def __call__(self, seen: Seen) -> None:
        """Add a frame; one of another size is scaled to that of the first."""
        picture = draw(seen.frame.image, seen.tracked, rejected=seen.reading.rejected)
        if self._writer is None:
            self._size = (picture.shape[1], picture.shape[0])
            code = cv2.VideoWriter.fourcc(*VIDEO_CODES[self._path.suffix.lower()])
            fps = self._fps() or ASSUMED_FPS
            self._writer = cv2.VideoWriter(str(self._part), code, fps, self._size)
            if not self._writer.isOpened():
                self._writer = None  # there is nothing to complete
                self._part.unlink(missing_ok=True)
                raise DataError(f"--out {self._path}: OpenCV cannot write such a video here")
        if (picture.shape[1], picture.shape[0]) != self._size:
            picture = cv2.resize(picture, self._size)
        self._writer.write(picture)

    def close(self) -> None:
        """Complete the video. Raises RunError where it cannot take its place."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.release()
            with writing(self._path):
                self._part.replace(self._path)


def write_picture(path: Path, picture: U8) -> None:
    """Write a picture, whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        _, data = cv2.imencode(path.suffix, picture)
        temporary.write_bytes(data.tobytes())
