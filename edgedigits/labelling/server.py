"""Serves the label page, on loopback only, to whoever has the token of this start."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgedigits.data.crop_labels import NAMES
from edgedigits.device.web.connections import Answer, refusal
from edgedigits.device.web.site import Site
from edgedigits.errors import EdgedigitsError
from edgedigits.labelling.store import LabelStore
from edgedigits.progress import SILENT, Progress

HOST = "127.0.0.1"


class LabelServer(Site):
    """A page that shows crops one by one and takes their labels.

    ``/`` is the page, ``/crops.json`` all crops, ``/crop.png?file=`` and ``/cut.png?file=`` the
    pictures of one, and a POST to ``/label`` of ``{"file": …, "label": …}`` labels it.

    Args:
        store: of the crops.
        port: 0 takes a free one.

    Attributes:
        token: new at each start; every request must carry it. Others are those of :class:`Site`.

    Raises:
        UsageError: the port is in use or not allowed.
    """

    name = "label"
    most_bytes = 1000

    def __init__(self, store: LabelStore, port: int = 0) -> None:
        self.store = store
        super().__init__(HOST, port, secrets.token_urlsafe(16))
        self.start()

    def answer(self, path: str, query: Mapping[str, Sequence[str]]) -> Answer:
        """The page, the list of crops, a crop's pictures."""
        if path == "/":
            page = files("edgedigits.labelling").joinpath("page.html").read_bytes()
            return Answer(page, "text/html; charset=utf-8")
        if path == "/crops.json":
            return _json(folder=self.store.folder.name, names=NAMES, crops=self.store.facts())
        if path in ("/crop.png", "/cut.png"):
            picture = self.store.crop if path == "/crop.png" else self.store.cut
            try:
                return Answer(picture(query.get("file", [""])[0]), "image/png")
            except (KeyError, EdgedigitsError):
                return refusal(HTTPStatus.NOT_FOUND, "no such picture")
        return refusal(HTTPStatus.NOT_FOUND, "no such page; / is the only one")

    def take(self, path: str, body: bytes) -> Answer:
        """Label a crop, or take its label away."""
        if path != "/label":
            return refusal(HTTPStatus.NOT_FOUND, "no such page; labels go to /label")
        try:
            sent = json.loads(body)
            file, label = sent["file"], sent["label"]
            if not isinstance(file, str) or not isinstance(label, (str, type(None))):
                raise ValueError(label)
            self.store.set(file, label)
        except (ValueError, TypeError, KeyError, RecursionError):
            return refusal(HTTPStatus.BAD_REQUEST, "no such crop, or no such label")
        except EdgedigitsError as error:
            return refusal(HTTPStatus.INSUFFICIENT_STORAGE, str(error))
        return _json(file=file, label=label, labelled=self.store.labelled)


def _json(**document: Any) -> Answer:
    text = json.dumps({"schema_version": 1, **document}).replace("<", "\\u003c")
    return Answer(text.encode(), "application/json")


def serve(folder: Path, port: int = 0, progress: Progress = SILENT) -> None:
    """Serve the page of a folder until Ctrl-C.

    Args:
        folder: of crops. port: 0 takes a free one.
        progress: told the page's address, and which crops are damaged.

    Raises:
        UsageError, DataError, RunError: as :class:`LabelStore` and :class:`LabelServer`.
        KeyboardInterrupt: the user ended it.
    """
    with LabelStore(folder, progress) as store, LabelServer(store, port) as page:
        if store.damaged:
            progress.say(f"damaged, not shown: {', '.join(store.damaged)}")
        progress.say(f"{store.labelled:,} of {len(store.names):,} labelled; Ctrl-C ends")
        progress.say(page.url)
        threading.Event().wait()
