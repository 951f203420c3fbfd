"""A diagnosis as pictures: error and ranges by layer, and the pictures whose answer flips."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from edgedigits.diagnose import Diagnosed, LayerError, VariantDiagnosis
from edgedigits.files import write_json
from edgedigits.report.diagnosis import diagnosis_json, summary
from edgedigits.report.grids import draw_flips
from edgedigits.report.style import BLUE, GREY, LIGHT, VERMILION, new_figure, save, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIAGNOSIS = "diagnosis.json"
SERIES = (
    ("sqnr_db", "gathered up to here", GREY, "o"),
    ("alone_db", "its own", BLUE, "s"),
    ("end_db", "of its own, at the end", VERMILION, "D"),
)


def layers_picture(folder: Path, variant: str) -> Path:
    """Where the picture of a variant's layers goes."""
    return folder / f"{variant}-layers.png"


def flips_picture(folder: Path, variant: str) -> Path:
    """Where the picture of a variant's flips goes."""
    return folder / f"{variant}-flips.png"


def save_diagnosis(diagnosed: Diagnosed, folder: Path) -> tuple[Path, ...]:
    """Write ``diagnosis.json`` and two pictures a variant, one where no answer flips.

    Args:
        diagnosed: the result. folder: where the files go; made if need be.

    Raises:
        MissingPackageError: matplotlib is not installed; the JSON is written all the same.
        RunError: the folder cannot be written.
    """
    diagnosis = diagnosed.diagnosis
    written = [folder / DIAGNOSIS]
    write_json(written[0], diagnosis_json(diagnosis))
    for found in diagnosis.variants:
        written.append(draw_layers(found, layers_picture(folder, found.variant)))
        flipped = flips_picture(folder, found.variant)
        flipped.unlink(missing_ok=True)
        if found.flips:
            written.append(draw_flips(diagnosed, found, flipped))
    return tuple(written)


def draw_layers(found: VariantDiagnosis, path: Path) -> Path:
    """Draw error and activation range of each layer.

    Raises:
        MissingPackageError: matplotlib is not installed.
        RunError: the picture cannot be written.
    """
    layers = found.layers
    with settings():
        figure = new_figure(10.0, 1.9 + 0.42 * max(1, len(layers)))
        errors, ranges = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        _draw_errors(errors, layers)
        _draw_ranges(ranges, layers)
        errors.set_yticks(range(len(layers)), [_label(layer) for layer in layers])
        errors.set_ylim(len(layers) - 0.4, -0.6)
        figure.suptitle(
            f"{found.variant}: {summary(found)}", x=0.01, ha="left", fontsize=11, fontweight="bold"
        )
        return save(figure, path)


def _label(layer: LayerError) -> str:
    return f"{layer.layer} ({layer.op.lower()})"


def _draw_errors(axes: Axes, layers: tuple[LayerError, ...]) -> None:
    for key, label, colour, marker in SERIES:
        shown = [(getattr(layer, key), i) for i, layer in enumerate(layers)]
        finite = [(value, i) for value, i in shown if math.isfinite(value)]
        axes.plot(
            [value for value, _ in finite],
            [i for _, i in finite],
            marker,
            color=colour,
            label=label,
            markersize=6,
            alpha=0.9,
        )
    axes.set_xlabel("signal-to-quantisation-noise ratio, dB (left is worse)")
    axes.grid(visible=True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=9)


def _draw_ranges(axes: Axes, layers: tuple[LayerError, ...]) -> None:
    for i, layer in enumerate(layers):
        if layer.range is None:
            continue
        low, high = layer.range.calibrated
        start, end = ((value - low) / (high - low) for value in layer.range.seen)
        axes.barh(i, 1, color=LIGHT, height=0.6, label="calibrated" if i == 0 else None)
        outside = max(0.0, -start) + max(0.0, end - 1)
        colour = VERMILION if layer.range.clipped > 0 and outside > 0 else BLUE
        axes.barh(i, end - start, left=start, color=colour, height=0.26)
    axes.set_xlabel("range seen (thin) in the\ncalibrated one (thick); red: clipped")
    axes.set_xticks([0, 1], ["lowest", "highest"])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
