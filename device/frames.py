"""One frame of a camera, a video or a stream, as it goes from the source to the recogniser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame and when it was taken.

    Attributes:
        image: uint8 ``[h, w]`` grey or ``[h, w, 3]`` BGR, upright. Rows may lie further apart than
            their width (a view into a camera's buffer).
        number: running number from 0 of what the source delivered; gaps are dropped frames.
        seconds: monotonic time at which it was taken.
    """

    image: NDArray[Any]
    number: int
    seconds: float
