"""Bundles taken apart and put together with zipfile, json and hashlib alone."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from helpers_models import dense_file, nearest_mean

from edgedigits.convert.stamp import stamp
from edgedigits.data.builtin import load_digits
from edgedigits.device.metadata import Metadata
from edgedigits.preprocess import Preprocessing

Parts = dict[str, bytes]
DIGITS = tuple("0123456789")
NAMES = [
    "manifest.json",
    "model.tflite",
    "model.json",
    "golden/pictures.npy",
    "golden/reference.npy",
    "golden/default.npy",
]


def parts_of(bundle: Path | bytes) -> Parts:
    """Every member of the zip file."""
    source = io.BytesIO(bundle) if isinstance(bundle, bytes) else bundle
    with zipfile.ZipFile(source) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: Parts | list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of entries that look like a bundle's."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items() if isinstance(parts, dict) else parts:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.compress_type = method
            archive.writestr(entry, content)
    return target.getvalue()


def with_manifest(parts: Parts, change: Callable[[Any], object] = lambda document: None) -> Parts:
    """The parts with sizes and digests that fit them, and the manifest changed."""
    document = json.loads(parts["manifest.json"])
    for part in document["parts"]:
        content = parts[part["name"]]
        part |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change(document)
    return {**parts, "manifest.json": json.dumps(document).encode()}


def with_model(parts: Parts, model: bytes) -> Parts:
    """The parts with another model, every digest recomputed."""
    beside = json.loads(parts["model.json"])
    beside |= {"bytes": len(model), "sha256": hashlib.sha256(model).hexdigest()}
    changed = {**parts, "model.tflite": model, "model.json": json.dumps(beside).encode()}
    return with_manifest(changed)


def metadata(labels: tuple[str, ...] = DIGITS, output: str = "probabilities") -> Metadata:
    """Metadata of a float file of these classes."""
    return Metadata(
        variant="float32",
        source="model",
        model="nearest-mean",
        recipe={},
        labels=labels,
        preprocessing=Preprocessing(),
        output=output,
        data="digits",
        digests={},
    )


def float_file(*, softmax: bool = True, labels: tuple[str, ...] = DIGITS) -> bytes:
    """The nearest-mean classifier of the embedded digits, with metadata."""
    train = load_digits().train
    assert train.labels is not None
    weights, bias = nearest_mean(train.images, train.labels, 10)
    data = dense_file(weights, bias, softmax=softmax)
    return stamp(data, metadata(labels, "probabilities" if softmax else "logits"))


def array(part: bytes) -> np.ndarray[Any, Any]:
    """A ``.npy`` part, by NumPy's own reader."""
    loaded: np.ndarray[Any, Any] = np.load(io.BytesIO(part), allow_pickle=False)
    return loaded
