"""What a command's FILE means: a path, the name of a shipped file, or a bundle."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from edgedigits.device.bundle.contents import is_bundle, open_bundle
from edgedigits.device.bundle.verifying import write_model
from edgedigits.zoo import resolve_file

Result = TypeVar("Result", bound=Any)  # a frozen dataclass with a ``file``

# Folders that are removed when the process ends; model → bundle.
_unpacked: list[tempfile.TemporaryDirectory[str]] = []
_bundles: dict[Path, Path] = {}


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
    model = write_model(bundle, folder, f"{path.stem}.tflite")
    _bundles[model] = path
    return model


def as_given(result: Result) -> Result:
    """A frozen result whose ``file`` is the bundle where it was of a model unpacked from one."""
    bundle = _bundles.get(result.file)
    return result if bundle is None else replace(result, file=bundle)


def name_bundles(text: str) -> str:
    """A message with the bundle's name wherever it holds that of a model unpacked from it."""
    for model, bundle in _bundles.items():
        text = text.replace(str(model), str(bundle))
    return text
