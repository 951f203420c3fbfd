"""The newest frame and what was read in it, made ready for viewers only when one asks."""

from __future__ import annotations

import base64
import json
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np

from edgedigits.device.drawing import draw
from edgedigits.device.reading import U8, Candidate, Reading
from edgedigits.device.tracking import Track, Tracked

QUALITY = 80  # of the JPEG

# OpenCV loads its fonts anew in each thread that writes a letter, 6 MB and 30 ms; each viewer has a
# thread, so that one draws for all.
_DRAWING = ThreadPoolExecutor(1, "drawing")


class Moment:
    """One published frame. JPEG and JSON are made once, by the first viewer who asks.

    Args:
        number: of the frame, counted from 1; 0 is the time before the first one.
        image: uint8 ``[h, w]`` or ``[h, w, 3]`` (BGR), or None before the first frame.
        reading: what was found in it.
        tracked: what is known after it, or None where nothing is tracked.
        stats: anything JSON can hold, shown by its keys.
    """

    def __init__(
        self,
        number: int,
        image: U8 | None = None,
        reading: Reading | None = None,
        tracked: Tracked | None = None,
        stats: dict[str, Any] | None = None,
    ) -> None:
        self.number = number
        self._image = image
        self._reading = reading
        self._tracked = tracked
        self._stats = {} if stats is None else dict(stats)
        self._lock = threading.Lock()
        self._jpeg: bytes | None = None
        self._json: bytes | None = None

    def jpeg(self) -> bytes | None:
        """The frame with boxes, of its own size; None before the first frame."""
        if self._image is None or self._reading is None:
            return None
        with self._lock:
            if self._jpeg is None:
                found = self._reading if self._tracked is None else self._tracked
                self._jpeg = _DRAWING.submit(
                    _drawn, self._image, found, self._reading.rejected
                ).result()
            return self._jpeg

    def json(self) -> bytes:
        """The state as ASCII JSON, with nothing in it that could end a script element."""
        with self._lock:
            if self._json is None:
                text = json.dumps(_plain(self.state()), allow_nan=False)
                self._json = text.replace("<", "\\u003c").encode()
            return self._json

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        reading, tracked = self._reading, self._tracked
        if reading is None:
            return {"schema_version": 1, "frame": self.number, "reading": None}
        tracks = () if tracked is None else tracked.tracks
        return {
            "schema_version": 1,
            "frame": self.number,
            "reading": reading.to_json(),
            "text": reading.text if tracked is None else tracked.text,
            "candidates": _candidates(reading.digits, tracks) + _candidates(reading.rejected, ()),
            "stats": self._stats,
        }


def _drawn(image: U8, found: Reading | Tracked, rejected: Sequence[Candidate]) -> bytes:
    return _encoded(draw(image, found, rejected=rejected))


def _encoded(picture: U8) -> bytes:
    good, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not good:
        raise ValueError(f"a picture of shape {picture.shape} cannot be written as JPEG")
    return bytes(data.tobytes())


def _candidates(candidates: Sequence[Candidate], tracks: Sequence[Track]) -> list[dict[str, Any]]:
    """As JSON; tracks of this frame come first and in the order of the digits."""
    described = []
    for index, candidate in enumerate(candidates):
        track = tracks[index] if index < len(tracks) and not tracks[index].missed else None
        described.append(
            {
                "digit": candidate.digit,
                "score": round(float(candidate.score), 4),
                "box": list(candidate.box),
                "accepted": candidate.accepted,
                "track": None if track is None else track.id,
                "committed": track is not None and track.committed,
                "scores": [round(float(score), 4) for score in candidate.scores],
                "crop": base64.b64encode(candidate.crop.tobytes()).decode(),
            }
        )
    return described


def _plain(value: Any) -> Any:
    """As JSON knows it: NumPy numbers as numbers, what is not finite as null, the rest as text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)
