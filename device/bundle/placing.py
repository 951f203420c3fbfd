"""Put a bundle's model in place of the one that runs, all at once, and only after every check.

::

    FOLDER/
      3f9a…/model.tflite, model.json, manifest.json     one folder a bundle, never changed
      current → 3f9a…                                   replaced by a rename
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgedigits.device.bundle.contents import MANIFEST, MODEL, SIDECAR, Bundle, open_bundle
from edgedigits.device.bundle.verifying import Verification, verify
from edgedigits.errors import BundleError, EdgedigitsError
from edgedigits.files import writing

CURRENT = "current"
UNFINISHED = ".unfinished-"
DIGITS = 16  # of the bundle's SHA-256, as the name of its folder


@dataclass(frozen=True)
class Placed:
    """What is in place.

    Attributes:
        model: the ``.tflite`` file by way of ``current``.
        version: the folder that ``current`` leads to. before: the one it led to, or None.
        verification: what was found before anything was written.
    """

    model: Path
    version: Path
    before: Path | None
    verification: Verification


def place_bundle(path: Path, folder: Path, *, key: Path | None = None) -> Placed:
    """Verify a bundle here, and put its model, with what is known of it, in place.

    A kill or a power cut at any moment leaves the old model or the new one, whole. The version that
    was in place stays beside the new one.

    Args:
        path: the bundle, read once. folder: where models are kept; made where it is missing.
        key: file of the public key that the bundle must be signed with.

    Raises:
        UsageError, BundleError, MissingPackageError: a check failed; nothing was written.
        RunError: the folder cannot be written.
    """
    bundle = open_bundle(path)
    verification = verify(bundle, key=key)
    verification.require()
    with writing(folder), _alone(folder):
        version = _version(bundle, folder)
        before = current_version(folder)
        _switch(version)
    return Placed(folder / CURRENT / MODEL, version, before, verification)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process changes the folder, and clear what one that was killed left."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in folder.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(handle)


def current_version(folder: Path) -> Path | None:
    """The folder of the version in place; None where there is none.

    Open model and JSON by this path, not through ``current``, which may change between the two.
    """
    link = folder / CURRENT
    return folder / link.readlink().name if link.is_symlink() else None


def switch_to(version: Path) -> None:
    """Make a version that lies in its folder the current one, atomically, as to go back to it.

    Raises:
        BundleError: there is no such version, or it holds no model.
        RunError: the folder cannot be written.
    """
    if not (version / MODEL).is_file():
        raise BundleError(f"{version}: holds no {MODEL}, so it cannot be put in place")
    with writing(version.parent), _alone(version.parent):
        _switch(version)


def _switch(version: Path) -> None:
    folder = version.parent
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as own:
        link = Path(own) / CURRENT
        link.symlink_to(version.name)
        link.replace(folder / CURRENT)
    _flush(folder)


def _version(bundle: Bundle, folder: Path) -> Path:
    """The bundle's own folder, written whole or found whole."""
    contents = {MODEL: bundle.model, SIDECAR: bundle.beside, MANIFEST: bundle.manifest_text}
    target = folder / bundle.sha256[:DIGITS]
    number = 1
    while target.exists():
        if _holds(target, contents):
            return target
        number += 1  # damaged, and perhaps in use: it is left alone
        target = folder / f"{bundle.sha256[:DIGITS]}-{number}"
    made = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    try:
        made.chmod(0o755)
        for name, content in contents.items():
            with (made / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _flush(made)
        made.rename(target)
        _flush(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def _holds(version: Path, contents: dict[str, bytes]) -> bool:
    try:
        return all((version / name).read_bytes() == data for name, data in contents.items())
    except OSError:
        return False


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _main(bundle: Path, folder: Path, key: Path | None = None) -> int:
    """What ``edgedigits deploy`` runs on the device; prints what was placed as JSON."""
    try:
        placed = place_bundle(bundle, folder, key=key)
    except EdgedigitsError as error:
        sys.stderr.write(f"edgedigits: {str(error).replace(f'{bundle}: ', '')}\n")
        return error.exit_code
    model = hashlib.sha256(placed.model.read_bytes()).hexdigest()
    found = placed.verification
    facts = {"model": found.name, "variant": found.variant, "signed": found.signed}
    digests = {"bundle_sha256": found.sha256, "model_sha256": model}
    versions = {"versions": found.here.versions, "python": found.here.host["python"]}
    sys.stdout.write(json.dumps({**facts, **digests, **versions}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(*map(Path, sys.argv[1:])))
