"""A model as data: its layers, where it comes from, and how it is trained unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from edgedigits.models.layers import Layer, LayerFacts, Shape, describe


@dataclass(frozen=True)
class TrainingDefaults:
    """Settings used where the command names none.

    Attributes:
        epochs: passes over the training part. batch_size: pictures a step.
        learning_rate: of the Adam optimiser.
        early_stopping: epochs without a better one on the validation set; None: never stop early.
        data: the data set the model is meant for.
    """

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.001
    early_stopping: int | None = None
    data: str = "mnist"


@dataclass(frozen=True)
class ModelSpec:
    """One entry of the registry.

    Attributes:
        name: as in ``edgedigits train NAME``.
        layers: from input to head.
        origin: where the model comes from, one sentence.
        training: the settings published with it, or sensible ones where none were.
        input_shape: ``(height, width, channels)``.
    """

    name: str
    layers: tuple[Layer, ...]
    origin: str
    training: TrainingDefaults = field(default_factory=TrainingDefaults)
    input_shape: Shape = (28, 28, 1)

    @cached_property
    def facts(self) -> tuple[LayerFacts, ...]:
        """Shape, parameters and cost of every layer."""
        return describe(self.layers, self.input_shape)

    @property
    def classes(self) -> int:
        """Width of the head; it may be more than the data has classes."""
        return self.facts[-1].output_shape[0]

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(fact.parameters for fact in self.facts)

    @property
    def trainable(self) -> int:
        """Parameters learnt by gradient."""
        return sum(fact.trainable for fact in self.facts)

    @property
    def fixed(self) -> int:
        """Parameters not learnt by gradient."""
        return sum(fact.fixed for fact in self.facts)

    @property
    def macs(self) -> int:
        """Multiplications with addition for one picture."""
        return sum(fact.macs for fact in self.facts)

    @property
    def float32_bytes(self) -> int:
        """Bytes of all parameters as float32."""
        return 4 * self.parameters

    @property
    def int8_bytes(self) -> int:
        """Bytes of the parameters of the int8 model."""
        return sum(fact.int8_bytes for fact in self.facts)
