"""Starting a training from the weights of another model instead of random ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgedigits.errors import ModelFileError, UsageError
from edgedigits.files import not_a_file
from edgedigits.keras_files import load_keras
from edgedigits.run import RunFolder


def init_file(init: str) -> Path:
    """The ``.keras`` file behind ``--init``: itself, or a run's ``model.keras``.

    Raises:
        UsageError: there is neither.
    """
    path = Path(init)
    file = RunFolder(path).model_file() if path.is_dir() else path
    if not file.is_file():
        wrong = "no such run or .keras file" if path.is_dir() else not_a_file(path)
        raise UsageError(f"--init {init}: {wrong}; name a run with a model, or a .keras file")
    return file


def start_from(model: Any, file: Path) -> str:
    """Give a model the weights of each layer of a file that has the same name and shapes.

    Args:
        model: a built ``tf_keras`` model, changed in place.
        file: of Keras 2 or 3.

    Returns:
        What was taken over, as told to the user.

    Raises:
        ModelFileError: the file cannot be used, or no layer fits.
    """
    source = {layer.name: layer.get_weights() for layer in load_keras(file).layers}
    weighted = [layer for layer in model.layers if layer.weights]
    new = []
    for layer in weighted:
        weights = source.get(layer.name, [])
        if [w.shape for w in weights] == [w.shape for w in layer.get_weights()]:
            layer.set_weights(weights)
        else:
            new.append(layer.name)
    if len(new) == len(weighted):
        raise ModelFileError(f"{file}: none of its layers has the name and shape of one of ours")
    anew = f"; anew: {', '.join(new)}" if new else ""
    return f"starting from {file}: {len(weighted) - len(new)} of {len(weighted)} layers{anew}"
