"""Downloads, against a real HTTP server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_data import NAMES, idx_images, idx_labels, make_images, make_labels

from edgedigits.data import download
from edgedigits.data.download import RemoteFile, RemoteSet, load_remote
from edgedigits.data.registry import load_data
from edgedigits.errors import DownloadError
from edgedigits.progress import SILENT

TRAIN, TEST = 300, 100
CONTENTS = dict(
    zip(
        (*NAMES["train"], *NAMES["test"]),
        (
            idx_images(make_images(TRAIN, seed=1)),
            idx_labels(make_labels(TRAIN)),
            idx_images(make_images(TEST, seed=2)),
            idx_labels(make_labels(TEST)),
        ),
        strict=True,
    )
)
ZIPPED = {name: gzip.compress(content, mtime=0) for name, content in CONTENTS.items()}
IMAGES = NAMES["train"][0]


class Server:
    """Serves bytes by path; can be slow, break off, or refuse."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.broken: set[str] = set()  # half of the file, once
        self.pause_s = 0.0  # between pieces of 16 KiB
        self.started = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                content = server.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.path in server.broken:
                    server.broken.discard(self.path)
                    content = content[: len(content) // 2]
                try:
                    for start in range(0, len(content), 1 << 14):
                        self.wfile.write(content[start : start + (1 << 14)])
                        server.started.set()
                        time.sleep(server.pause_s)
                except OSError:
                    pass  # the reader has gone

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class Recorder:
    """Keeps what a step says."""

    def __init__(self) -> None:
        self.updates: list[tuple[str, float, float | None]] = []
        self.lines: list[str] = []

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        self.updates.append((what, done, total))

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A mirror with a small set, and a cache folder of its own."""
    running = Server()
    running.files = {f"/small/{name}.gz": content for name, content in ZIPPED.items()}
    monkeypatch.setenv("EDGEDIGITS_MIRROR", running.url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield running
    running.close()


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second attempt, which would wait for a second."""
    monkeypatch.setattr(download, "RETRIES", 0)


def small_set() -> RemoteSet:
    """A set like MNIST, of a few pictures."""
    files = tuple(
        RemoteFile(
            name,
            hashlib.sha256(ZIPPED[name]).hexdigest(),
            hashlib.sha256(CONTENTS[name]).hexdigest(),
            len(ZIPPED[name]),
        )
        for name in CONTENTS
    )
    assert len(files) == 4
    return RemoteSet("small", "a test", "http://unused.invalid/", tuple("0123456789"), files)


def contents_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_four_files_are_fetched_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        data = load_remote(small_set(), None, SILENT)
        assert data.test is not None
        np.testing.assert_array_equal(data.train.images, make_images(TRAIN, seed=1))
        np.testing.assert_array_equal(data.test.images, make_images(TEST, seed=2))
        assert data.test.labels is not None
        np.testing.assert_array_equal(data.test.labels, make_labels(TEST))
    assert sorted(server.requests) == sorted(server.files)
    expected = {f"{name}.gz": content for name, content in ZIPPED.items()}
    assert contents_of(tmp_path / "cache") == expected


def test_a_data_folder_is_filled_and_goes_before_the_cache(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    load_remote(small_set(), folder, SILENT)
    assert set(contents_of(folder / "small")) == {f"{name}.gz" for name in ZIPPED}
    assert not (tmp_path / "cache").exists()
    server.requests.clear()
    load_remote(small_set(), folder, SILENT)
    assert server.requests == []


def test_the_cache_serves_where_the_data_folder_has_nothing(server: Server, tmp_path: Path) -> None:
    load_remote(small_set(), None, SILENT)
    server.requests.clear()
    load_remote(small_set(), tmp_path / "data", SILENT)
    assert server.requests == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_files_put_there_by_hand_need_no_network(
    server: Server, tmp_path: Path, zipped: bool
) -> None:
    folder = tmp_path / "data" / "small"
    folder.mkdir(parents=True)
    for name in CONTENTS:
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(ZIPPED[name] if zipped else CONTENTS[name])
    data = load_remote(small_set(), tmp_path / "data", SILENT)
    np.testing.assert_array_equal(data.train.images, make_images(TRAIN, seed=1))
    assert server.requests == []


@pytest.mark.parametrize("name", [f"{IMAGES}.gz", IMAGES])
def test_an_own_file_with_a_wrong_checksum_is_named_and_kept(
    server: Server, tmp_path: Path, name: str
) -> None:
    own = tmp_path / "data" / "small" / name
    own.parent.mkdir(parents=True)
    content = ZIPPED[IMAGES][:-1] + b"!"
    own.write_bytes(content)
    with pytest.raises(DownloadError) as caught:
        load_remote(small_set(), tmp_path / "data", SILENT)
    message = str(caught.value)
    assert str(own) in message
    good = ZIPPED[IMAGES] if name.endswith(".gz") else CONTENTS[IMAGES]
    assert hashlib.sha256(good).hexdigest() in message
    assert hashlib.sha256(content).hexdigest() in message
    assert own.read_bytes() == content
    assert server.requests == []


def test_progress_of_a_slow_server_is_told_as_it_comes(server: Server, tmp_path: Path) -> None:
    server.pause_s = 0.02
    shown = Recorder()
    load_remote(small_set(), None, shown)
    what = f"downloading small {IMAGES}.gz"
    done = [done for name, done, _ in shown.updates if name == what]
    size = len(ZIPPED[IMAGES])
    assert {total for name, _, total in shown.updates if name == what} == {size}
    assert done == sorted(done)
    assert done[-1] == size
    assert len({part for part in done if 0 < part < size}) >= size // (1 << 16) - 1
    assert [line for line in shown.lines if IMAGES in line]


def test_a_second_attempt_mends_a_broken_connection(server: Server) -> None:
    server.broken = {f"/small/{IMAGES}.gz"}
    data = load_remote(small_set(), None, SILENT)
    np.testing.assert_array_equal(data.train.images, make_images(TRAIN, seed=1))
    assert server.requests.count(f"/small/{IMAGES}.gz") == 2


@pytest.mark.usefixtures("once")
def test_a_connection_that_breaks_off_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.broken = {f"/small/{IMAGES}.gz"}
    with pytest.raises(DownloadError, match="the connection broke off"):
        load_remote(small_set(), None, SILENT)
    assert contents_of(tmp_path / "cache") == {}


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    "served", [b"", b"<html>please log in</html>", ZIPPED[IMAGES][:-5], ZIPPED[IMAGES] + b"\n"]
)
def test_a_wrong_checksum_is_told_and_nothing_kept(
    server: Server, tmp_path: Path, served: bytes
) -> None:
    server.files[f"/small/{IMAGES}.gz"] = served
    with pytest.raises(DownloadError, match="wrong checksum") as caught:
        load_remote(small_set(), None, SILENT)
    message = str(caught.value)
    assert f"{server.url}/small/{IMAGES}.gz" in message
    assert hashlib.sha256(ZIPPED[IMAGES]).hexdigest() in message
    assert hashlib.sha256(served).hexdigest() in message
    assert "\n" not in message
    assert contents_of(tmp_path / "cache") == {}


@pytest.mark.usefixtures("once")
def test_good_files_outlive_a_bad_download(server: Server, tmp_path: Path) -> None:
    last = f"{NAMES['test'][1]}.gz"
    server.files[f"/small/{last}"] = b"wrong"
    with pytest.raises(DownloadError, match="wrong checksum"):
        load_remote(small_set(), tmp_path, SILENT)
    kept = contents_of(tmp_path / "small")
    assert kept == {f"{name}.gz": ZIPPED[name] for name in list(ZIPPED)[:3]}


@pytest.mark.usefixtures("once")
def test_a_damaged_cached_file_is_replaced_only_by_a_good_one(
    server: Server, tmp_path: Path
) -> None:
    load_remote(small_set(), None, SILENT)
    (cached,) = (tmp_path / "cache").rglob(f"{IMAGES}.gz")
    cached.write_bytes(b"damaged")
    good = server.files.pop(f"/small/{IMAGES}.gz")
    with pytest.raises(DownloadError):
        load_remote(small_set(), None, SILENT)
    assert cached.read_bytes() == b"damaged"
    server.files[f"/small/{IMAGES}.gz"] = good
    data = load_remote(small_set(), None, SILENT)
    np.testing.assert_array_equal(data.train.images, make_images(TRAIN, seed=1))
    assert cached.read_bytes() == good


def _assert_names_the_way_out(message: str, folder: Path) -> None:
    assert str(folder) in message
    for name in CONTENTS:
        assert f"{name}.gz" in message
    assert "\n" not in message


@pytest.mark.usefixtures("once")
def test_without_a_server_the_place_for_the_files_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("EDGEDIGITS_MIRROR", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(DownloadError, match="no connection to the server") as caught:
            load_remote(small_set(), tmp_path / "data", SILENT)
    _assert_names_the_way_out(str(caught.value), tmp_path / "data" / "small")


@pytest.mark.usefixtures("once")
def test_a_missing_file_on_the_server_is_told(server: Server, tmp_path: Path) -> None:
    server.files.clear()
    with pytest.raises(DownloadError, match="the server answered 404") as caught:
        load_remote(small_set(), tmp_path, SILENT)
    _assert_names_the_way_out(str(caught.value), tmp_path / "small")


@pytest.mark.usefixtures("once")
def test_a_server_that_says_nothing_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT_S", 0.3)
    server.pause_s = 1.5
    with pytest.raises(DownloadError, match=r"the server does not answer|no connection") as caught:
        load_remote(small_set(), tmp_path, SILENT)
    _assert_names_the_way_out(str(caught.value), tmp_path / "small")
    assert contents_of(tmp_path / "small") == {}


@pytest.mark.usefixtures("once")
def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "small").write_text("a file where a folder should be")
    with pytest.raises(DownloadError, match="cannot store") as caught:
        load_remote(small_set(), tmp_path, SILENT)
    assert str(tmp_path / "small") in str(caught.value)


def test_the_mirror_is_asked_through_the_program(
    server: Server, tmp_path: Path, run_cli: RunCli
) -> None:
    server.files = {f"/mnist/{name}.gz": b"junk" for name in CONTENTS}
    code, out, err = run_cli("data", "look", "mnist", "--data-dir", tmp_path / "data")
    assert (code, out) == (1, "")
    assert err.startswith("edgedigits: ")
    assert err.count("\n") == 1
    assert "wrong checksum" in err
    assert hashlib.sha256(b"junk").hexdigest() in err
    assert "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" in err
    assert contents_of(tmp_path / "data") == {}


def test_no_network_through_the_program(tmp_path: Path, run_cli: RunCli) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        code, out, err = run_cli(
            *("data", "look", "fashion-mnist", "--data-dir", tmp_path),
            env={
                "EDGEDIGITS_MIRROR": f"http://127.0.0.1:{unused.getsockname()[1]}",
                "XDG_CACHE_HOME": str(tmp_path / "cache"),
                "NO_PROXY": "127.0.0.1",
            },
        )
    assert (code, out, err.count("\n")) == (1, "", 1)
    _assert_names_the_way_out(err.rstrip("\n"), tmp_path / "fashion-mnist")


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_leaves_no_half_file(
    server: Server, tmp_path: Path, signal_number: int
) -> None:
    server.files = {f"/mnist/{IMAGES}.gz": bytes(1 << 22)}
    server.pause_s = 0.1
    process = subprocess.Popen(
        [sys.executable, "-m", "edgedigits.cli.main", "data", "look", "mnist"],
        env={**os.environ, "EDGEDIGITS_DATA": str(tmp_path / "data")},
        stderr=subprocess.PIPE,
        text=True,
        # A background job is started with Ctrl-C ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert server.started.wait(30)
    time.sleep(0.3)
    process.send_signal(signal_number)
    _, err = process.communicate(timeout=30)
    left = contents_of(tmp_path / "data")
    assert f"{IMAGES}.gz" not in left
    if signal_number == signal.SIGINT:
        assert process.returncode == 130
        assert "Traceback" not in err
        assert left == {}


@pytest.mark.shared
def test_the_real_mnist_comes_through_a_mirror(
    server: Server, tmp_path: Path, data_dir: Path
) -> None:
    server.files = {
        f"/mnist/{path.name}": path.read_bytes() for path in (data_dir / "mnist").glob("*.gz")
    }
    fetched = load_data("mnist", data_dir=tmp_path)
    local = load_data("mnist", data_dir=data_dir)
    assert fetched.digest == local.digest
    assert len(server.requests) == 4
