"""Opening ``.keras`` and ``.h5`` files of Keras 2 and Keras 3, also those that others made.

A file is read as data first: what it is made of decides which Keras opens it, and whether it may be
opened at all. Code inside a file (lambda layers) is never run.
"""

from __future__ import annotations

import json
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgedigits.errors import MissingPackageError, ModelFileError, RunError
from edgedigits.files import not_a_file, writing
from edgedigits.tf_loader import import_tf_keras

# Modules of Keras itself, as its files name them. The empty name is an object built into Keras 2.
KERAS_MODULES = re.compile(r"(keras|tf_keras)(\.|$)|builtins$|^$")
LARGE = 50_000_000  # bytes of a file from which on its weights are unpacked before they are read
WEIGHTS = "model.weights.h5"  # of a .keras archive
ZIP = b"PK\x03\x04"
UNREADABLE = (
    *(OSError, KeyError, TypeError, ValueError, EOFError, struct.error),
    *(zipfile.BadZipFile, zlib.error, RuntimeError),  # the last: what a zip may not hold here
)
CODE_CLASSES = {"Lambda", "__lambda__"}
UNKNOWN_NAME = re.compile(r"(?:Unknown [\w ]+: |Could not locate \w+ )'?([\w.>]+)")


@dataclass(frozen=True)
class KerasFacts:
    """What a Keras file holds.

    Attributes:
        framework: 2 or 3: the Keras that made it and opens it.
        version: its version, as written in the file.
        input_shape: of one picture, without the batch.
        classes: outputs of the head.
    """

    framework: Literal[2, 3]
    version: str
    input_shape: tuple[int, ...]
    classes: int


@dataclass(frozen=True)
class _Description:
    """The two texts inside every Keras file."""

    version: str
    config: Any

    @property
    def framework(self) -> Literal[2, 3]:
        return 3 if self.version.startswith("3") else 2


def load_keras(path: Path) -> Any:
    """The model of a file, uncompiled.

    A file of Keras 2 gives a ``tf_keras`` model, one of Keras 3 a ``keras`` model; which of them
    was imported before makes no difference.

    Raises:
        ModelFileError: not a Keras file, damaged, with custom objects, or with code inside.
        MissingPackageError: the extra ``train`` is not installed.
    """
    description = _describe(path)
    _refuse_foreign_parts(path, description.config)
    tf_keras = import_tf_keras("opening a .keras file")
    keras = tf_keras if description.framework == 2 else _import_keras_3()
    try:
        large = path.stat().st_size > LARGE
        if large and description.framework == 2 and zipfile.is_zipfile(path):
            return _from_archive(path, keras)
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except RunError:
        raise
    except Exception as error:
        # Keras answers damaged files with errors of a dozen kinds, h5py's and zipfile's among them.
        if unknown := UNKNOWN_NAME.search(str(error)):
            raise _custom_objects(path, {unknown[1]}) from error
        raise ModelFileError(
            f"{path}: cannot be opened as a Keras model: {_first(error)}"
        ) from error


def _from_archive(path: Path, tf_keras: Any) -> Any:
    """As ``load_model``, which reads in jumps from the zip: six times slower for large files."""
    with zipfile.ZipFile(path) as archive:
        if set(archive.namelist()) != {"metadata.json", "config.json", WEIGHTS}:
            return tf_keras.models.load_model(path, compile=False, safe_mode=True)
        config = json.loads(archive.read("config.json"))
        config["compile_config"] = None
        with tempfile.TemporaryDirectory(prefix="edgedigits-") as folder:
            with writing(Path(folder) / WEIGHTS):
                weights = archive.extract(WEIGHTS, folder)
            model = tf_keras.models.model_from_json(json.dumps(config))
            model.load_weights(weights)
    return model


def layer_kinds(path: Path) -> dict[str, str]:
    """The class of each layer of a file by the layer's name; read as data, Keras is not needed.

    Raises:
        ModelFileError: not a Keras file, or damaged.
    """
    return {
        str(part["config"]["name"]): part["class_name"]
        for part in _parts(_describe(path).config)
        if isinstance(part.get("config"), dict)
        and "name" in part["config"]
        and "layers" not in part["config"]
    }


def keras_facts(path: Path) -> KerasFacts:
    """What a file holds; it is opened for that.

    Raises:
        ModelFileError: as :func:`load_keras`, or the model has several inputs or outputs, a free
            dimension, or an output that is not one value a class.
    """
    return facts_of(path, load_keras(path))


def facts_of(path: Path, model: Any) -> KerasFacts:
    """As :func:`keras_facts`, for a model already opened from ``path``."""
    description = _describe(path)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelFileError(
            f"{path}: has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "only models from one picture to one row of class scores can be used"
        )
    input_shape = tuple(model.inputs[0].shape)[1:]
    output_shape = tuple(model.outputs[0].shape)[1:]
    if None in input_shape:
        raise ModelFileError(
            f"{path}: its input shape {input_shape} leaves a size open; save it with a fixed one"
        )
    if len(output_shape) != 1 or output_shape[0] is None or output_shape[0] < 2:
        raise ModelFileError(
            f"{path}: its output shape is {output_shape}, not (classes,) with two classes or more"
        )
    return KerasFacts(
        framework=description.framework,
        version=description.version,
        input_shape=tuple(int(size) for size in input_shape),
        classes=int(output_shape[0]),
    )


def _describe(path: Path) -> _Description:
    if not path.is_file():
        raise ModelFileError(f"{path}: {not_a_file(path)}; name a .keras or .h5 file")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                metadata = json.loads(archive.read("metadata.json"))
                config = json.loads(archive.read("config.json"))
                # Keras reads weights without comparing their checksum: wrong ones would pass.
                if damaged := archive.testzip():
                    raise ValueError(f"the checksum of its {damaged} is wrong")
            return _Description(str(metadata["keras_version"]), config)
        if _is_hdf5(path):
            return _describe_hdf5(path)
    except UNREADABLE as error:
        raise ModelFileError(
            f"{path}: damaged, or not saved by Keras ({_first(error)}); save it again with "
            "model.save('NAME.keras')"
        ) from error
    head = _head(path)
    if head == ZIP:
        raise ModelFileError(
            f"{path}: damaged: a .keras file without its end; copy or save it again"
        )
    if head == b"":
        raise ModelFileError(f"{path}: the file is empty")
    raise ModelFileError(
        f"{path}: neither a .keras nor an .h5 file; save the model with model.save('NAME.keras')"
    )


def _is_hdf5(path: Path) -> bool:
    return path.is_file() and _head(path, 8) == b"\x89HDF\r\n\x1a\n"


def _head(path: Path, length: int = len(ZIP)) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def _describe_hdf5(path: Path) -> _Description:
    try:
        import h5py
    except ImportError as error:
        raise MissingPackageError("opening an .h5 file", "train", "h5py") from error
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise ValueError("it holds weights without their model")
        config = file.attrs["model_config"]
        version = file.attrs.get("keras_version", "2")
    text = config.decode() if isinstance(config, bytes) else config
    return _Description(
        version.decode() if isinstance(version, bytes) else str(version), json.loads(text)
    )


def _refuse_foreign_parts(path: Path, config: Any) -> None:
    """Refuse what Keras does not define itself, before anything of it is looked up or run."""
    foreign = set()
    for part in _parts(config):
        name = part["class_name"]
        if name in CODE_CLASSES:
            raise ModelFileError(
                f"{path}: holds a {name.strip('_')} layer, that is code, which is never run from a "
                "file; replace it by a layer of Keras and save the model again"
            )
        if name == "function":  # Keras writes functions of its own as plain names
            foreign.add(str(part.get("config")))
            continue
        module = part.get("module")
        registered = part.get("registered_name") or ""
        if ">" in name or (module is None and ">" in registered):
            foreign.add((registered if ">" in registered else name).rpartition(">")[2])
        elif module is None and "registered_name" in part:
            foreign.add(name)
        elif isinstance(module, str) and not KERAS_MODULES.match(module):
            foreign.add(f"{module}.{name}")
    if foreign:
        raise _custom_objects(path, foreign)


def _custom_objects(path: Path, names: set[str]) -> ModelFileError:
    return ModelFileError(
        f"{path}: uses custom objects ({', '.join(sorted(names))}), which the file does not bring; "
        "rebuild the model from layers of Keras and save it again"
    )


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Every object of the model that names a class, from outside to inside.

    What it was compiled with is passed over, as it is when the model is opened.
    """
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config
        for key, value in config.items():
            if key != "compile_config":
                yield from _parts(value)
    elif isinstance(config, list):
        for value in config:
            yield from _parts(value)


def _import_keras_3() -> Any:
    try:
        import keras
    except ImportError as error:
        raise MissingPackageError("opening a Keras 3 file", "train", "keras") from error
    return keras


def _first(error: Exception) -> str:
    """The first line of an error's text, or its kind where it has none."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
