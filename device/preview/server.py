"""The page, the newest frame and its state."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from edgedigits.device.preview.moment import Moment
from edgedigits.device.reading import U8, Reading
from edgedigits.device.tracking import Tracked
from edgedigits.device.web.connections import PATIENCE, Answer, refusal
from edgedigits.device.web.site import Site

LONGEST_WAIT = 2.0  # seconds until a viewer is answered although there is nothing new
PLACE_OF_STATE = b"/*state*/null"  # in page.html


class PreviewServer(Site):
    """A web page that shows the newest frame, its digits and the recogniser's numbers.

    ``/`` is the page, ``/frame.jpg`` the newest frame with boxes and ``/state.json`` its state;
    ``/state.json?after=N`` waits for a frame other than N, for two seconds at most. Viewers have
    their own threads and each gets the newest frame when it is ready for one.

    Arguments, attributes and errors are those of :class:`Site`.
    """

    name = "preview"

    def __init__(self, host: str = "127.0.0.1", port: int = 8000, token: str | None = None) -> None:
        self._newest = Moment(0)
        self._changed = threading.Condition()
        self._closing = False
        self._asked_at = float("-inf")
        super().__init__(host, port, token)
        self.start()

    @property
    def watched(self) -> bool:
        """Whether somebody asked for a frame or its state within the last five seconds."""
        return time.monotonic() - self._asked_at < PATIENCE

    def publish(
        self,
        image: U8,
        reading: Reading,
        tracked: Tracked | None = None,
        stats: dict[str, Any] | None = None,
    ) -> None:
        """Show a frame instead of the one before; returns at once.

        Args:
            image: uint8 ``[h, w]`` or ``[h, w, 3]`` (BGR), the frame that was read. It is not
                copied: do not change it afterwards.
            reading: what was found in it.
            tracked: what is known after it; None where nothing is tracked.
            stats: shown by its keys, for example ``{"frames per second": 29.8, "dropped": 3}``.
        """
        with self._changed:
            self._newest = Moment(self._newest.number + 1, image, reading, tracked, stats)
            self._changed.notify_all()

    def newest(self, *, other_than: int | None = None) -> Moment:
        """The frame published last.

        Args:
            other_than: wait for a frame that has not this number, but for two seconds at most.
        """
        with self._changed:
            self._asked_at = time.monotonic()
            self._changed.wait_for(
                lambda: self._closing or self._newest.number != other_than, timeout=LONGEST_WAIT
            )
            return self._newest

    def page(self) -> bytes:
        """The page, the newest state in it: nothing has to be fetched for the first picture."""
        page = files("edgedigits.device.preview").joinpath("page.html").read_bytes()
        return page.replace(PLACE_OF_STATE, self._newest.json(), 1)

    def answer(self, path: str, query: Mapping[str, Sequence[str]]) -> Answer:
        """One of the three things that there are."""
        if path in ("/", "/index.html"):
            return Answer(self.page(), "text/html; charset=utf-8")
        if path == "/state.json":
            after = query.get("after", [""])[0]
            known = int(after) if after.isascii() and after.isdigit() and len(after) < 19 else None
            return Answer(self.newest(other_than=known).json(), "application/json")
        if path == "/frame.jpg":
            return _frame(self.newest())
        return refusal(HTTPStatus.NOT_FOUND, "no such page; / is the only one")

    def close(self) -> None:
        """Stop serving and end every connection; waits for it, and may be called again."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        super().close()


def _frame(moment: Moment) -> Answer:
    try:
        jpeg = moment.jpeg()
    except ValueError as error:
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
    if jpeg is None:
        return refusal(HTTPStatus.SERVICE_UNAVAILABLE, "no frame yet")
    return Answer(jpeg, "image/jpeg", headers={"X-Frame": str(moment.number)})
