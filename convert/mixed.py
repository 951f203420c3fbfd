"""The one file that touches ai-edge-quantizer: int8, or int4 mixed with int8, from a float file."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgedigits.convert.contents import read_contents
from edgedigits.device.interpreter import Interpreter
from edgedigits.errors import ConversionError, MissingPackageError

NAME = "the float32 file"

Ranges = dict[str, tuple[float, float]]  # lowest and highest value by tensor name


def to_quantised(
    float_file: bytes,
    representative: NDArray[np.float32],
    ranges: Ranges,
    *,
    four_bits: Sequence[str] | None,
) -> bytes:
    """Weights and activations int8, weights of Dense layers in four bits or eight, int8 in and out.

    Args:
        float_file: a float32 ``.tflite`` file with the batch fixed to 1 and one signature.
        representative: float32 ``[n, ...]``, the calibration set as model inputs.
        ranges: of its tensors over the calibration set, see :func:`true_ranges`.
        four_bits: names of the Dense layers whose weights get four bits, which halves the file
            where most weights are in them; None: all; empty: none.

    Raises:
        ConversionError: the quantizer refuses the model.
        MissingPackageError: ai-edge-quantizer is not installed.
    """
    try:
        from ai_edge_quantizer import qtyping, quantizer
    except ImportError:
        raise MissingPackageError("this export", "train", "ai-edge-quantizer") from None
    operations = qtyping.TFLOperationName
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            job = quantizer.Quantizer(float_file)
            job.add_static_config(".*", operations.ALL_SUPPORTED, 8, 8)
            for pattern in [".*"] if four_bits is None else map(layer_pattern, four_bits):
                job.add_static_config(pattern, operations.FULLY_CONNECTED, 8, 4)
            signature, input_name = Interpreter(float_file, NAME).signature()
            found = job.calibrate({signature: [{input_name: representative[:1]}]}, num_threads=1)
            # Its own are a moving average over the pictures, which clips the logits.
            for name in (name for name in ranges if found.get(name)):
                for key, value in zip(("min", "max"), ranges[name], strict=True):
                    found[name][key] = np.full_like(np.asarray(found[name][key]), value)
            result = job.quantize(found, enable_progress_report=False)
    except Exception as error:  # whatever the quantizer's checks raise
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        bits = 8 if four_bits is not None and not four_bits else 4
        raise ConversionError(f"int{bits}: ai-edge-quantizer failed: {reason}") from error
    return bytes(result.quantized_model)


def layer_pattern(name: str) -> str:
    """What finds the tensors of a Keras layer: its name is one step of their path."""
    return rf"(^|[/;]){re.escape(name)}[/;]"


def true_ranges(
    float_file: bytes, representative: NDArray[np.float32], input_range: tuple[float, float]
) -> Ranges:
    """The lowest and highest value of every computed tensor over the calibration set.

    Args:
        float_file: as for :func:`to_quantised`.
        representative: float32 ``[n, ...]``, the calibration set as model inputs.
        input_range: the model's input values for pixel 0 and pixel 255, the range of its input.
    """
    interpreter = Interpreter(float_file, NAME, threads=os.cpu_count() or 1, inside=True)
    tensors = [
        (tensor.name, tensor.index)
        for tensor in read_contents(float_file, NAME).tensors
        if tensor.name and not tensor.bytes
    ]
    lows = dict.fromkeys((name for name, _ in tensors), np.inf)
    highs = dict.fromkeys((name for name, _ in tensors), -np.inf)
    for picture in representative:
        interpreter.run(picture[None])
        for name, index in tensors:
            values = interpreter.values(index)
            lows[name] = min(lows[name], float(values.min()))
            highs[name] = max(highs[name], float(values.max()))
    lows[interpreter.input.name], highs[interpreter.input.name] = input_range
    return {name: (lows[name], highs[name]) for name, _ in tensors}
