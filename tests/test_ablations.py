"""The benchmark that changes one thing at a time: what differs, and what is measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from helpers_training import small_npz

from edgedigits.data.registry import load_data
from edgedigits.run import RunFolder
from edgedigits.train import TrainSettings, train

if TYPE_CHECKING:
    from types import ModuleType

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def ablations(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import ablations

    return ablations


def test_each_variant_differs_from_the_recipe_in_one_thing(ablations: ModuleType) -> None:
    recipe, *others = ablations.VARIANTS
    assert len({variant.name for variant in ablations.VARIANTS}) == len(ablations.VARIANTS)
    for variant in others:
        differing = {
            key for key, value in asdict(variant).items() if value != asdict(recipe)[key]
        } - {"name"}
        # The wider model exists to be pruned to the rung's own size.
        assert differing in ({"layers", "pruned"}, *({key} for key in asdict(recipe))), variant.name


def test_a_pruned_variant_ends_as_wide_as_the_rung(ablations: ModuleType) -> None:
    from edgedigits.models.layers import Conv

    (pruned,) = (variant for variant in ablations.VARIANTS if variant.pruned)

    def widths(layers: Any) -> list[int]:
        return [layer.filters for layer in layers if isinstance(layer, Conv)]

    left = [round(width * (1 - pruned.pruned)) for width in widths(pruned.spec.layers)]
    assert left == widths(ablations.VARIANTS[0].spec.layers)


@pytest.mark.slow
def test_what_is_measured_is_what_the_variant_reaches(
    ablations: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_npz(tmp_path / "data.npz", train=700, test=50)
    run = train(TrainSettings("mnist-dense", str(data), epochs=4), tmp_path / "teacher").run
    own = load_data(str(data))
    monkeypatch.setattr(ablations, "load_data", lambda name, data_dir: own)
    given = ablations.lesson(RunFolder(run.path))
    by_name = {variant.name: variant for variant in ablations.VARIANTS}
    rows = {}
    for name in (
        "the recipe",
        "wider, a third of the filters pruned half way",
        "mean of the weights",
    ):
        rows[name] = ablations.measured(by_name[name], given, 4, 0)
    assert {row["parameters"] for row in rows.values()} == {rows["the recipe"]["parameters"]}
    assert all(row["bytes"] < 8192 for row in rows.values())
    n = len(given.data.validation)
    for row in rows.values():
        for key in ("validation_accuracy", "float_validation_accuracy"):
            assert round(row[key] * n) == pytest.approx(row[key] * n)
        assert abs(row["validation_accuracy"] - row["float_validation_accuracy"]) < 0.2
    document = ablations.document(list(rows.values()), 4, n)
    monkeypatch.syspath_prepend(BENCHMARKS)
    from render_ladder import ablations as render

    page = render(json.loads(json.dumps(document)))
    gain = 100 * (
        rows["mean of the weights"]["validation_accuracy"]
        - rows["the recipe"]["validation_accuracy"]
    )
    assert f"{gain:+.2f}".replace("-", "−") in page
    assert "Not measured yet: no augmentation, augmentation at full strength" in page
    assert np.isfinite(gain)
