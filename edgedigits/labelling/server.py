"""Serves the label page, on loopback only, to whoever has the token of this start."""

from __future__ import annotations

import json
import secrets
import threading
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgedigits.data.crop_labels import NAMES
from edgedigits.device import serving
from edgedigits.errors import EdgedigitsError, UsageError
from edgedigits.labelling.store import LabelStore
from edgedigits.progress import SILENT, Progress

HOST = "127.0.0.1"
MOST_BYTES = 1000  # of what a page may post


class LabelServer:
    """A page that shows crops one by one and takes their labels.

    ``/`` is the page, ``/crops.json`` all crops, ``/crop.png?file=`` and ``/cut.png?file=`` the
    pictures of one, and a POST to ``/label`` of ``{"file": …, "label": …}`` labels it.

    Args:
        store: of the crops.
        port: 0 takes a free one.

    Attributes:
        port, token, url: where it is; every request must carry the token.

    Raises:
        UsageError: the port is in use or not allowed.
    """

    def __init__(self, store: LabelStore, port: int = 0) -> None:
        self.store = store
        self.token = secrets.token_urlsafe(16)
        family, address, _ = serving.resolve(HOST, port)
        try:
            self._server = _Server(self, family, address)
        except OSError as error:
            raise UsageError(serving.why_not(error, HOST, port)) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="label", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> LabelServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where to point a browser."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def close(self) -> None:
        """Stop serving; waits for it, and may be called again."""
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()


class _Server(serving.Server):
    def __init__(self, page: LabelServer, family: int, address: Any) -> None:
        self.page = page
        super().__init__(_Handler, family, address, serving.own_names(HOST, HOST))


class _Handler(serving.Handler):
    server: _Server

    def allows(self, token: str) -> bool:
        return serving.same_token(token, self.server.page.token)

    def route(self, path: str, query: dict[str, list[str]]) -> None:
        store = self.server.page.store
        if path == "/":
            page = files("edgedigits.labelling").joinpath("page.html").read_bytes()
            self.answer(HTTPStatus.OK, "text/html; charset=utf-8", page)
        elif path == "/crops.json":
            self._answer_json({"folder": store.folder.name, "names": NAMES, "crops": store.facts()})
        elif path in ("/crop.png", "/cut.png"):
            picture = store.crop if path == "/crop.png" else store.cut
            try:
                self.answer(HTTPStatus.OK, "image/png", picture(query.get("file", [""])[0]))
            except (KeyError, EdgedigitsError):
                self.answer_text(HTTPStatus.NOT_FOUND, "no such picture")
        else:
            self.answer_text(HTTPStatus.NOT_FOUND, "no such page; / is the only one")

    def do_POST(self) -> None:  # noqa: N802
        """Label a crop, if the request comes from our own page."""
        body = self._body()
        if body is None or (asked := self.let_in()) is None:
            return
        if not self._from_our_page():
            self.answer_text(HTTPStatus.FORBIDDEN, "only this server's own page may label")
        elif asked[0] != "/label":
            self.answer_text(HTTPStatus.NOT_FOUND, "no such page; labels go to /label")
        else:
            self._label(body)

    def _body(self) -> bytes | None:
        """What was sent, or None where that was refused, and the connection with it."""
        length = self.headers.get_all("Content-Length", [])
        plain = len(length) == 1 and length[0].isascii() and length[0].isdigit()
        asked_to_close, self.close_connection = self.close_connection, True
        if "Transfer-Encoding" in self.headers or not plain:
            self.answer_text(HTTPStatus.LENGTH_REQUIRED, "say how long the body is")
            return None
        if len(length[0]) > 9 or int(length[0]) > MOST_BYTES:
            self.answer_text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too long for a label")
            return None
        body = self.rfile.read(int(length[0]))
        if len(body) != int(length[0]):
            return None  # gone in the middle
        self.close_connection = asked_to_close
        return body

    def _from_our_page(self) -> bool:
        """Whether no other web page sent this: browsers say where a request comes from."""
        origins = self.headers.get_all("Origin", [])
        ours = {f"http://{self.headers['Host']}"}
        plain = self.headers.get_content_type() == "application/json"  # others need no permission
        return plain and set(origins) <= ours

    def _label(self, body: bytes) -> None:
        store = self.server.page.store
        try:
            sent = json.loads(body)
            file, label = sent["file"], sent["label"]
            if not isinstance(file, str) or not isinstance(label, (str, type(None))):
                raise ValueError(label)
            store.set(file, label)
        except (ValueError, TypeError, KeyError, RecursionError):
            self.answer_text(HTTPStatus.BAD_REQUEST, "no such crop, or no such label")
        except EdgedigitsError as error:
            self.answer_text(HTTPStatus.INSUFFICIENT_STORAGE, str(error))
        else:
            self._answer_json({"file": file, "label": label, "labelled": store.labelled})

    def _answer_json(self, document: dict[str, Any]) -> None:
        text = json.dumps({"schema_version": 1, **document}).replace("<", "\\u003c")
        self.answer(HTTPStatus.OK, "application/json", text.encode())


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
