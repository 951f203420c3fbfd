"""Hold one ``.tflite`` file against the float model it was made of, layer by layer."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.convert.contents import Contents, read_contents
from edgedigits.convert.layer_names import layer_names
from edgedigits.data.dataset import Pictures
from edgedigits.device.classifier import Classifier
from edgedigits.device.interpreter import read_file
from edgedigits.diagnose.branches import with_branches
from edgedigits.diagnose.files import Files, Weights
from edgedigits.diagnose.measure import NoiseSum, RangeSum, channel_decibels
from edgedigits.diagnose.pairs import Pair, pair_operations
from edgedigits.diagnose.result import Flip, LayerError, VariantDiagnosis
from edgedigits.diagnose.stored import Steps
from edgedigits.diagnose.tracing import AloneTrace, Trace, Traces, Watched, trace
from edgedigits.errors import ModelFileError
from edgedigits.files import file_digest
from edgedigits.progress import SILENT, Progress

INPUT = "input"  # the rounding of the pictures, as a layer

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
    both = _Both(classifier, reference, pictures)
    rounding = _input_rounding(both.parsed, both.inputs[0])
    traces = both.trace(both.faulty, None if rounding is None else rounding.steps, progress)
    judge = _Judge(pictures.labels, traces.answers)
    of_pair = dict(zip(both.pairs, traces.operations, strict=True))
    alone = list(traces.branches)
    layers = []
    if rounding is not None:
        layers.append(judge.layer(INPUT, "QUANTIZE", -1, rounding.trace, alone.pop(0), ()))
    for pair, branch in zip(both.faulty, alone, strict=True):
        op = both.contents[1].ops[pair.variant]
        weights = both.parsed.weights(pair)
        name = both.layer_of[pair.reference]
        layers.append(judge.layer(name, op.name, op.index, of_pair[pair], branch, weights))
    scores = tuple(one.scores(pictures.images) for one in (reference.classifier, classifier))
    return _result(
        classifier, reference, scores, pictures.labels, indices, tuple(layers), traces.end
    )


@dataclass(frozen=True)
class Gathered:
    """What a layer writes in a variant against float, see ``Trace``; nothing of it alone."""

    layer: str
    trace: Trace


def gathered(
    classifier: Classifier, reference: Reference, pictures: Pictures
) -> tuple[tuple[Gathered, ...], float]:
    """The error that gathers from layer to layer, and in dB before the softmax.

    Arguments and errors as :func:`diagnose_variant`, which takes longer.
    """
    both = _Both(classifier, reference, pictures)
    traces = both.trace((), None, SILENT)
    of_pair = dict(zip(both.pairs, traces.operations, strict=True))
    found = (Gathered(both.layer_of[pair.reference], of_pair[pair]) for pair in both.faulty)
    return tuple(found), traces.end


class _Both:
    """The float file and the variant, ready to be run over pictures."""

    def __init__(self, classifier: Classifier, reference: Reference, pictures: Pictures) -> None:
        opened = (reference.classifier, classifier)
        self._what = f"diagnose {classifier.variant}"
        self._bytes = _bytes(opened[0]), _bytes(opened[1])
        names = str(opened[0].path), str(opened[1].path)
        self.contents = (
            read_contents(self._bytes[0], names[0]),
            read_contents(self._bytes[1], names[1]),
        )
        self.pairs = _pairs(self.contents, names)
        self.parsed = Files(*self._bytes)
        self.faulty = tuple(pair for pair in self.pairs if self.parsed.adds_error(pair))
        self.inputs = opened[0].inputs(pictures.images), opened[1].inputs(pictures.images)
        self.layer_of = layer_names(self.contents[0], reference.layers)

    def trace(self, alone: tuple[Pair, ...], rounding: Steps | None, progress: Progress) -> Traces:
        """Run both, with a branch for each operation of ``alone``, and one for the input."""
        return trace(
            with_branches(self._bytes[0], self.parsed, alone, rounding),
            self._bytes[1],
            self.inputs,
            self.contents[0],
            tuple(map(self._watched, self.pairs)),
            progress=progress,
            what=self._what,
        )

    def _watched(self, pair: Pair) -> Watched:
        op = self.contents[1].ops[pair.variant]
        return Watched(
            reference=self.contents[0].ops[pair.reference].outputs[0],
            variant=op.outputs[0],
            steps=self.parsed.written(pair),
            calibrated=op.name not in FIXED,
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
