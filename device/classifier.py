"""From 28×28 pictures to scores: small NumPy functions over an interpreter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgedigits.device.delegate import why_not
from edgedigits.device.interpreter import Interpreter, Kernels, Tensor, read_file
from edgedigits.device.metadata import Metadata, read_model_bytes
from edgedigits.device.sidecar import file_metadata
from edgedigits.errors import ModelFileError
from edgedigits.model_input import Range, model_pixels, picture_shape
from edgedigits.preprocess import Preprocessing

BATCH = 32  # pictures at once: 16 to 64 are fastest on the machines tried

U8 = NDArray[np.uint8]


LARGEST_SIDE = 512  # pixels; beyond it a model is no classifier of small pictures


def _picture_field(shape: tuple[int, ...]) -> tuple[int, ...]:
    height, width, _ = picture_shape(shape)
    if not (min(height, width) >= 4 and max(height, width) <= LARGEST_SIDE):
        raise ValueError(f"input shape {list(shape)} is not that of a small picture")
    return shape


def pixel_table(tensor: Tensor, preprocessing: Preprocessing) -> NDArray[Any]:
    """What each pixel value 0 to 255 becomes in the model's input: 256 values of its dtype.

    For an int8 input of scale 1/255 and zero point −128 this is pixel − 128.

    Raises:
        ValueError: the input is neither floating point nor a quantised integer.
    """
    span = preprocessing.high - preprocessing.low
    real = preprocessing.low + np.arange(256, dtype=np.float64) / 255 * span
    if np.issubdtype(tensor.dtype, np.floating):
        return real.astype(tensor.dtype)
    if not np.issubdtype(tensor.dtype, np.integer) or tensor.scale == 0:
        raise ValueError(f"input of type {tensor.dtype} without a scale")
    limits = np.iinfo(tensor.dtype)
    stored = np.rint(real / tensor.scale) + tensor.zero_point
    table: NDArray[Any] = np.clip(stored, limits.min, limits.max).astype(tensor.dtype)
    return table


def dequantise(values: NDArray[Any], tensor: Tensor) -> NDArray[np.float32]:
    """Stored values as real ones, float32 of the same shape."""
    if tensor.scale == 0:
        return values.astype(np.float32)
    shifted = values.astype(np.float32) - np.float32(tensor.zero_point)
    return np.asarray(shifted * np.float32(tensor.scale), dtype=np.float32)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax over the last axis, float32."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)


class Classifier:
    """An exported file, ready to answer.

    Args:
        path: the ``.tflite`` file.
        threads: processor threads for one inference.
        kernels: ``default``, ``built-in`` or ``reference``, as :class:`Interpreter` has them.
        trust: the file was made by this process a moment ago; skip the trial in a child process.
        delegate: library of an accelerator; where it cannot be used, ``say`` is told why, and the
            processor is used instead.
        say: told of a delegate that cannot be used.
        input_range: of a file that does not say it: the model's values for pixel 0 and pixel 255.

    Attributes:
        metadata: what the file, or the JSON file beside it, says of it, or None for a foreign file.
        classes: width of the head.
        input_range: the model's values for pixel 0 and pixel 255.
        assumptions: what had to be assumed because the file does not say it.

    Raises:
        UsageError, ModelFileError: the file is missing or cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        kernels: Kernels = "default",
        trust: bool = False,
        delegate: str | None = None,
        say: Callable[[str], None] = lambda line: None,
        input_range: Range | None = None,
    ) -> None:
        if delegate is not None and (reason := why_not(delegate, path)) is not None:
            say(f"WARNING: delegate {delegate}: {reason}. The processor is used instead.")
            delegate = None
        data = read_model_bytes(path) if delegate else read_file(path, trust=trust)
        self.path = path
        self.metadata: Metadata | None = file_metadata(path, data)
        self.interpreter = Interpreter(
            data, str(path), threads=threads, kernels=kernels, delegate=delegate
        )
        self.assumptions: tuple[str, ...] = ()
        preprocessing = Preprocessing()
        if self.metadata is not None:
            preprocessing = self.metadata.preprocessing
        elif input_range is not None:
            preprocessing = Preprocessing(low=input_range[0], high=input_range[1])
        else:
            self.assumptions = (
                "the file holds no edgedigits metadata: ink is taken as high, "
                "and float inputs as 0 to 1",
            )
        self.input_range: Range = (preprocessing.low, preprocessing.high)
        try:
            self.shape = _picture_field(self.interpreter.input.shape[1:])
            self._table = pixel_table(self.interpreter.input, preprocessing)
        except ValueError as error:
            raise ModelFileError(f"{path}: {error}") from error
        self.classes = int(np.prod(self.interpreter.output.shape[1:], dtype=np.int64))
        if self.classes < 2:
            raise ModelFileError(f"{path}: its output has {self.classes} values, not one a class")

    @property
    def variant(self) -> str:
        """The export's name, or the file's stem for a foreign file."""
        return self.path.stem if self.metadata is None else self.metadata.variant

    def inputs(self, images: U8) -> NDArray[Any]:
        """uint8 ``[n, 28, 28]`` pictures as the model's input, ``[n, ...]`` of its dtype."""
        pixels = model_pixels(images, self.shape)
        if pixels.size == 0:
            return self._table[pixels]
        # As self._table[pixels], eight times as fast: it is a tenth of what small models cost.
        looked_up = cv2.LUT(pixels.reshape(len(pixels), -1), self._table)
        return np.asarray(looked_up, dtype=self._table.dtype).reshape(pixels.shape)

    def run(self, values: NDArray[Any], *, batch: int = BATCH) -> NDArray[Any]:
        """Outputs as stored, ``[n, classes]``, for inputs of the model's own shape and dtype."""
        outputs = np.empty((len(values), self.classes), self.interpreter.output.dtype)
        if len(values) < batch or not self.interpreter.set_batch(batch):
            batch = 1
            self.interpreter.set_batch(1)
        step = self.interpreter.batch
        for start in range(0, len(values), step):
            part = values[start : start + step]
            if len(part) < step:  # the last pictures: fill up, and drop what was filled
                missing = np.repeat(part[-1:], step - len(part), axis=0)
                filled = self.interpreter.run(np.concatenate([part, missing]))
                outputs[start:] = filled.reshape(step, -1)[: len(part)]
            else:
                outputs[start : start + step] = self.interpreter.run(part).reshape(step, -1)
        return outputs

    def scores(self, images: U8, *, batch: int = BATCH) -> NDArray[np.float32]:
        """Scores of each class.

        Args:
            images: uint8 ``[n, 28, 28]``, ink high.

        Returns:
            float32 ``[n, classes]``, 0 to 1. Each row sums to 1 as far as the output's steps allow.
        """
        values = dequantise(self.run(self.inputs(images), batch=batch), self.interpreter.output)
        return softmax(values) if self._gives_logits(values) else values

    def _gives_logits(self, values: NDArray[np.float32]) -> bool:
        if self.metadata is not None:
            return self.metadata.output == "logits"
        # A foreign file does not say; probabilities lie in 0 to 1 and sum to about 1.
        if len(values) == 0:
            return False
        sums = values.sum(axis=-1)
        return bool(values.min() < 0 or values.max() > 1.001 or np.abs(sums - 1).max() > 0.1)
