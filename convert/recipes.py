"""The conversion recipes, as data.

A recipe's code can be decoded: ``static_wi8_ai8`` quantises weights to int8 and activations to int8
with ranges from a calibration set; ``dynamic`` finds activation ranges at run time;
``weight_only`` computes in float; ``af32`` leaves activations in float32; ``qat`` learns with
quantisation in place; ``dense_wi4`` stores the weights of Dense layers in four bits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgedigits.errors import UsageError

Tool = Literal["tflite-converter", "ai-edge-quantizer"]


@dataclass(frozen=True)
class Recipe:
    """How a Keras model becomes a ``.tflite`` file.

    Attributes:
        name: the variant's name. code: the decodable name.
        weights, activations: data types stored and computed with.
        calibrated: needs a calibration set. integer: no float tensor may remain inside.
        tool: which package converts. trains: fine-tunes with quantisation in place first.
        in_all: part of ``--all``; in_all_derived: also for pruned models.
        slow: has no fast kernel, so that it is evaluated on a part of the pictures.
        dense_per_tensor: the weights of Dense layers have one scale, not one a channel.
        about: one line for people.
    """

    name: str
    code: str
    weights: str
    activations: str
    about: str
    calibrated: bool = False
    integer: bool = False
    tool: Tool = "tflite-converter"
    trains: bool = False
    in_all: bool = True
    in_all_derived: bool = False
    slow: bool = False
    dense_per_tensor: bool = False

    def to_json(self) -> dict[str, Any]:
        """What travels in the file's metadata."""
        fields = asdict(self)
        kept = ("name", "code", "weights", "activations", "calibrated", "integer", "tool")
        return {key: fields[key] for key in kept}


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="float32",
            code="wf32_af32",
            weights="float32",
            activations="float32",
            about="as trained; what every other variant is held against",
            in_all_derived=True,
        ),
        Recipe(
            name="float16",
            code="weight_only_wf16_af32",
            weights="float16",
            activations="float32",
            about="half the bytes, computed in float32",
        ),
        Recipe(
            name="dynamic",
            code="dynamic_wi8_af32",
            weights="int8",
            activations="float32",
            about="int8 weights, float inputs and outputs, no calibration set",
        ),
        Recipe(
            name="int8",
            code="static_wi8_ai8",
            weights="int8",
            activations="int8",
            about="int8 throughout, int8 in and out",
            calibrated=True,
            integer=True,
            in_all_derived=True,
        ),
        Recipe(
            name="int16x8",
            code="static_wi8_ai16",
            weights="int8",
            activations="int16",
            about="int8 weights, int16 activations; tens of times slower than int8; by name only",
            calibrated=True,
            integer=True,
            in_all=False,
            slow=True,
        ),
        Recipe(
            name="int4",
            code="static_dense_wi4_ai8",
            weights="int4 (Dense), int8",
            activations="int8",
            about="Dense weights in four bits, all else int8",
            calibrated=True,
            integer=True,
            tool="ai-edge-quantizer",
        ),
        Recipe(
            name="qat-int8",
            code="qat_wi8_ai8",
            weights="int8",
            activations="int8",
            about="int8 after fine-tuning with quantisation in place",
            integer=True,
            trains=True,
        ),
        Recipe(
            name="edgetpu-int8",
            code="dense_per_tensor_static_wi8_ai8",
            weights="int8",
            activations="int8",
            about="int8 for the Edge TPU's compiler: one scale a Dense layer; by name only",
            calibrated=True,
            integer=True,
            in_all=False,
            dense_per_tensor=True,
        ),
    )
}

SOURCES = ("model", "pruned", "channels", "shrunk")
SLIM = "-slim"  # ends the name of a variant whose names and metadata are left out


@dataclass(frozen=True)
class Variant:
    """One file to make: a recipe applied to one of the run's Keras models, slimmed or not.

    Attributes:
        layers: of ``int4`` only, the Dense layers that get four bits; empty: all of them.
        clusters: distinct values left of each layer's int8 weights; 0: all.
    """

    source: str
    recipe: Recipe
    slim: bool = False
    layers: tuple[str, ...] = ()
    clusters: int = 0

    @property
    def name(self) -> str:
        """``int8`` for the trained model, ``pruned-int8`` for a derived one; ``int8-slim``."""
        clustered = (f"{self.clusters}clusters",) if self.clusters else ()
        name = "-".join((self.recipe.name, *self.layers, *clustered))
        name = name if self.source == "model" else f"{self.source}-{name}"
        return name + SLIM * self.slim


def find_recipe(name: str) -> Recipe:
    """A recipe by its variant name. Raises UsageError for an unknown one."""
    if name not in RECIPES:
        raise UsageError(f"variant {name}: unknown; choose from {', '.join(RECIPES)}")
    return RECIPES[name]


def recipe_of_variant(variant: str) -> Recipe | None:
    """The recipe behind a variant's name such as ``pruned-int8``, or None for a foreign name."""
    variant = variant.removesuffix(SLIM)
    for source in SOURCES[1:]:
        variant = variant.removeprefix(f"{source}-")
    return RECIPES.get(variant)


def plan(
    names: list[str], sources: list[str], *, everything: bool, slim: bool = False
) -> list[Variant]:
    """The variants to make, in a fixed order.

    Args:
        names: recipes asked for by name; made of every source.
        sources: the Keras models that the run holds, ``model`` first.
        everything: also all recipes that run at speed; of derived models only float32 and int8.
        slim: leave names and metadata out of the files.

    Raises:
        UsageError: nothing was asked for, or an unknown recipe.
    """
    asked = {find_recipe(name).name for name in names}
    if not asked and not everything:
        raise UsageError(
            "nothing to export: add --int8, --float32, --float16, --dynamic, --int4, --int16x8, "
            "--qat, --edgetpu or --all"
        )
    variants = []
    for source in sources:
        for recipe in RECIPES.values():
            derived = source != "model"
            automatic = everything and (recipe.in_all_derived if derived else recipe.in_all)
            # Quantisation-aware training would undo the zeros of a pruned model.
            named = recipe.name in asked and not (derived and recipe.trains)
            if automatic or named:
                variants.append(Variant(source, recipe, slim))
    return variants
