"""Make a bundle: choose golden pictures, compute them by both kinds of kernels, write one file.

The golden pictures are those on which the two highest outputs lie closest together, where a machine
that computes otherwise shows first, and others by class share.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.registry import load_data
from edgedigits.data.split import stratified_sample
from edgedigits.device.bundle.contents import Bundle, Sign, bundle_bytes, bundle_of
from edgedigits.device.bundle.golden import Golden, stored_outputs
from edgedigits.device.bundle.manifest import Choice
from edgedigits.device.bundle.verifying import this_machine
from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import Metadata, read_model_bytes
from edgedigits.errors import DataError, ModelFileError, UsageError
from edgedigits.evaluate import Part, choose_part, take_at_most
from edgedigits.files import write_bytes
from edgedigits.progress import SILENT, Progress
from edgedigits.rejection import how_many, knows_digits

CLOSEST = 16  # golden pictures of the least margin
SHARED = 24  # and others, by class share
SEED = 0


def make_bundle(
    file: Path,
    out: Path,
    *,
    data: str | None = None,
    sign: Sign | None = None,
    overwrite: bool = False,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Bundle:
    """Write a bundle of a file. The same file, data, key and machine give the same bytes.

    Args:
        file: the ``.tflite`` file. out: the bundle to write.
        data: what golden pictures are chosen from, as for ``load_data``; None: the embedded digits.
        sign: of :func:`edgedigits.device.bundle.signature.key_signer`; None: unsigned.
        overwrite: whether ``out`` may be replaced.
        data_dir: where downloaded data lies. progress: told of long work.

    Raises:
        UsageError: ``out`` is there already, or an option does not fit.
        ModelFileError, DataError: the file or the data cannot be used.
        RunError: ``out`` cannot be written.
    """
    _check_out(out, overwrite)
    model = read_model_bytes(file)
    classifier = Classifier(file)
    metadata = _metadata(classifier)
    part = _part(classifier, metadata, data, data_dir, progress)
    progress.update("choose golden pictures", 0, None, f"{len(part.pictures):,} pictures")
    chosen, rule = choose_golden(classifier, part)
    pictures = part.pictures.images[chosen]
    progress.update("compute by reference kernels", 0, None, f"{len(pictures)} pictures")
    golden = Golden(
        pictures=pictures,
        reference=stored_outputs(Classifier(file, kernels="reference"), pictures),
        default=stored_outputs(classifier, pictures),
    )
    data_bytes = bundle_bytes(
        _plain(file.stem),
        model,
        metadata,
        golden,
        Choice(Path(part.data).name, part.split, part.pictures.digest, rule),
        this_machine(),
        sign,
    )
    made = bundle_of(data_bytes, out)
    write_bytes(out, data_bytes)
    return made


def _check_out(out: Path, overwrite: bool) -> None:
    if out.is_dir():
        raise UsageError(f"{out}: is a folder; name a file with --out")
    if out.exists() and not overwrite:
        raise UsageError(f"{out}: already exists; add --overwrite, or name another --out")


def _metadata(classifier: Classifier) -> Metadata:
    if classifier.metadata is None:
        raise ModelFileError(
            f"{classifier.path}: does not say what its classes are; a bundle takes files that "
            "'edgedigits export' wrote, a slim one with its JSON file beside it"
        )
    return classifier.metadata


def _part(
    classifier: Classifier,
    metadata: Metadata,
    data: str | None,
    data_dir: Path | None,
    progress: Progress,
) -> Part:
    if data is None and not knows_digits(metadata.labels):
        raise UsageError(
            f"{classifier.path}: its classes ({', '.join(metadata.labels[:3])}, …) are not the "
            "digits; name its data for the golden pictures with --data"
        )
    dataset = load_data(data or "digits", data_dir=data_dir, progress=progress)
    part = choose_part(dataset, classifier, None)
    if len(part.pictures) == 0:
        raise DataError(f"{part.data}: its {part.split} part holds no pictures")
    if metadata.labels[: len(part.class_names)] != part.class_names:
        raise DataError(
            f"{part.data}: its classes ({', '.join(part.class_names[:3])}, …) are not those of "
            f"{classifier.path} ({', '.join(metadata.labels[:3])}, …)"
        )
    return take_at_most(part, how_many(classifier))


def choose_golden(classifier: Classifier, part: Part) -> tuple[NDArray[np.int64], str]:
    """Which pictures are golden, and the rule in words.

    Args:
        classifier: the file, with default kernels. part: labelled pictures, at least one.

    Returns:
        Positions, int64, those of the least margin first; the rule.
    """
    labels = part.pictures.labels
    assert labels is not None
    outputs = classifier.run(classifier.inputs(part.pictures.images))
    closest = np.argsort(margins(outputs), kind="stable")[:CLOSEST].astype(np.int64)
    rest = np.setdiff1d(np.arange(len(labels), dtype=np.int64), closest)
    others = rest
    if len(rest) > SHARED:
        others = rest[stratified_sample(labels[rest], SHARED, SEED)]
    which = "" if part.split == "all" else f"{part.split} "
    rule = (
        f"of {len(labels):,} {which}pictures of {Path(part.data).name}: the {len(closest)} whose "
        f"two highest outputs (default kernels) lie closest, then {len(others)} by class share"
    )
    return np.concatenate([closest, others]), rule


def margins(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """How far the two highest outputs lie apart, ``[n]``, of ``[n, classes]``."""
    two = np.sort(outputs.astype(np.float64), axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def _plain(name: str) -> str:
    return re.sub(r"[^\w.+-]", "-", name)[:80]
