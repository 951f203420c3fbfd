"""What all pictures share: colours, figures without pyplot, whole files or none."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgedigits.errors import MissingPackageError
from edgedigits.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120
# Okabe and Ito, "Color Universal Design" (2008): told apart with any colour vision.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#222222"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = "osD^vPX"  # a second sign beside the colour
GREY, LIGHT = "#6b6b6b", "#dddddd"
HEAT = "Blues"
LONG_NAME = 14  # characters of a class name beside a picture

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so pictures are alike everywhere
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": BLACK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LIGHT,
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": BLACK,
    "ytick.labelcolor": BLACK,
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called "$5 $6"
}


def require_drawing() -> None:
    """Raise MissingPackageError where a package of the extra ``report`` is not installed."""
    for package in ("matplotlib", "jinja2"):
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError("drawing pictures", "report", package)


def settings() -> Any:
    """A context in which figures are made and saved in the house style.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingPackageError("drawing pictures", "report", "matplotlib") from error
    return matplotlib.rc_context(_SETTINGS)


def new_figure(
    width: float, height: float, *, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """A white figure of its own, drawn by Agg; no display and no pyplot state.

    Args:
        width, height: inches.
        layout: matplotlib's layout engine; None where everything is placed by hand.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout, facecolor="white", dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def short(name: str) -> str:
    """A class name that fits beside a picture."""
    return name if len(name) <= LONG_NAME else name[: LONG_NAME - 1] + "…"


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; the same figure gives the same bytes.

    Raises:
        RunError: the folder cannot be written.
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png", metadata={"Software": None})
    return path
