"""The one file that touches the TFLite runtime.

The runtime is ai-edge-litert, or tflite-runtime on systems that have nothing else (32-bit ARM).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgedigits.errors import MissingPackageError, ModelFileError, UsageError

RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
MOST_THREADS = 256  # the runtime takes any number, and the machine with it
Kernels = Literal["default", "built-in", "reference"]


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model.

    Attributes:
        name: as in the file. index: the interpreter's number.
        shape: as in the file, batch first. dtype: NumPy's.
        scale, zero_point: real value = scale × (stored − zero_point); scale 0: not quantised.
    """

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


class Interpreter:
    """A loaded model with one input and one output.

    Args:
        data: the bytes of a ``.tflite`` file.
        name: what to call it in messages.
        threads: processor threads for one inference.
        kernels: ``default`` (optimised, XNNPACK's where they are faster), ``built-in`` (optimised,
            without XNNPACK) or ``reference`` (the same bits on every machine).
        delegate: library of an accelerator, tried before by
            :func:`edgedigits.device.delegate.why_not`, because it may end the process.
        inside: keep what every operation writes, for :meth:`values`; slower, because XNNPACK, which
            shows nothing of what it computes on the way, is left out.

    Raises:
        UsageError: too many threads.
        OSError, ValueError: the delegate cannot be loaded, or has no device.
        ModelFileError: the runtime refuses the file, or it has not one input and one output.
        MissingPackageError: no runtime is installed.
    """

    def __init__(
        self,
        data: bytes,
        name: str,
        *,
        threads: int = 1,
        kernels: Kernels = "default",
        delegate: str | None = None,
        inside: bool = False,
    ) -> None:
        if threads > MOST_THREADS:
            raise UsageError(f"--threads {threads}: must be at most {MOST_THREADS}")
        self._data = data
        self._inside = inside
        self._name = name
        self._threads = threads
        self._kernels = kernels
        with _quiet():
            self._delegates = [] if delegate is None else [load_runtime().load_delegate(delegate)]
        self._open()

    def _open(self) -> None:
        runtime = load_runtime()
        options: dict[str, Any] = {"model_content": self._data, "num_threads": self._threads}
        kinds = runtime.OpResolverType
        if self._kernels == "reference":
            options["experimental_op_resolver_type"] = kinds.BUILTIN_REF
        elif self._inside or self._kernels == "built-in":
            options["experimental_op_resolver_type"] = kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        if self._inside:
            options["experimental_preserve_all_tensors"] = True
        if self._delegates:
            options["experimental_delegates"] = self._delegates
        try:
            with _quiet():
                self._runtime = runtime.Interpreter(**options)
                self._runtime.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"{self._name}: {_explain(error)}") from error
        inputs, outputs = self._runtime.get_input_details(), self._runtime.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelFileError(
                f"{self._name}: has {len(inputs)} inputs and {len(outputs)} outputs; "
                "a classifier has one of each"
            )
        self.input = _tensor(inputs[0])
        self.output = _tensor(outputs[0])
        self.batch = self.input.shape[0] if self.input.shape else 1

    def set_batch(self, batch: int) -> bool:
        """Make the model take ``batch`` pictures at once.

        Returns:
            Whether the model allows it; where it does not, it is as it was before.
        """
        if batch == self.batch:
            return True
        try:
            self._runtime.resize_tensor_input(self.input.index, [batch, *self.input.shape[1:]])
            self._runtime.allocate_tensors()
            shape = self._runtime.get_output_details()[0]["shape"]
            fits = len(shape) > 0 and int(shape[0]) == batch
        except (ValueError, RuntimeError):
            fits = False
        if not fits:
            self._open()  # a failed resize leaves the interpreter unusable
            return False
        self.batch = batch
        return True

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """One inference.

        Args:
            values: ``[batch, ...]`` of the input's shape and dtype.

        Returns:
            The output as stored, ``[batch, ...]``; a copy.
        """
        self._runtime.set_tensor(self.input.index, values)
        self._runtime.invoke()
        return self.values(self.output.index)

    def signature(self) -> tuple[str, str]:
        """The name of the file's first signature, and of that one's input."""
        signatures = self._runtime.get_signature_list()
        key = next(iter(signatures))
        return key, signatures[key]["inputs"][0]

    def values(self, index: int) -> NDArray[Any]:
        """A tensor as the last inference left it; of those on the way only with ``inside``.

        Args:
            index: its number in the file.

        Returns:
            What is stored, in the tensor's dtype; a copy.
        """
        result: NDArray[Any] = self._runtime.get_tensor(index)
        return result


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the runtime's own chatter off standard error; what goes wrong comes as an exception.

    It writes to the file descriptor from C++, so that sys.stderr is not enough.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def load_runtime() -> ModuleType:
    """The first runtime that is installed. Raises MissingPackageError where there is none."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in RUNTIMES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise MissingPackageError("running a model", "report", "ai-edge-litert")


def read_file(path: Path, *, trust: bool = False) -> bytes:
    """The bytes of a model file that is safe to open here.

    A file that edgedigits did not write, or that was changed since, is first opened in a child
    process with a time and memory limit, because a damaged graph can end or hang the process.

    Args:
        path: the ``.tflite`` file.
        trust: skip the trial, for files made a moment ago by this process.

    Raises:
        UsageError: no such file. ModelFileError: it cannot be used, and why.
    """
    from edgedigits.device.metadata import read_model_bytes
    from edgedigits.device.sidecar import is_as_written
    from edgedigits.device.trial import try_in_child

    data = read_model_bytes(path)
    if not trust and not is_as_written(path, data):
        try_in_child(path)
    return data


def _tensor(details: dict[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    return Tensor(
        name=str(details["name"]),
        index=int(details["index"]),
        shape=tuple(int(size) for size in details["shape"]),
        dtype=np.dtype(details["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )


def _explain(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "edgetpu-custom-op" in text:
        return "compiled for the Edge TPU, runs only with its delegate; use the file it was made of"
    if "custom op" in text:
        return f"uses an operation this runtime does not know: {text[:200]}"
    return f"the TFLite runtime refuses the file: {text[:200] or type(error).__name__}"
