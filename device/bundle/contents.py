"""From parts to a bundle's bytes, and from a file to a bundle whose parts are as they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgedigits.device.bundle.archive import LOCAL, LOCAL_HEADER, pack, read_file, unpack
from edgedigits.device.bundle.golden import Golden, array_bytes, golden_of
from edgedigits.device.bundle.manifest import Choice, Maker, Manifest, part_of
from edgedigits.device.bundle.signature import Signature
from edgedigits.device.metadata import Metadata, metadata_of_text, read_metadata
from edgedigits.device.sidecar import sidecar
from edgedigits.errors import BundleError

MANIFEST, SIGNATURE = "manifest.json", "signature.json"
MODEL, SIDECAR = "model.tflite", "model.json"
PICTURES, REFERENCE, DEFAULT = "golden/pictures.npy", "golden/reference.npy", "golden/default.npy"
PARTS = (MODEL, SIDECAR, PICTURES, REFERENCE, DEFAULT)

Sign = Callable[[bytes], bytes]  # from the manifest's bytes to the signature's


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose parts are those that its manifest names. Who made it is another question.

    Attributes:
        path: the file, for messages. sha256: of the whole file. size: of it, in bytes.
        manifest: what it says of itself; manifest_text: the bytes that a signature covers.
        model: the ``.tflite`` file. beside: the JSON file that belongs beside it.
        metadata: labels, preprocessing and threshold.
        golden: pictures and expected outputs.
        signature: as the file has it, not yet checked; None: unsigned.
    """

    path: Path
    sha256: str
    size: int
    manifest: Manifest
    manifest_text: bytes
    model: bytes
    beside: bytes
    metadata: Metadata
    golden: Golden
    signature: Signature | None


def is_bundle(path: Path) -> bool:
    """Whether a file begins like a bundle; False where it cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would wait for its other end
            return False
        with path.open("rb") as file:
            head = file.read(LOCAL_HEADER.size + len(MANIFEST))
    except (OSError, ValueError):
        return False
    return head[:4] == LOCAL and head[LOCAL_HEADER.size :] == MANIFEST.encode()


def bundle_bytes(
    name: str,
    model: bytes,
    metadata: Metadata,
    golden: Golden,
    choice: Choice,
    made: Maker,
    sign: Sign | None = None,
) -> bytes:
    """A bundle's file; the same arguments always give the same bytes.

    Args:
        name: what the model is known by. model: the ``.tflite`` file's bytes.
        metadata: of it. golden: pictures and what was computed of them.
        choice: how they were chosen. made: where that was.
        sign: makes the signature's part of the manifest; None: unsigned.
    """
    beside = json.dumps(sidecar(model, metadata), indent=1, ensure_ascii=False) + "\n"
    contents = {
        MODEL: model,
        SIDECAR: beside.encode(),
        PICTURES: array_bytes(golden.pictures),
        REFERENCE: array_bytes(golden.reference),
        DEFAULT: array_bytes(golden.default),
    }
    parts = tuple(part_of(part, content) for part, content in contents.items())
    manifest = Manifest(name, parts, choice, made).to_bytes()
    signature = {} if sign is None else {SIGNATURE: sign(manifest)}
    return pack({MANIFEST: manifest, **contents, **signature})


def open_bundle(path: Path) -> Bundle:
    """Read a bundle and hold every part against its manifest.

    Raises:
        UsageError: there is no such file.
        BundleError: it is no bundle, damaged, of another version, or made to deceive.
    """
    return bundle_of(read_file(path), path)


def bundle_of(data: bytes, path: Path) -> Bundle:
    """A bundle out of a file's bytes; ``path`` and errors as :func:`open_bundle`."""
    contents = unpack(data, str(path))
    try:
        return _bundle(data, path, contents)
    except ValueError as error:
        raise BundleError(f"{path}: refused: {error}") from error


def _bundle(data: bytes, path: Path, contents: dict[str, bytes]) -> Bundle:
    known = (MANIFEST, *PARTS, SIGNATURE)
    for name in contents:
        if name not in known:
            raise ValueError(f"{name[:80]!r} is no part of a bundle")
    for name in (MANIFEST, *PARTS):
        if name not in contents:
            raise ValueError(f"{name} is missing")
    if list(contents) != [name for name in known if name in contents]:
        raise ValueError("its parts are in another order")
    manifest = Manifest.from_bytes(contents[MANIFEST])
    _check_parts(manifest, contents)
    model, beside = contents[MODEL], contents[SIDECAR]
    return Bundle(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        manifest=manifest,
        manifest_text=contents[MANIFEST],
        model=model,
        beside=beside,
        metadata=_metadata(model, beside),
        golden=golden_of(*(contents[name] for name in (PICTURES, REFERENCE, DEFAULT))),
        signature=Signature.from_bytes(contents[SIGNATURE]) if SIGNATURE in contents else None,
    )


def _check_parts(manifest: Manifest, contents: dict[str, bytes]) -> None:
    if tuple(part.name for part in manifest.parts) != PARTS:
        raise ValueError("its manifest does not name the parts of a bundle")
    for part in manifest.parts:
        found = part_of(part.name, contents[part.name])
        if found.bytes != part.bytes:
            raise ValueError(
                f"{part.name} has {found.bytes:,} bytes, its manifest says {part.bytes:,}"
            )
        if found.sha256 != part.sha256:
            raise ValueError(f"{part.name} is not the one its manifest names (another sha256)")


def _metadata(model: bytes, beside: bytes) -> Metadata:
    """What the JSON says, which has to be of this model and what the model says itself."""
    try:
        document = json.loads(beside)
        digest, text = document["sha256"], json.dumps(document["metadata"]).encode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{SIDECAR} says nothing of a model") from error
    if digest != hashlib.sha256(model).hexdigest():
        raise ValueError(f"{SIDECAR} was written for another model")
    metadata, inside = metadata_of_text(text), read_metadata(model)
    if metadata is None:
        raise ValueError(f"{SIDECAR} says nothing of a model")
    if inside is not None and inside != metadata:
        raise ValueError(f"{SIDECAR} says something else than the model itself")
    return metadata
