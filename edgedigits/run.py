"""The run folder: the names of its files, its manifest, and writing without breaking anything.

Each step of the work reads and writes named files of one folder::

    runs/NAME/
      run.json             command, model, data and its digests, seed, settings, versions, host
      split.json           indices of the validation (and held-out test) pictures
      model.keras          the float model; pruned.keras and channels.keras beside it
      history.json         loss and accuracy by epoch
      crops.npz            crops that the model was fine-tuned on
      calibration.json     the calibration set: indices, class counts, method, seed, digest
      edgetpu/VARIANT_edgetpu.tflite  compiled for an Edge TPU, with the compiler's log
      exports/VARIANT.tflite  and VARIANT-slim.json beside VARIANT-slim.tflite;
                          VARIANT_model.c and VARIANT_model.h, with --c-array
      evaluations/VARIANT.json
      devices/HOST.json    what 'bench --host' measured there
      diagnosis/           diagnosis.json and pictures
      report/              pictures and report.html
      shrink/              what searches for the smallest file keep; shrink.json the last result
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from edgedigits import __version__
from edgedigits.errors import RunError, UsageError
from edgedigits.run_manifest import check_manifest

SCHEMA_VERSION = 1
NOT_ORDINARY = "is no ordinary file"

# What reading a damaged .npz file raises: NumPy, zipfile and zlib each have their own.
DAMAGED_NPZ = (OSError, ValueError, KeyError, EOFError, RuntimeError, BadZipFile, zlib.error)


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run. Nothing is read or written by asking for a path."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @property
    def manifest_file(self) -> Path:
        """``run.json``."""
        return self.path / "run.json"

    @property
    def split_file(self) -> Path:
        """``split.json``."""
        return self.path / "split.json"

    @property
    def history_file(self) -> Path:
        """``history.json``."""
        return self.path / "history.json"

    @property
    def crops_file(self) -> Path:
        """``crops.npz``."""
        return self.path / "crops.npz"

    @property
    def calibration_file(self) -> Path:
        """``calibration.json``."""
        return self.path / "calibration.json"

    @property
    def exports(self) -> Path:
        """Folder of the ``.tflite`` files."""
        return self.path / "exports"

    @property
    def evaluations(self) -> Path:
        """Folder of the evaluation results."""
        return self.path / "evaluations"

    @property
    def report(self) -> Path:
        """Folder of pictures and ``report.html``."""
        return self.path / "report"

    @property
    def diagnosis(self) -> Path:
        """Folder of what ``diagnose`` found."""
        return self.path / "diagnosis"

    @property
    def devices(self) -> Path:
        """Folder of what ``bench --host`` brought home, ``HOST.json`` each."""
        return self.path / "devices"

    def model_file(self, source: str = "model") -> Path:
        """``SOURCE.keras``; source is ``model``, ``pruned`` or ``channels``."""
        return self.path / f"{source}.keras"

    @property
    def edgetpu(self) -> Path:
        """``edgetpu``, the folder of files compiled for an Edge TPU."""
        return self.path / "edgetpu"

    def export_file(self, variant: str) -> Path:
        """``exports/VARIANT.tflite``."""
        return self.exports / f"{variant}.tflite"

    def manifest(self) -> dict[str, Any]:
        """The content of ``run.json``.

        Raises:
            RunError: the file is missing, is not a manifest, or holds a value of another kind than
                is written there.
        """
        manifest = read_json(self.manifest_file, "the run's manifest")
        check_manifest(manifest, self.manifest_file)
        return manifest

    def recorded(self, part: str, *names: str) -> dict[str, Any]:
        """A part of ``run.json``, as ``model`` or ``data``, that must hold these names.

        Raises:
            RunError: as :meth:`manifest`, or the part or one of the names is missing.
        """
        found: dict[str, Any] = self.manifest().get(part, {})
        missing = next((name for name in names if name not in found), None)
        if missing is not None:
            raise RunError(f"{self.manifest_file}: lacks {part}.{missing}; make the run again")
        return found

    def update_manifest(self, **fields: Any) -> dict[str, Any]:
        """Set top-level fields of ``run.json``, keeping all others; returns the new content."""
        manifest = self.manifest() if self.manifest_file.exists() else {}
        manifest.update(fields)
        write_json(self.manifest_file, manifest)
        return manifest


def open_run(path: Path) -> RunFolder:
    """The run at a path.

    Raises:
        UsageError: there is no such folder.
        RunError: the folder is not a run, or holds no model.
    """
    run = RunFolder(path)
    if not path.is_dir():
        raise UsageError(f"{path}: {_no_folder(path)}")
    if not run.manifest_file.is_file():
        raise RunError(
            f"{path}: not a run folder, it holds no run.json; see 'edgedigits train --help'"
        )
    if not run.model_file().is_file():
        if unfinished(path):
            raise RunError(
                f"{path}: the run holds no model.keras yet; go on with its training by "
                f"{resume_command(path)}"
            )
        raise RunError(
            f"{path}: the run holds no model.keras yet; run 'edgedigits train … --run {path}'"
        )
    return run


def _no_folder(path: Path) -> str:
    """What to do about a path that is wanted as a run and is no folder."""
    kind = path.suffix.lower()
    if not path.exists() or kind not in (".keras", ".h5", ".tflite"):
        wrong = "no such run folder" if not path.exists() else "is a file, not a run folder"
        return f"{wrong}; make one with 'edgedigits train --run RUN'"
    around = path.resolve().parent
    if kind == ".tflite" and RunFolder(around.parent).manifest_file.is_file():
        return f"is a file, not a run folder; name the run that it lies in, {around.parent}"
    model = path if kind != ".tflite" else "MODEL.keras"
    of = "" if kind != ".tflite" else " of the Keras model it was made of"
    return (
        f"is a file, not a run folder; make one{of} with "
        f"'edgedigits import {model} --data DATA --run RUN'"
    )


def unfinished(path: Path) -> bool:
    """Whether a folder holds a training that ``train --resume`` would go on with."""
    try:
        manifest = RunFolder(path).manifest()
    except RunError:
        return False
    return isinstance(manifest.get("settings"), dict) and manifest.get("training") == {
        "complete": False
    }


def resume_command(path: Path) -> str:
    """How to go on with an interrupted training, for a message."""
    return f"'edgedigits train --run {path} --resume'"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError while writing ``path`` into one clear line.

    Raises:
        RunError: naming the path and the cause (disk full, no permission, …).
    """
    try:
        yield
    except OSError as error:
        fix = {
            errno.ENOSPC: "the disk is full; free some space and run the command again",
            errno.EDQUOT: "the disk quota is used up; free some space and run the command again",
            errno.EACCES: "no permission to write there; choose another folder",
            errno.EROFS: "the file system is read-only; choose another folder",
            errno.ENOTDIR: "a part of the path is a file; choose another folder",
            errno.EEXIST: "a part of the path is a file; choose another folder",
        }.get(error.errno or 0, error.strerror or str(error))
        raise RunError(f"{path}: cannot write: {fix}") from error


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well.

    The temporary name keeps the suffix, because Keras and OpenCV choose a format by it.

    Raises:
        RunError: the folder cannot be written or the disk is full; ``path`` is as it was before.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
    temporary = Path(name)
    try:
        with writing(path):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file at once, or not at all. Raises RunError as :func:`atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_together(*files: tuple[Path, bytes]) -> None:
    """Write files that belong together, or none of them; the last named takes its place last.

    Raises:
        RunError: as :func:`atomic_path`; all files are as they were before.
    """
    with contextlib.ExitStack() as stack:
        for path, data in reversed(files):
            with stack.enter_context(atomic_path(path)).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # so that no file takes its place before all have room


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file at once, or not at all. Raises RunError as :func:`atomic_path`."""
    write_bytes(path, text.encode())


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON document, ``schema_version`` first. Raises RunError as :func:`atomic_path`."""
    document = {"schema_version": SCHEMA_VERSION, **document}
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_file(path: Path) -> bytes:
    """The bytes of an ordinary file, and never a wait for the other end of a pipe.

    Raises:
        OSError: it cannot be read, or is something else.
    """

    def at_once(name: str, flags: int) -> int:  # a named pipe would have us wait for a writer
        return os.open(name, flags | os.O_NONBLOCK)

    with open(path, "rb", opener=at_once) as file:  # Path.open takes no opener
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, NOT_ORDINARY, str(path))
        return file.read()


def not_a_file(path: Path) -> str:
    """What is wrong with a path that is no file, for a message."""
    if path.is_dir():
        return "is a folder"
    return NOT_ORDINARY if path.exists() else "no such file"


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON document.

    Args:
        path: the file.
        what: what the file is, for the message, for example ``"the calibration set"``.

    Raises:
        RunError: the file is missing, is not JSON, or is of another schema version.
    """
    try:
        document = json.loads(read_file(path).decode("utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: not found; it should hold {what}") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read as {what}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read as {what}: {error}") from error
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
        raise RunError(f"{path}: not {what} of schema version {SCHEMA_VERSION}; make it again")
    return document


def child_environment() -> dict[str, str]:
    """The environment of a child started with ``python -m``.

    The current folder stays off its module path (from Python 3.11 on), so that a file ``numpy.py``
    that lies there is not run.
    """
    return {**os.environ, "PYTHONSAFEPATH": "1"}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def code_digest() -> str:
    """SHA-256 over every Python file of this package, names and contents, in hexadecimal."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    # Followed, because a checkout links some of the folders that an installed package holds.
    for folder, below, files in os.walk(package, followlinks=True):
        below.sort()
        for name in sorted(files):
            if name.endswith(".py"):
                file = Path(folder) / name
                digest.update(f"{file.relative_to(package).as_posix()}\0".encode())
                digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def command_line() -> str:
    """The command as the user typed it, without the folder of the program."""
    import shlex

    return shlex.join(["edgedigits", *sys.argv[1:]])


def host_facts() -> dict[str, Any]:
    """Machine, operating system, Python and processor count, for manifests."""
    return {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    return platform.processor()


def package_versions(*names: str) -> dict[str, str]:
    """Installed versions of edgedigits and the packages named; those not installed are left out."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"edgedigits": __version__}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
