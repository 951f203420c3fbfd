"""A float32 ``.tflite`` file of a Keras model, made in a child process as every conversion is.

``python -m edgedigits.convert.as_float MODEL.keras OUT.tflite [CALIBRATION.npz LOW HIGH]``; with a
calibration set the scales of the layers are equalised first, as they are before an export to int8.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedigits.device.trial import BAD_FILE, last_words, run_child
from edgedigits.errors import ConversionError, EdgedigitsError
from edgedigits.files import write_bytes
from edgedigits.keras_files import layer_kinds
from edgedigits.model_input import Range, model_input

TIME_LIMIT = 1800.0  # seconds; the largest reference system needs about a hundred


def needs_equalising(keras_file: Path) -> bool:
    """Whether a file's scales may be moved before it is exported to int8: see ``equalise``.

    Raises:
        ModelFileError: not a Keras file.
    """
    return "BatchNormalization" in layer_kinds(keras_file).values()


def to_float_file(
    keras_file: Path,
    target: Path,
    *,
    calibration: NDArray[np.uint8] | None = None,
    input_range: Range = (0.0, 1.0),
) -> Path:
    """Convert a ``.keras`` or ``.h5`` file.

    Args:
        keras_file: of Keras 2 or 3. target: the file to write; others go beside it.
        calibration: uint8 ``[n, 28, 28]``: equalise with these pictures; None: as it is.
        input_range: the model's values for pixel 0 and pixel 255.

    Raises:
        ConversionError: the child process was refused, crashed or did not end in time.
    """
    arguments = [str(keras_file), str(target)]
    if calibration is not None:
        pictures = target.with_suffix(".npz")
        np.savez(pictures, images=calibration)
        arguments += [str(pictures), *map(str, input_range)]
    child = run_child("edgedigits.convert.as_float", *arguments, time_limit=TIME_LIMIT)
    if child is None:
        raise ConversionError(f"{keras_file}: its conversion did not end in {TIME_LIMIT:.0f} s")
    if child.returncode == BAD_FILE:
        raise ConversionError(child.stdout.strip().splitlines()[-1])
    if child.returncode != 0:
        raise ConversionError(f"{keras_file}: its conversion failed: {last_words(child)[:300]}")
    return target


def _convert(arguments: Sequence[str]) -> None:
    from edgedigits.convert.equalise import equalise
    from edgedigits.convert.recipes import RECIPES
    from edgedigits.convert.tflite import to_tflite
    from edgedigits.convert.worker import with_full_range
    from edgedigits.keras_files import facts_of, load_keras

    source, target, *calibration = arguments
    model = load_keras(Path(source))
    shape = facts_of(Path(source), model).input_shape
    if calibration:
        with np.load(calibration[0], allow_pickle=False) as stored:
            images = with_full_range(np.array(stored["images"], dtype=np.uint8))
        low, high = map(float, calibration[1:])
        equalise(model, model_input(images, shape, (low, high)))
    write_bytes(Path(target), to_tflite(model, RECIPES["float32"], input_shape=shape))


def _main(arguments: Sequence[str]) -> int:
    try:
        _convert(arguments)
    except EdgedigitsError as error:
        sys.stdout.write(f"\n{error}\n")
        return BAD_FILE
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
