"""The one place where TensorFlow is imported: quietly, and as Keras 2.

Training uses ``tf_keras`` throughout and never ``tf.keras``, whose meaning depends on which package
was imported first.
"""

from __future__ import annotations

import os
from typing import Any

from edgedigits.errors import MissingPackageError

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # C++ messages: errors that end the program only
    "GRPC_VERBOSITY": "ERROR",
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
    try:
        import tensorflow as tf
    except ImportError as error:
        raise MissingPackageError(job, "train", "tensorflow") from error
    tf.get_logger().setLevel("ERROR")
    try:
        import tf_keras
    except ImportError as error:
        raise MissingPackageError(job, "train", "tf-keras") from error
    return tf_keras
