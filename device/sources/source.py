"""What all sources have in common."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray


class Source(Protocol):
    """Gives one frame after another. Used by one thread at a time.

    Attributes:
        name: as the user gave it, without a password.
        live: a camera or stream: the newest frame counts, and a failure is worth another attempt.
            Otherwise a file: every frame counts once, and it ends.
        fps: frames a second at which a video file plays; None: of a live source, of pictures, or
            where the file does not say anything sensible.
        ended: nothing more will come from it: read to its end, cut off or unplugged.
    """

    name: str
    live: bool
    fps: float | None
    ended: bool

    def read(self) -> NDArray[Any] | None:
        """The next frame: uint8 ``[h, w]`` grey or ``[h, w, 3]`` BGR, upright, a new array.

        Returns:
            None where none came within the timeout, or at the end. A live source is to be closed
            and opened again then: it may have stopped for good.

        Raises:
            DataError: a picture of a sequence cannot be read; it is named.
            SourceError: the camera or stream reports a failure.
        """

    def close(self) -> None:
        """Give the camera, file or connection back. May be called twice."""
