"""Channel pruning: whole filters and hidden units removed, so that file and arithmetic shrink.

Filters are ranked by the sum of their absolute weights, as in H. Li, A. Kadav, I. Durdanovic,
H. Samet, H. P. Graf, "Pruning Filters for Efficient ConvNets", ICLR 2017; units of dense layers by
the same sum over their incoming weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgedigits.errors import TrainingError
from edgedigits.prune.sequential import OUTPUTS, WEIGHTED, Indices, Link


def prunable(links: tuple[Link, ...]) -> tuple[Link, ...]:
    """The layers whose outputs may be removed: all with weights but the last, which answers.

    Raises:
        TrainingError: there is none, or a layer on the way cannot follow.
    """
    weighted = [link for link in links if link.kind in WEIGHTED]
    found = tuple(link for link in weighted[:-1] if link.outputs > 1)
    if not found:
        raise TrainingError(
            "this model has no layer whose filters or units could be removed: "
            "beside the output layer it has no convolution or dense layer with two outputs or more"
        )
    for link in links:
        if link.config.get("groups", 1) != 1 or link.config.get("depth_multiplier", 1) != 1:
            raise TrainingError(
                f"layer {link.name} works in groups of channels, of which none can be removed"
            )
        if link.kind == "Reshape" and links.index(link) > links.index(found[0]):
            raise TrainingError(
                f"layer {link.name} reshapes what a layer before it would lose channels of"
            )
    return found


def strongest(links: tuple[Link, ...], sparsity: float | Mapping[str, float]) -> dict[str, Indices]:
    """For each prunable layer, which outputs stay: those with the largest L1 norm of weights.

    Args:
        links: the model.
        sparsity: share of the outputs of each layer to remove, 0 to 1, or one for ``"Conv2D"``
            and one for ``"Dense"``; one output always stays.

    Returns:
        Ascending positions by layer name.
    """
    kept = {}
    for link in prunable(links):
        norms = np.abs(link.weights[0]).reshape(-1, link.outputs).sum(axis=0)
        count = _how_many(link, sparsity)
        kept[link.name] = np.sort(np.argsort(-norms, kind="stable")[:count]).astype(np.int64)
    return kept


def _how_many(link: Link, sparsity: float | Mapping[str, float]) -> int:
    share = sparsity if isinstance(sparsity, (int, float)) else sparsity[link.kind]
    return max(1, round(link.outputs * (1 - share)))


def narrowed_sizes(
    links: tuple[Link, ...], sparsity: float | Mapping[str, float]
) -> tuple[tuple[str, str, int, int], ...]:
    """What the layers with a kernel would be after :func:`remove`, without removing anything.

    Args:
        links, sparsity: as for :func:`strongest`.

    Returns:
        Name, kind, values of the kernel and outputs, layer by layer.
    """
    loses = {link.name for link in prunable(links)}
    sizes = []
    alive: int | None = None
    for link in links:
        if link.kind in WEIGHTED:
            window, inputs = link.weights[0].shape[:-2], link.weights[0].shape[-2]
            inputs = inputs if alive is None else alive
            outputs = _how_many(link, sparsity) if link.name in loses else link.outputs
            sizes.append((link.name, link.kind, math.prod(window) * inputs * outputs, outputs))
            alive = outputs
        elif link.kind == "DepthwiseConv2D":
            window = link.weights[0].shape[:2]
            channels = link.outputs if alive is None else alive
            sizes.append((link.name, link.kind, math.prod(window) * channels, channels))
        elif link.kind == "Flatten" and alive is not None:
            alive *= link.outputs // link.input_shape[-1]
    return tuple(sizes)


def remove(links: tuple[Link, ...], kept: Mapping[str, Indices]) -> tuple[Link, ...]:
    """The chain with only the outputs in ``kept``; layers not named there keep theirs.

    Every layer's incoming weights follow what the layers before it lost. The shapes of the new
    links are still the old ones: they follow from assembling the model.
    """
    result = []
    alive: Indices | None = None  # positions on the last axis that are still there; None: all
    for link in links:
        if link.kind in WEIGHTED:
            staying = kept.get(link.name)
            result.append(_reduced(link, alive, staying))
            alive = staying
            continue
        if link.kind in ("BatchNormalization", "DepthwiseConv2D") and alive is not None:
            result.append(replace(link, weights=_passing(link, alive)))
            continue
        result.append(link)
        if link.kind == "Flatten" and alive is not None:
            channels = link.input_shape[-1]
            places = np.arange(link.outputs // channels)
            alive = (places[:, None] * channels + alive[None, :]).ravel()
    return tuple(result)


def _reduced(link: Link, alive: Indices | None, staying: Indices | None) -> Link:
    kernel, *bias = link.weights
    if alive is not None:
        kernel = np.take(kernel, alive, axis=-2)
    if staying is None:
        return replace(link, weights=(kernel, *bias))
    return replace(
        link,
        config={**link.config, OUTPUTS[link.kind]: len(staying)},
        weights=(np.take(kernel, staying, axis=-1), *(values[staying] for values in bias)),
    )


def _passing(link: Link, alive: Indices) -> tuple[np.ndarray, ...]:
    """Weights of a layer that treats each channel alone, for the channels still there."""
    if link.kind == "BatchNormalization":
        return tuple(values[alive] for values in link.weights)
    kernel, *bias = link.weights
    return (np.take(kernel, alive, axis=2), *(values[alive] for values in bias))
