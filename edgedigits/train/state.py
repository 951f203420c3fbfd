"""What a training leaves on disk after each epoch, so that it can be killed at any moment.

Three files, each replaced as a whole, in this order:

1. ``history.json``: all epochs so far;
2. ``checkpoint.keras``: the last model with its optimiser, whose step counter tells the epoch;
3. ``model.keras``: the model to keep, where it is this epoch's.

The checkpoint decides how far the training is. A history that is ahead of it is cut back to it; a
``model.keras`` that is behind it (killed between 2 and 3) is written again from it. The checkpoint
of the last epoch is the bare model: its optimiser, twice the size of the model, has nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.errors import RunError
from edgedigits.files import atomic_path, read_json, write_json
from edgedigits.run import RunFolder
from edgedigits.tf_loader import import_tf_keras
from edgedigits.train.averaging import averaging_adam
from edgedigits.train.epochs import EpochResult, Keep, kept_epoch


@dataclass(frozen=True)
class Checkpoint:
    """Where an interrupted training stands: its compiled model, and the epochs behind it."""

    model: Any
    results: tuple[EpochResult, ...]


def same(model: Any) -> Any:
    """The model as it is."""
    return model


def checkpoint_file(run: RunFolder) -> Path:
    """``checkpoint.keras``; there only while a training is not complete."""
    return run.path / "checkpoint.keras"


def save_model(model: Any, path: Path) -> None:
    """Write a Keras 2 model without its optimiser, in float32, whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    tf_keras = import_tf_keras()
    # Keras saves an optimiser with every compiled model; a copy that was never compiled has none.
    bare = tf_keras.models.clone_model(model, clone_function=_in_float32)
    bare.set_weights(model.get_weights())
    with atomic_path(path) as temporary:
        bare.save(temporary)


def _in_float32(layer: Any) -> Any:
    """A fresh copy of a layer; one that computes in bfloat16 while training does not any more."""
    config = layer.get_config()
    if layer.compute_dtype == "bfloat16":
        config["dtype"] = "float32"
    return type(layer).from_config(config)


def save_history(run: RunFolder, results: tuple[EpochResult, ...], keep: Keep = "best") -> None:
    """Write ``history.json``, in which ``best_epoch`` is the one that is kept."""
    write_json(
        run.history_file,
        {
            "epochs": [result.to_json() for result in results],
            "best_epoch": kept_epoch(results, keep).epoch,
        },
    )


def load_history(run: RunFolder) -> tuple[EpochResult, ...]:
    """The epochs in ``history.json``, in order.

    Raises:
        RunError: the file is missing or damaged.
    """
    document = read_json(run.history_file, "the training history")
    try:
        return tuple(EpochResult(**entry) for entry in document["epochs"])
    except (KeyError, TypeError) as error:
        raise RunError(f"{run.history_file}: damaged ({error!r})") from error


def save_epoch(
    run: RunFolder,
    model: Any,
    results: tuple[EpochResult, ...],
    *,
    last: bool = False,
    finished: Callable[[Any], Any] = same,
    keep: Keep = "best",
) -> None:
    """Write everything that an epoch leaves behind, in the order of the module's description.

    Args:
        run: a run folder. model: as it is after the epoch. results: all epochs so far.
        last: whether no epoch follows.
        finished: from the model as trained to the model that is kept.
        keep: which epoch's.

    Raises:
        RunError: a file cannot be written.
    """
    save_history(run, results, keep)
    if last:
        save_model(model, checkpoint_file(run))
    else:
        with atomic_path(checkpoint_file(run)) as temporary:
            model.save(temporary)
    if kept_epoch(results, keep) == results[-1]:
        save_model(finished(model), run.model_file())


def load_checkpoint(
    run: RunFolder,
    steps: int,
    finished: Callable[[Any], Any] = same,
    keep: Keep = "best",
) -> Checkpoint | None:
    """Where the training of a run stands; None where no epoch is complete.

    Args:
        run: a run folder.
        steps: steps of one epoch.
        finished, keep: as for :func:`save_epoch`.

    Raises:
        RunError: checkpoint and history do not fit together, or cannot be read.
    """
    path = checkpoint_file(run)
    if not path.is_file():
        return None
    tf_keras = import_tf_keras()
    averaging_adam()  # or Keras would not know it
    try:
        model = tf_keras.models.load_model(path)
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise RunError(f"{path}: cannot be read; train again with --overwrite") from error
    results = load_history(run)
    optimizer = getattr(model, "optimizer", None)
    epochs = len(results) if optimizer is None else int(optimizer.iterations.numpy()) // steps
    results = results[:epochs]
    if len(results) != epochs or epochs == 0:
        raise RunError(
            f"{path}: stands at epoch {epochs}, but {run.history_file.name} holds {len(results)}; "
            "train again with --overwrite"
        )
    if kept_epoch(results, keep) == results[-1]:
        save_model(finished(model), run.model_file())
    return Checkpoint(model, results)
