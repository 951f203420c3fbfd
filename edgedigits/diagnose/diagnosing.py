"""Hold one ``.tflite`` file against the float model it was made of, layer by layer."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.convert.contents import Contents, read_contents
from edgedigits.data.dataset import Pictures
from edgedigits.device.classifier import Classifier
from edgedigits.device.interpreter import read_file
from edgedigits.diagnose.branches import with_branches
from edgedigits.diagnose.files import Files, Weights
from edgedigits.diagnose.measure import NoiseSum, RangeSum, channel_decibels
from edgedigits.diagnose.names import INPUT, layer_names
from edgedigits.diagnose.pairs import Pair, pair_operations
from edgedigits.diagnose.result import Flip, LayerError, VariantDiagnosis
from edgedigits.diagnose.stored import Steps
from edgedigits.diagnose.tracing import AloneTrace, Trace, Watched, trace
from edgedigits.errors import ModelFileError
from edgedigits.progress import SILENT, Progress
from edgedigits.run import file_digest

# Their range is laid down by what they compute.
FIXED = ("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "TANH", "L2_NORMALIZATION")
EXACT = 120.0  # dB; no more than what float32 itself rounds

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reference:
    """The float model that variants are held against.

    Attributes:
        classifier: its ``.tflite`` file, opened. name: what to call it.
        layers: names of its Keras layers, where they are known.
    """

    classifier: Classifier
    name: str
    layers: Container[str] = ()


def diagnose_variant(
    classifier: Classifier,
    reference: Reference,
    pictures: Pictures,
    indices: Labels,
    *,
    progress: Progress = SILENT,
) -> VariantDiagnosis:
    """Find what quantisation does to each layer.

    Args:
        classifier: the file to be diagnosed. reference: the float model.
        pictures: with labels. indices: int64 ``[n]``, the place of each in its part.
        progress: told of each layer.

    Raises:
        ModelFileError: the files are not of one model, or the reference is no float file.
    """
    assert pictures.labels is not None
    files = (_bytes(reference.classifier), _bytes(classifier))
    names = (str(reference.classifier.path), str(classifier.path))
    contents = (read_contents(files[0], names[0]), read_contents(files[1], names[1]))
    pairs = _pairs(contents, names)
    parsed = Files(*files)
    inputs = (
        reference.classifier.inputs(pictures.images),
        classifier.inputs(pictures.images),
    )
    rounding = _input_rounding(parsed, inputs[0])
    faulty = tuple(pair for pair in pairs if parsed.adds_error(pair))
    traces = trace(
        with_branches(files[0], parsed, faulty, None if rounding is None else rounding.steps),
        files[1],
        inputs,
        contents[0],
        tuple(_watched(pair, contents, parsed) for pair in pairs),
        progress=progress,
        what=f"diagnose {classifier.variant}",
    )
    judge = _Judge(pictures.labels, traces.answers)
    layer_of = layer_names(contents[0], reference.layers)
    of_pair = dict(zip(pairs, traces.operations, strict=True))
    alone = list(traces.branches)
    layers = []
    if rounding is not None:
        layers.append(judge.layer(INPUT, "QUANTIZE", -1, rounding.trace, alone.pop(0), ()))
    for pair, branch in zip(faulty, alone, strict=True):
        op = contents[1].ops[pair.variant]
        name = layer_of[pair.reference]
        weights = parsed.weights(pair)
        layers.append(judge.layer(name, op.name, op.index, of_pair[pair], branch, weights))
    scores = tuple(one.scores(pictures.images) for one in (reference.classifier, classifier))
    return _result(
        classifier, reference, scores, pictures.labels, indices, tuple(layers), traces.end
    )


def _watched(pair: Pair, contents: tuple[Contents, Contents], parsed: Files) -> Watched:
    return Watched(
        reference=contents[0].ops[pair.reference].outputs[0],
        variant=contents[1].ops[pair.variant].outputs[0],
        steps=parsed.written(pair),
        calibrated=contents[1].ops[pair.variant].name not in FIXED,
    )


def _bytes(classifier: Classifier) -> bytes:
    return read_file(classifier.path, trust=True)  # it has been opened


def _pairs(contents: tuple[Contents, Contents], names: tuple[str, str]) -> tuple[Pair, ...]:
    first, second = contents
    entry = first.tensors[first.inputs[0]]
    if entry.dtype != "FLOAT32" or any(t.dtype in ("INT8", "UINT8", "INT4") for t in first.tensors):
        raise ModelFileError(f"{names[0]}: is quantised itself; name the float model with --float")
    pairs = pair_operations(first, second)
    last = first.tensors[first.outputs[0]].shape[1:], second.tensors[second.outputs[0]].shape[1:]
    if not pairs or last[0] != last[1]:
        raise ModelFileError(
            f"{names[1]}: was not made of {names[0]}: their operations are not the same"
        )
    return pairs


@dataclass(frozen=True, eq=False)
class _Judge:
    """Truth and the float model's answers, int64 ``[n]`` each."""

    truth: Labels
    answers: Labels

    def layer(
        self,
        name: str,
        op: str,
        operation: int,
        trace: Trace,
        alone: AloneTrace,
        weights: tuple[Weights, ...],
    ) -> LayerError:
        """Everything known of one layer."""
        kernel = weights[0] if weights else None
        accuracy = float((alone.answers == self.truth).mean())
        return LayerError(
            layer=name,
            op=op,
            operation=operation,
            sqnr_db=trace.decibels,
            alone_db=alone.decibels,
            end_db=alone.end,
            weights_db=None if kernel is None else _decibels(kernel.exact, kernel.stored),
            worst_channel_db=None if kernel is None else _worst_channel(kernel),
            accuracy_alone=accuracy,
            drop_alone=100 * (float((self.answers == self.truth).mean()) - accuracy),
            flips_alone=int((alone.answers != self.answers).sum()),
            range=trace.range,
        )


def _decibels(exact: NDArray[Any], actual: NDArray[Any]) -> float:
    noise = NoiseSum()
    noise.add(exact, actual)
    return noise.decibels


def _worst_channel(weights: Weights) -> float | None:
    channels = channel_decibels(weights.exact, weights.stored, weights.channel)
    return float(channels.min()) if len(channels) else None


@dataclass(frozen=True)
class _InputRounding:
    steps: Steps
    trace: Trace


def _input_rounding(parsed: Files, inputs: NDArray[Any]) -> _InputRounding | None:
    """What the variant makes of the input; None where that is exact, or it takes floats."""
    steps = parsed.input_steps()
    if steps is None:
        return None
    noise, held = NoiseSum(), RangeSum(steps.range, steps.scale)
    noise.add(inputs, steps.rounded(inputs))
    if noise.decibels > EXACT:
        return None
    held.add(inputs)
    return _InputRounding(steps, Trace(noise.decibels, held.use))


def _result(
    classifier: Classifier,
    reference: Reference,
    scores: tuple[NDArray[np.float32], ...],
    truth: Labels,
    indices: Labels,
    layers: tuple[LayerError, ...],
    end_db: float,
) -> VariantDiagnosis:
    before, after = (one.argmax(axis=1) for one in scores)
    exact, accuracy = float((before == truth).mean()), float((after == truth).mean())
    return VariantDiagnosis(
        variant=classifier.variant,
        file=classifier.path,
        file_digest=file_digest(classifier.path),
        reference=reference.name,
        accuracy=accuracy,
        reference_accuracy=exact,
        drop=100 * (exact - accuracy),
        end_db=end_db,
        layers=layers,
        flips=tuple(
            Flip(
                index=int(indices[i]),
                truth=int(truth[i]),
                before=int(before[i]),
                before_score=float(scores[0][i, before[i]]),
                after=int(after[i]),
                after_score=float(scores[1][i, after[i]]),
            )
            for i in np.flatnonzero(before != after)
        ),
        notes=classifier.assumptions,
    )
