"""One way of making a small file, as data: what is removed, and how the rest is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NARROWEST = 12  # half octaves: one sixty-fourth of the filters or units
FILTERS, UNITS, QAT, CLUSTERS, INT4 = "filters", "units", "qat", "clusters", "int4 "


@dataclass(frozen=True)
class Candidate:
    """A model narrowed and retrained, or whole, in one way of storing its weights.

    Attributes:
        filters, units: how much narrower convolutions and hidden Dense layers are, in half
            octaves: 0 leaves all, 2 half of them, 4 a quarter.
        int4: Dense layers whose weights take four bits; all else is int8.
        qat: fine-tuned with int8 rounding in place; excludes ``int4``.
        clusters: distinct values that are left of each layer's int8 weights; 0: all of them.
    """

    filters: int = 0
    units: int = 0
    int4: tuple[str, ...] = ()
    qat: bool = False
    clusters: int = 0

    @property
    def narrowed(self) -> bool:
        """Whether anything is removed, so that there is something to retrain."""
        return self.filters > 0 or self.units > 0

    @property
    def model(self) -> str:
        """The name of the Keras model it is made of."""
        return f"f{self.filters}-u{self.units}" if self.narrowed else "whole"

    def removed(self) -> dict[str, float]:
        """Share of the outputs that is removed, by kind of layer."""
        return {"Conv2D": 1 - share(self.filters), "Dense": 1 - share(self.units)}

    def params(self, layers: tuple[str, ...]) -> dict[str, Any]:
        """As parameters of an Optuna trial.

        Args:
            layers: every Dense layer that may take four bits.
        """
        return {
            FILTERS: self.filters,
            UNITS: self.units,
            QAT: self.qat,
            CLUSTERS: self.clusters,
            **{INT4 + name: name in self.int4 for name in layers},
        }

    @staticmethod
    def from_params(params: dict[str, Any]) -> Candidate:
        """What :meth:`params` was made of. Raises KeyError for parameters of something else."""
        return Candidate(
            filters=int(params[FILTERS]),
            units=int(params[UNITS]),
            int4=tuple(
                k.removeprefix(INT4) for k, on in params.items() if k.startswith(INT4) and on
            ),
            qat=bool(params[QAT]),
            clusters=int(params[CLUSTERS]),
        )

    def label(self, layers: tuple[str, ...]) -> str:
        """For people: ``25 % of filters, 12.5 % of units, int4 (dense_1)``."""
        parts = [
            f"{100 * share(narrower):.3g} % of {what}"
            for what, narrower in ((FILTERS, self.filters), (UNITS, self.units))
            if narrower
        ]
        if self.int4:
            parts.append(
                "int4" if set(self.int4) == set(layers) else f"int4 ({', '.join(self.int4)})"
            )
        else:
            parts.append("int8")
        if self.qat:
            parts.append("QAT")
        if self.clusters:
            parts.append(f"{self.clusters} clusters")
        return ", ".join(parts)


def share(narrower: int) -> float:
    """Share of filters or units that stays, by half octaves."""
    return float(2 ** (-narrower / 2))
