"""What a model file says of itself: labels, preprocessing, digests.

edgedigits puts a JSON document into every file it exports, as a TFLite metadata entry named
``edgedigits``. It is read here with the generic FlatBuffers table reader, because the device has
nothing else, and a wrong file must not do more than be refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import flatbuffers.table
from flatbuffers.number_types import UOffsetTFlags

from edgedigits.errors import ModelFileError, UsageError
from edgedigits.preprocess import Preprocessing

METADATA_NAME = "edgedigits"
METADATA_VERSION = 1
FILE_IDENTIFIER = b"TFL3"
DIGEST_FIELD = b'"content_sha256": "'
NO_DIGEST = b"0" * 64
LARGEST = 1 << 31  # bytes; a FlatBuffer's offsets reach no further

# Field numbers of tensorflow/compiler/mlir/lite/schema/schema.fbs, tables Model, Metadata, Buffer.
MODEL_BUFFERS, MODEL_METADATA = 4, 6
METADATA_NAME_FIELD, METADATA_BUFFER_FIELD = 0, 1
BUFFER_DATA = 0


@dataclass(frozen=True)
class Rejection:
    """From which score on an answer of this file counts, fitted on pictures it did not learn from.

    Attributes:
        threshold: of the highest score among the digits, 0 to 1.
        coverage: share of the digits whose score reaches it; digits: how many were tried.
        false_accepts: share of other pictures whose score reaches it; others: how many.
    """

    threshold: float
    coverage: float
    false_accepts: float
    digits: int
    others: int


@dataclass(frozen=True)
class Metadata:
    """What an exported file carries.

    Attributes:
        variant: the export's name, for example ``int8``.
        source: which Keras model it was made of: ``model``, ``pruned`` or ``channels``.
        model: the architecture's name.
        recipe: the conversion recipe, as plain values.
        labels: one name a class.
        preprocessing: how a picture becomes an input.
        output: ``probabilities`` or ``logits``.
        data: name of the data set it was trained on.
        digests: SHA-256 of ``model`` (the .keras file), ``data`` and ``calibration``.
        versions: packages that made it.
        rejection: from which score on an answer counts; None: that was not fitted.
    """

    variant: str
    source: str
    model: str
    recipe: dict[str, Any]
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    output: str
    data: str
    digests: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    rejection: Rejection | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values, in a fixed order."""
        return {
            "edgedigits": METADATA_VERSION,
            "variant": self.variant,
            "source": self.source,
            "model": self.model,
            "recipe": self.recipe,
            "labels": list(self.labels),
            "preprocessing": self.preprocessing.to_json(),
            "output": self.output,
            "data": self.data,
            "digests": self.digests,
            "versions": self.versions,
            "rejection": None if self.rejection is None else asdict(self.rejection),
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> Metadata:
        """The reverse of :meth:`to_json`; KeyError, TypeError or ValueError on anything else."""
        if document["edgedigits"] != METADATA_VERSION:
            raise ValueError(f"metadata version {document['edgedigits']}")
        preprocessing = document["preprocessing"]
        low, high = float(preprocessing["low"]), float(preprocessing["high"])
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"input range {low} to {high}")
        return Metadata(
            variant=str(document["variant"]),
            source=str(document["source"]),
            model=str(document["model"]),
            recipe=dict(document["recipe"]),
            labels=tuple(str(label) for label in document["labels"]),
            preprocessing=Preprocessing(
                side=int(preprocessing["side"]),
                box=int(preprocessing["box"]),
                ink=str(preprocessing["ink"]),
                low=low,
                high=high,
            ),
            output=str(document["output"]),
            data=str(document["data"]),
            digests={str(k): str(v) for k, v in document["digests"].items()},
            versions={str(k): str(v) for k, v in document["versions"].items()},
            rejection=_rejection(document.get("rejection")),
        )


def _rejection(document: dict[str, Any] | None) -> Rejection | None:
    if document is None:
        return None
    made = Rejection(
        threshold=float(document["threshold"]),
        coverage=float(document["coverage"]),
        false_accepts=float(document["false_accepts"]),
        digits=int(document["digits"]),
        others=int(document["others"]),
    )
    if not all(0 <= share <= 1 for share in (made.threshold, made.coverage, made.false_accepts)):
        raise ValueError(f"rejection {made}")
    return made


def read_model_bytes(path: Path) -> bytes:
    """The bytes of a ``.tflite`` file.

    Raises:
        UsageError: there is no such file.
        ModelFileError: it cannot be read, is no ordinary file, is empty, does not begin like a
            TFLite file, or is larger than one can be.
    """
    try:
        status = path.stat()
        if not (S_ISREG(status.st_mode) or S_ISDIR(status.st_mode)):  # a pipe may never end
            raise ModelFileError(f"{path}: not a TFLite file: not an ordinary file")
        with path.open("rb") as file:
            data = file.read(8)
            if data[4:] == FILE_IDENTIFIER:
                if status.st_size > LARGEST:
                    size = f"{status.st_size:,} bytes"
                    raise ModelFileError(f"{path}: not a TFLite file: {size} are too many")
                file.seek(0)
                data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
    if not data:
        raise ModelFileError(f"{path}: the file is empty")
    if data[4:8] != FILE_IDENTIFIER:
        raise ModelFileError(
            f"{path}: not a TFLite file (bytes 4 to 8 are {data[4:8]!r}, not {FILE_IDENTIFIER!r})"
        )
    return data


def read_metadata(data: bytes) -> Metadata | None:
    """The metadata of a file's bytes, or None where there is none that can be understood.

    Never raises for a damaged file: what cannot be read counts as absent.
    """
    blob = _metadata_blob(data)
    if blob is None:
        return None
    return metadata_of_text(blob)


def metadata_of_text(text: bytes) -> Metadata | None:
    """Metadata as JSON, or None where it cannot be understood."""
    try:
        return Metadata.from_json(json.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return None


def is_unchanged(data: bytes) -> bool:
    """Whether the file is, byte for byte, what edgedigits wrote.

    The digest in the metadata covers the whole file with the digest itself taken as zeros. It finds
    damage and foreign edits; it is no signature.
    """
    blob = _metadata_blob(data)
    if blob is None or DIGEST_FIELD not in blob:
        return False
    start = blob.index(DIGEST_FIELD) + len(DIGEST_FIELD)
    digest = blob[start : start + len(NO_DIGEST)]
    return content_digest(data, digest) == digest


def content_digest(data: bytes, digest: bytes = NO_DIGEST) -> bytes:
    """SHA-256, as 64 hexadecimal bytes, of a file whose own ``digest`` is taken as zeros."""
    if data.count(DIGEST_FIELD + digest) != 1:
        return b""
    blank = data.replace(DIGEST_FIELD + digest, DIGEST_FIELD + NO_DIGEST)
    return hashlib.sha256(blank).hexdigest().encode()


def _metadata_blob(data: bytes) -> bytes | None:
    # struct.error, IndexError and the like: every way in which a damaged file leads outside itself.
    try:
        return _find_blob(data)
    except Exception:
        return None


def _find_blob(data: bytes) -> bytes | None:
    if data[4:8] != FILE_IDENTIFIER:
        return None
    model = flatbuffers.table.Table(data, int.from_bytes(data[:4], "little"))
    entries = _field(model, MODEL_METADATA)
    buffers = _field(model, MODEL_BUFFERS)
    if entries is None or buffers is None:
        return None
    for i in range(min(model.VectorLen(entries), 1000)):
        entry = _element(model, entries, i)
        name = _field(entry, METADATA_NAME_FIELD)
        if name is None or entry.String(name + entry.Pos) != METADATA_NAME.encode():
            continue
        number = entry.Offset(4 + 2 * METADATA_BUFFER_FIELD)
        index = int.from_bytes(data[entry.Pos + number :][:4], "little") if number else 0
        if index >= model.VectorLen(buffers):
            return None
        buffer = _element(model, buffers, index)
        content = _field(buffer, BUFFER_DATA)
        if content is None:
            return None
        start = buffer.Vector(content)
        return data[start : start + buffer.VectorLen(content)]
    return None


def _field(table: Any, number: int) -> int | None:
    offset = table.Offset(4 + 2 * number)
    return offset or None


def _element(table: Any, vector: int, index: int) -> Any:
    position = table.Vector(vector) + 4 * index
    indirect = table.Get(UOffsetTFlags, position) + position
    return flatbuffers.table.Table(table.Bytes, indirect)
