"""What others make of the same float weights with TensorFlow's tools, and what their tools need.

    python benchmarks/peers/make.py runs/r3-0 [RUN…] --out peers

Runs in the project's own environment. Of each run it writes ``OUT/NAME/``: the files of
TFLiteConverter, as its guide uses it, and of ai-edge-quantizer by its defaults, ours, the weights,
the calibration pictures. ``measure.py`` does the rest in an environment with the other runtimes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.calibration.make import load_calibration_set
from edgedigits.files import write_json
from edgedigits.keras_files import load_keras
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data

OURS = ("int8", "int4", "dynamic")
GUIDE_PICTURES = 100  # the guide's loop takes so many of the training pictures


def converter_as_in_the_guide(model: Any, pictures: NDArray[np.float32]) -> bytes:
    """TFLiteConverter's int8 file: the guide's lines, with int8 for its inputs and outputs."""
    import tensorflow as tf

    def representative() -> Iterator[list[NDArray[np.float32]]]:
        for picture in pictures[:GUIDE_PICTURES]:
            yield [picture[None]]

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(model, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def quantizer_by_default(float_file: bytes, pictures: NDArray[np.float32]) -> bytes:
    """ai-edge-quantizer's int8 file by its own recipe; it leaves the input and output float32."""
    from ai_edge_quantizer import quantizer, recipe

    from edgedigits.device.interpreter import Interpreter

    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        job = quantizer.Quantizer(float_file, recipe.static_wi8_ai8())
        signature, name = Interpreter(float_file, "the float32 file").signature()
        found = job.calibrate({signature: [{name: picture[None]} for picture in pictures]})
        return bytes(job.quantize(found).quantized_model)


def layer_weights(model: Any) -> dict[str, NDArray[np.float32]]:
    """``0.kernel``, ``0.bias``, ``1.kernel``… of the layers that have weights, in order."""
    found = [layer.get_weights() for layer in model.layers if layer.get_weights()]
    if any(len(weights) != 2 for weights in found):
        raise SystemExit("a layer has other weights than a kernel and a bias")
    return {
        f"{number}.{name}": value
        for number, weights in enumerate(found)
        for name, value in zip(("kernel", "bias"), weights, strict=True)
    }


def make(path: Path, out: Path) -> None:
    """All files of one run, which must have been exported."""
    run = RunFolder(path)
    ours = [run.export_file(f"{name}-slim") for name in OURS]
    for file in (run.export_file("float32"), *ours):
        if not file.is_file():
            raise SystemExit(f"{file}: missing; see the commands in docs/benchmarks.md")
    calibration = load_calibration_set(run, load_run_data(run))
    pictures = calibration.images[..., None].astype(np.float32) / np.float32(255)
    model = load_keras(run.model_file())
    out.mkdir(parents=True, exist_ok=True)
    float_file = run.export_file("float32").read_bytes()
    (out / "float32.tflite").write_bytes(float_file)
    (out / "converter-int8.tflite").write_bytes(converter_as_in_the_guide(model, pictures))
    (out / "quantizer-int8.tflite").write_bytes(quantizer_by_default(float_file, pictures))
    for file in ours:
        for part in (file, file.with_suffix(".json")):
            (out / f"ours-{part.name}").write_bytes(part.read_bytes())
    np.savez(out / "weights.npz", allow_pickle=False, **layer_weights(model))
    np.save(out / "calibration.npy", pictures)
    about = {"model": run.manifest()["model"]["name"], "data": run.manifest()["data"]["name"]}
    write_json(out / "about.json", {**about, "seed": run.manifest()["seed"]})
    print(f"written: {out}", file=sys.stderr)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="trained run folders")
    parser.add_argument("--out", type=Path, required=True, help="folder for all files")
    options = parser.parse_args()
    for path in options.runs:
        make(path, options.out / path.name)


if __name__ == "__main__":
    main()
