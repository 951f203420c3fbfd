"""Wheels made of what is installed here: edgedigits itself, and pip."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import edgedigits
from edgedigits.errors import DeviceError
from edgedigits.files import write_bytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = None

CHECKOUT = Path(edgedigits.__file__).resolve().parent.parent
DAY = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can hold: the same files, the same wheel
WHEEL = "Wheel-Version: 1.0\nGenerator: edgedigits\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
NOT_CARRIED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "WHEEL", "METADATA")
NEEDS = ("Requires-Dist:", "Provides-Extra:")


def own_wheel(folder: Path) -> Path:
    """A wheel of the edgedigits that runs this, installed or in a checkout.

    Raises:
        DeviceError: it was not installed by pip, so that nothing says what it needs.
    """
    try:
        found = distribution("edgedigits")
    except PackageNotFoundError:
        raise DeviceError(
            "this edgedigits was not installed by pip; name a wheel of it with --wheel"
        ) from None
    package = Path(edgedigits.__file__).parent
    content = {
        f"edgedigits/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in _package_files(package)
    }
    return _write_wheel(folder, "edgedigits", edgedigits.__version__, found, content)


def pip_wheel(folder: Path) -> Path:
    """A wheel of the pip that is installed here. Raises DeviceError where none is."""
    try:
        found = distribution("pip")
    except PackageNotFoundError:
        raise DeviceError("pip is not installed here; run 'python -m ensurepip'") from None
    content = {
        str(file): Path(str(file.locate())).read_bytes()
        for file in found.files or []
        if str(file).startswith("pip/") and not str(file).endswith(".pyc")
    }
    return _write_wheel(folder, "pip", found.version, found, content)


def _package_files(package: Path) -> Iterable[Path]:
    for entry in sorted(package.iterdir()):
        if entry.name == "__pycache__" or entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _package_files(entry)
        elif entry.suffix != ".pyc":
            yield entry


def _write_wheel(
    folder: Path, name: str, version: str, found: Distribution, content: Mapping[str, bytes]
) -> Path:
    info = f"{name}-{version}.dist-info"
    metadata = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    metadata = re.sub(r"(?m)^Version: .*$", f"Version: {version}", metadata, count=1)
    if name == "edgedigits":
        metadata = _with_needs(metadata, CHECKOUT / "pyproject.toml")
    files = dict(content)
    for file in found.files or []:
        inside = str(file).partition(".dist-info/")[2]
        if inside and inside not in NOT_CARRIED and not inside.startswith(".."):
            files[f"{info}/{inside}"] = Path(str(file.locate())).read_bytes()
    files |= _unlisted(name, found, info)
    files |= {f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": WHEEL.encode()}
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, DAY)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    write_bytes(wheel, target.getvalue())
    return wheel


def _unlisted(name: str, found: Distribution, info: str) -> dict[str, bytes]:
    """What a wheel has to hold and a checkout's egg-info does not list."""
    files = {}
    if programs := found.read_text("entry_points.txt"):
        files[f"{info}/entry_points.txt"] = programs.encode()
    licence = CHECKOUT / "LICENSE"
    if name == "edgedigits" and (CHECKOUT / "pyproject.toml").is_file() and licence.is_file():
        files[f"{info}/licenses/LICENSE"] = licence.read_bytes()
    return files


def _with_needs(metadata: str, project: Path) -> str:
    """Metadata with what a checkout needs now: an editable install's is of the day it was made."""
    if tomllib is None:
        return metadata
    try:
        told = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, ValueError):
        return metadata
    if told.get("name") != "edgedigits":
        return metadata
    needs = [f"Requires-Dist: {need}" for need in told["dependencies"]]
    for extra, wanted in told["optional-dependencies"].items():
        needs.append(f"Provides-Extra: {extra}")
        for need in wanted:
            requirement, _, marker = (part.strip() for part in need.partition(";"))
            both = f'({marker}) and extra == "{extra}"' if marker else f'extra == "{extra}"'
            needs.append(f"Requires-Dist: {requirement}; {both}")
    head, _, text = metadata.partition("\n\n")
    kept = [line for line in head.splitlines() if not line.startswith(NEEDS)]
    return "\n".join([*kept, *needs]) + f"\n\n{text}"


def _record(files: Mapping[str, bytes], own: str) -> bytes:
    lines = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}\n")
    return ("".join(lines) + f"{own},,\n").encode()
