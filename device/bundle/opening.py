"""What a command's FILE means: a path, the name of a shipped file, or a bundle."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgedigits.device.bundle.contents import is_bundle, open_bundle
from edgedigits.device.bundle.verifying import write_model
from edgedigits.zoo import resolve_file

_unpacked: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


def resolve_model(name_or_path: str | Path) -> Path:
    """The ``.tflite`` file that a command's FILE means.

    Of a bundle, it is a copy with the JSON beside it, which is there as long as this process; its
    parts are held against its manifest, but neither signature nor golden pictures are looked at.

    Raises:
        UsageError: neither path nor name is there; the nearest name is named.
        ModelFileError: the shipped file is damaged. BundleError: the bundle is.
    """
    path = resolve_file(name_or_path)
    if not is_bundle(path):
        return path
    bundle = open_bundle(path)
    own = tempfile.TemporaryDirectory(prefix="edgedigits-bundle-")
    _unpacked.append(own)
    # A folder below: a run folder is looked for above a file, and above this one is nobody's.
    folder = Path(own.name) / "exports"
    folder.mkdir()
    return write_model(bundle, folder, f"{path.stem}.tflite")
