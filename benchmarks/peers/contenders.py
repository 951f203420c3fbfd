"""Every contender's int8 of one set of float weights, behind one interface, on one thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
from as_onnx import save_onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from edgedigits.device.classifier import Classifier

BATCH = 64  # of the other runtimes, over many pictures

Run = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Contender:
    """One model as one runtime runs it.

    Attributes:
        name: what it is called. files: all that has to be on the device.
        prepare: uint8 ``[n, 28, 28]`` → what ``run`` takes.
        run: one inference → scores ``[n, classes]`` as the runtime gives them.
        scores: uint8 ``[n, 28, 28]`` → float32 ``[n, classes]``, in batches.
    """

    name: str
    files: tuple[Path, ...]
    prepare: Callable[[NDArray[np.uint8]], NDArray[Any]]
    run: Run
    scores: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def contenders(folder: Path, model: str) -> list[Contender]:
    """All of them, of a folder that ``make.py`` wrote; other runtimes' files are written beside.

    Args:
        folder: with the files. model: name of the architecture.
    """
    calibration = np.load(folder / "calibration.npy")
    onnx = save_onnx(model, dict(np.load(folder / "weights.npz")), folder / "float32.onnx")
    ours = (f"ours-{name}-slim" for name in ("int8", "int4", "dynamic"))
    tflite = ("float32", "converter-int8", "quantizer-int8", *ours)
    return [
        *(_tflite(folder / f"{name}.tflite") for name in tflite),
        _onnx_runtime("onnxruntime-static", _static(onnx, calibration)),
        _onnx_runtime("onnxruntime-dynamic", _dynamic(onnx)),
        _openvino("openvino-nncf", onnx, calibration),
    ]


def _tflite(file: Path) -> Contender:
    single, many = Classifier(file), Classifier(file)
    single.interpreter.set_batch(1)
    return Contender(file.stem, (file,), single.inputs, single.interpreter.run, many.scores)


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pictures: NDArray[np.float32]) -> None:
        self._next: Iterator[dict[str, NDArray[np.float32]]] = iter(
            {"input": picture[None, None, ..., 0]} for picture in pictures
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next picture, or None at the end."""
        return next(self._next, None)


def _static(onnx: Path, calibration: NDArray[np.float32]) -> Path:
    ready, target = onnx.with_name("prepared.onnx"), onnx.with_name("static.onnx")
    quant_pre_process(str(onnx), str(ready), skip_symbolic_shape=True)
    quantize_static(
        str(ready),
        str(target),
        _Pictures(calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    return target


def _dynamic(onnx: Path) -> Path:
    target = onnx.with_name("dynamic.onnx")
    quantize_dynamic(str(onnx), str(target), op_types_to_quantize=["MatMul", "Gemm"])
    return target


def _as_float(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(images[:, None].astype(np.float32) / np.float32(255))


def _in_batches(run: Run, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    starts = range(0, len(images), BATCH)
    parts = [run(_as_float(images[start : start + BATCH])) for start in starts]
    return np.concatenate(parts).astype(np.float32)


def _onnx_runtime(name: str, file: Path) -> Contender:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(session.run(None, {"input": values})[0])

    return Contender(name, (file,), _as_float, run, lambda images: _in_batches(run, images))


def _openvino(name: str, onnx: Path, calibration: NDArray[np.float32]) -> Contender:
    import nncf

    nncf.set_log_level(logging.ERROR)
    model = openvino.convert_model(onnx)
    pictures = nncf.Dataset(calibration, lambda picture: picture[None, None, ..., 0])
    quantised = nncf.quantize(model, pictures, subset_size=len(calibration))
    target = onnx.with_name("openvino.xml")
    openvino.save_model(quantised, target)
    hints = {
        "INFERENCE_NUM_THREADS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # what is left in float32 stays float32
    }
    compiled = openvino.Core().compile_model(target, "CPU", hints)
    request = compiled.create_infer_request()

    def run(values: NDArray[Any]) -> NDArray[Any]:
        request.infer([values], share_inputs=True)
        return np.array(request.get_output_tensor(0).data)

    files = (target, target.with_suffix(".bin"))
    return Contender(name, files, _as_float, run, lambda images: _in_batches(run, images))
