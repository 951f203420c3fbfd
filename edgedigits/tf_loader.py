"""The one place where TensorFlow is imported: quietly, and as Keras 2.

Training uses ``tf_keras`` throughout and never ``tf.keras``, whose meaning depends on which package
was imported first.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from typing import Any

from edgedigits.errors import MissingPackageError

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # C++ messages: only those that end the program
    "AUTOGRAPH_VERBOSITY": "0",
}


def import_tf_keras(job: str = "training") -> Any:
    """The module ``tf_keras``, with TensorFlow's messages kept off the terminal.

    Args:
        job: what needs it, for the message, for example ``"pruning"``.

    Raises:
        MissingPackageError: the extra ``train`` is not installed.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with _quiet_stderr():
        try:
            import tensorflow as tf
        except ImportError as error:
            raise MissingPackageError(job, "train", "tensorflow") from error
        try:
            import tf_keras
        except ImportError as error:
            raise MissingPackageError(job, "train", "tf-keras") from error
        # Looks for a GPU once and for all, and complains where there is none.
        tf.config.list_physical_devices("GPU")
    tf.get_logger().setLevel("ERROR")
    return tf_keras


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Standard error to nowhere: TensorFlow greets on it before it reads its own log level."""
    if "tf_keras" in sys.modules or os.environ.get("EDGEDIGITS_DEBUG"):
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def require_training(job: str) -> None:
    """Say at once, without importing anything heavy, that the extra ``train`` is missing.

    Raises:
        MissingPackageError: a package of the extra is not installed.
    """
    for package in ("tensorflow", "tf_keras"):
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(job, "train", package.replace("_", "-"))
