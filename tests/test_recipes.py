"""Which variants are made of what is asked for."""

from __future__ import annotations

import pytest

from edgedigits.convert.recipes import RECIPES, Variant, find_recipe, plan, recipe_of_variant
from edgedigits.errors import UsageError


def _names(
    *asked: str, sources: tuple[str, ...] = ("model",), everything: bool = False
) -> list[str]:
    return [variant.name for variant in plan(list(asked), list(sources), everything=everything)]


def test_names_are_the_variants_of_the_issue() -> None:
    assert list(RECIPES) == [
        "float32", "float16", "dynamic", "int8", "int16x8", "int4", "qat-int8", "edgetpu-int8",
    ]  # fmt: skip
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert len({recipe.code for recipe in RECIPES.values()}) == len(RECIPES)


def test_all_leaves_out_what_is_slow_and_what_is_for_a_compiler() -> None:
    by_name = ("int16x8", "edgetpu-int8")
    assert _names(everything=True) == [name for name in RECIPES if name not in by_name]
    assert _names(*by_name, everything=True) == list(RECIPES)


def test_all_of_a_derived_model_is_float32_and_int8() -> None:
    assert _names(everything=True, sources=("pruned",)) == ["pruned-float32", "pruned-int8"]


def test_asked_for_by_name_of_every_model_in_a_fixed_order() -> None:
    sources = ("model", "pruned", "channels")
    expected = [
        "float16",
        "int8",
        "pruned-float16",
        "pruned-int8",
        "channels-float16",
        "channels-int8",
    ]
    assert _names("int8", "float16", sources=sources) == expected
    assert _names("float16", "int8", "int8", sources=sources) == expected


def test_quantisation_aware_training_is_for_the_trained_model_only() -> None:
    assert _names("qat-int8", sources=("model", "pruned")) == ["qat-int8"]


def test_slim_files_have_names_of_their_own() -> None:
    made = plan(["int8"], ["model", "pruned"], everything=False, slim=True)
    assert [variant.name for variant in made] == ["int8-slim", "pruned-int8-slim"]


def test_nothing_or_nonsense_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to export: add --int8"):
        _names()
    with pytest.raises(UsageError, match="variant int9: unknown; choose from float32, "):
        _names("int9")
    with pytest.raises(UsageError, match="variant : unknown"):
        find_recipe("")


def test_a_variant_leads_back_to_its_recipe() -> None:
    for recipe in RECIPES.values():
        for source in ("model", "pruned", "channels"):
            for slim in (False, True):
                assert recipe_of_variant(Variant(source, recipe, slim).name) is recipe
    assert recipe_of_variant("mine") is None


def test_codes_say_what_the_recipe_does() -> None:
    """The code alone tells bits of weights and activations; read it back and compare."""
    words = {"i8": "int8", "f32": "float32", "f16": "float16", "i16": "int16", "i4": "int4"}
    for recipe in RECIPES.values():
        parts = recipe.code.split("_")
        assert words[parts[-1].removeprefix("a")] == recipe.activations
        assert recipe.weights.startswith(words[parts[-2].removeprefix("w")])
        assert ("static" in parts) == recipe.calibrated
        assert ("qat" in parts) == recipe.trains
        assert recipe.integer == (recipe.activations in ("int8", "int16"))
