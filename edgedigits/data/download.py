"""MNIST and Fashion-MNIST: found on this machine, or downloaded with a checksum by pooch.

A file is looked for in the data folder (``--data-dir`` or ``EDGEDIGITS_DATA``), then in the user's
cache folder, then downloaded into the first of these that was named. ``EDGEDIGITS_MIRROR`` sets
another place to download from: ``MIRROR/mnist/train-images-idx3-ubyte.gz`` and so on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgedigits.data.dataset import DataSet
from edgedigits.data.idx import IdxFiles, find_file, load_idx
from edgedigits.errors import DownloadError
from edgedigits.files import file_digest
from edgedigits.progress import Progress

MIRROR_VARIABLE = "EDGEDIGITS_MIRROR"
RETRIES = 2
TIMEOUT_S = 20.0  # without a byte from the server
BLOCK = 1 << 16  # bytes; progress is told after each


@dataclass(frozen=True)
class RemoteFile:
    """One file of a set: SHA-256 as downloaded and unzipped, size in bytes as downloaded."""

    name: str
    sha256: str
    sha256_unzipped: str
    bytes: int


@dataclass(frozen=True)
class RemoteSet:
    """A set that can be downloaded; ``files`` are train images and labels, then test's."""

    name: str
    what: str
    base_url: str
    class_names: tuple[str, ...]
    files: tuple[RemoteFile, RemoteFile, RemoteFile, RemoteFile]

    @property
    def bytes(self) -> int:
        """Size of the whole download."""
        return sum(file.bytes for file in self.files)

    def url(self) -> str:
        """Where its files are downloaded from; ends with a slash."""
        mirror = os.environ.get(MIRROR_VARIABLE)
        return f"{mirror.rstrip('/')}/{self.name}/" if mirror else self.base_url


MNIST = RemoteSet(
    name="mnist",
    what="handwritten digits (Y. LeCun, C. Cortes, C. Burges)",
    base_url="https://storage.googleapis.com/cvdf-datasets/mnist/",
    class_names=tuple("0123456789"),
    files=(
        RemoteFile(
            "train-images-idx3-ubyte",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            9_912_422,
        ),
        RemoteFile(
            "train-labels-idx1-ubyte",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            28_881,
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            1_648_877,
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            4_542,
        ),
    ),
)

FASHION_MNIST = RemoteSet(
    name="fashion-mnist",
    what="pictures of clothing (H. Xiao, K. Rasul, R. Vollgraf, 2017)",
    base_url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    class_names=(
        "T-shirt/top", "trouser", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
    files=(
        RemoteFile(
            "train-images-idx3-ubyte",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            26_421_880,
        ),
        RemoteFile(
            "train-labels-idx1-ubyte",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            29_515,
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            4_422_102,
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            5_148,
        ),
    ),
)  # fmt: skip

REMOTE_SETS = {remote.name: remote for remote in (MNIST, FASHION_MNIST)}


def load_remote(remote: RemoteSet, data_dir: Path | None, progress: Progress) -> DataSet:
    """A set's four files, found or downloaded, as a data set. Training pixels are read late.

    Raises:
        DownloadError: a file has a wrong checksum, or could not be fetched or stored.
        DataError: a file cannot be read.
    """
    paths = [_fetch(remote, file, data_dir, progress) for file in remote.files]
    train, test = IdxFiles(*paths[:2]), IdxFiles(*paths[2:])
    return load_idx(remote.name, train, test, remote.class_names)


def find_remote(remote: RemoteSet, data_dir: Path | None) -> Path | None:
    """The folder on this machine that holds all four files; their checksums are not looked at."""
    for folder in _folders(remote, data_dir):
        if all(find_file(folder, file.name) for file in remote.files):
            return folder
    return None


def download_folder(remote: RemoteSet, data_dir: Path | None) -> Path:
    """Where a download of the set would go."""
    return _folders(remote, data_dir)[0]


def _folders(remote: RemoteSet, data_dir: Path | None) -> list[Path]:
    import pooch

    cache = Path(pooch.os_cache("edgedigits")) / remote.name
    return [cache] if data_dir is None else [data_dir / remote.name, cache]


def _fetch(remote: RemoteSet, file: RemoteFile, data_dir: Path | None, progress: Progress) -> Path:
    if data_dir is not None and (own := find_file(data_dir / remote.name, file.name)):
        _check_own(own, file, remote)
        return own
    folders = _folders(remote, data_dir)
    cached = find_file(folders[-1], file.name)
    if cached and file_digest(cached) == _expected(cached, file):
        return cached
    return _download(remote, file, folders[0], progress)


def _expected(path: Path, file: RemoteFile) -> str:
    return file.sha256 if path.suffix == ".gz" else file.sha256_unzipped


def _check_own(path: Path, file: RemoteFile, remote: RemoteSet) -> None:
    found = file_digest(path)
    if found != _expected(path, file):
        raise DownloadError(
            f"{path}: wrong checksum: expected SHA-256 {_expected(path, file)}, found {found}; "
            f"take the file away to download it again, or, if it is meant to differ from "
            f"{remote.name}, give the folder as DATA: {path.parent}"
        )


def _download(remote: RemoteSet, file: RemoteFile, folder: Path, progress: Progress) -> Path:
    """Into ``folder``, by way of a temporary file: nothing is there until the checksum is right."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # it would print lines of its own
    target = f"{file.name}.gz"
    bar = _DownloadBar(f"downloading {remote.name} {target}", file.bytes, progress.update)
    http = pooch.HTTPDownloader(progressbar=bar, chunk_size=BLOCK, timeout=TIMEOUT_S)
    fetch = _Downloader(http, pooch.file_hash)
    files = pooch.create(
        path=folder,
        base_url=remote.url(),
        registry={target: f"sha256:{file.sha256}"},
        retry_if_failed=RETRIES,
    )
    try:
        path = Path(files.fetch(target, downloader=fetch))
    except requests.exceptions.RequestException as error:
        raise DownloadError(_unreachable(remote, target, folder, error)) from error
    except ValueError as error:
        raise DownloadError(
            f"{remote.url()}{target}: wrong checksum: expected SHA-256 {file.sha256}, found "
            f"{fetch.found}; nothing was kept; try again, or put the right file into {folder}"
        ) from error
    except OSError as error:
        raise DownloadError(
            f"{folder}: cannot store {target} there: {error.strerror or error}; name another "
            "folder with --data-dir"
        ) from error
    progress.say(f"downloaded {path}")
    return path


def _unreachable(remote: RemoteSet, target: str, folder: Path, error: Exception) -> str:
    names = ", ".join(f"{file.name}.gz" for file in remote.files)
    return (
        f"{remote.name}: cannot download {remote.url()}{target} ({_cause(error)}); with no "
        f"network, put these files into {folder}: {names}"
    )


def _cause(error: Exception) -> str:
    import requests

    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    if isinstance(error, requests.exceptions.Timeout):
        return "the server does not answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection to the server"
    return " ".join(str(error).split())


@dataclass
class _Downloader:
    """pooch's downloader, remembering the checksum of what it brought, for the message."""

    http: Any
    digest: Callable[[str], str]
    found: str = field(default="", init=False)

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        self.http(url, output_file, pooch)
        self.found = self.digest(output_file)


class _DownloadBar:
    """Passes pooch's calls, which follow tqdm's manner, on as progress in bytes."""

    def __init__(
        self, what: str, expected: int, show: Callable[[str, float, float | None, str], None]
    ) -> None:
        self.total = expected
        self._what = what
        self._show = show
        self._done = 0

    def update(self, count: int) -> None:
        # pooch counts whole blocks, also for the last one.
        self._done = min(self._done + count, self.total) if self.total else self._done + count
        note = f"{self._done / 1e6:.1f} MB"
        self._show(self._what, self._done, self.total or None, note)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """tqdm's end; the next step begins by itself."""
