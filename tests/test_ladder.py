"""The ladder's benchmark: what is measured, judged, rendered and drawn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from helpers_models import dense_file, nearest_mean, write

from edgedigits.data.builtin import load_digits
from edgedigits.data.dataset import DataSet
from edgedigits.device.latency import Latency
from edgedigits.zoo import reader_file

if TYPE_CHECKING:
    from types import ModuleType

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
KIB = 1024


@pytest.fixture(autouse=True)
def _beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture
def ladder() -> ModuleType:
    import ladder

    return ladder


def entry(name: str, size: int, tests: list[float], **more: Any) -> Any:
    seeds = [{"seed": i, "test_accuracy": test} for i, test in enumerate(tests)]
    return {"name": name, "data": "mnist", "bytes": size, "accuracy": 0.5, "seeds": seeds} | more


def test_every_file_but_the_reader_is_of_the_ladder(ladder: ModuleType, tmp_path: Path) -> None:
    for name, size in (("b.tflite", 9), ("a.tflite", 10), (reader_file().name, 1), ("a.json", 1)):
        write(tmp_path / name, bytes(size))
    assert [file.name for file in ladder.ladder_files(tmp_path)] == ["b.tflite", "a.tflite"]


def test_an_aim_is_met_by_the_mean_of_the_file_made_for_it(ladder: ModuleType) -> None:
    rows = [
        entry("mnist-8k", 8 * KIB, [0.9920, 0.9925, 0.9930]),
        entry("lucky", 16 * KIB, [0.9990] * 3),
        entry("mnist-16k", 16 * KIB, [0.9990, 0.9900, 0.9900]),
        entry("mnist-32k", 32 * KIB, [0.9990, 0.9990]),
        entry("fashion-32k", 32 * KIB + 1, [0.9990] * 3),
    ]
    found = {(aim["data"], aim["limit"]): (aim["name"], aim["met"]) for aim in ladder.judged(rows)}
    assert found["mnist", 8 * KIB] == ("mnist-8k", True)  # 99.25 exactly
    assert found["mnist", 16 * KIB] == ("mnist-16k", False)  # 99.27, though one seed had 99.9
    assert found["mnist", 32 * KIB] == ("mnist-32k", None)  # two seeds are too few
    assert found["mnist", None] == ("mnist-32k", None)
    assert found["fashion-mnist", 32 * KIB] == ("fashion-32k", False)  # a byte too many
    assert found["fashion-mnist", 64 * KIB] == (None, None)
    assert len(found) == 8


def test_the_smallest_size_that_fits_is_found() -> None:
    import micro

    for wanted in (1_000, 1_016, 1_032, 2_600, 40_008):
        found = micro.smallest(wanted.__le__, 1_000)
        assert found == next(size for size in range(1_000, 50_000, 16) if size >= wanted)
    assert micro.smallest(lambda size: False, 1_000) is None


def test_the_ratio_is_the_median_of_the_rounds(ladder: ModuleType) -> None:
    own, other = (
        Latency(p50_us=0, p95_us=0, calls=0, round_p50_us=rounds)
        for rounds in ((1.0, 8.0, 3.0), (2.0, 2.0, 2.0))
    )
    assert ladder.ratio(own, other) == 1.5


@pytest.fixture
def measured(ladder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A nearest-mean file measured as if the embedded digits were MNIST."""
    digits = load_digits()
    assert digits.train.labels is not None
    weights = nearest_mean(digits.train.images, digits.train.labels, 10)
    file = write(tmp_path / "hand.tflite", dense_file(*weights))
    notes = {"data": "mnist", "seeds": [], "shipped_seed": 0}
    file.with_suffix(".json").write_text(json.dumps(notes))
    monkeypatch.setattr(ladder, "data_set", lambda name: digits)
    monkeypatch.setattr(ladder, "ROUNDS", 2)
    ladder.harder.cache_clear()
    yield digits, weights, ladder.measure([file], Path(shutil.copy(file, tmp_path / "r.tflite")))
    ladder.harder.cache_clear()


def test_a_file_is_measured_as_numpy_has_it(ladder: ModuleType, measured: Any) -> None:
    digits: DataSet
    digits, (weights, bias), document = measured
    (row,) = document["rows"]

    def share(images: Any, labels: Any) -> float:
        answers = (images.reshape(len(images), -1) / 255 @ weights.T + bias).argmax(axis=1)
        return float(np.mean(answers == labels))

    test = digits.test
    assert test is not None
    assert row["accuracy"] == pytest.approx(share(test.images, test.labels), abs=0.003)
    every = [(part.images, part.labels) for part in (digits.train, test)]
    whole = sum(len(images) * share(images, labels) for images, labels in every) / 1797
    assert row["robustness"]["digits 8×8"] == pytest.approx(whole, abs=0.003)
    thin = np.stack([np.asarray(_thin(image)) for image in test.images])
    assert row["robustness"]["thin"] == pytest.approx(share(thin, test.labels), abs=0.003)
    assert len(row["robustness"]) == 7
    size = len(dense_file(weights, bias))
    assert (row["name"], row["n"], row["bytes"]) == ("hand", 360, size)
    for kernels in ("latency", "builtin"):
        assert 0.5 < row[f"{kernels}_ratio"] < 2  # beside a copy of itself
    assert row["arena_estimate"] >= row["arena_head"] >= 4 * (784 + 784)


def _thin(image: Any) -> Any:
    """Grey erosion by a cross, as a plain minimum of five moved copies; the edge repeats."""
    edge = np.pad(image, 1, mode="edge")
    moved = [edge[1 + y : 29 + y, 1 + x : 29 + x] for y, x in ((0, 0), (1, 0), (-1, 0), (0, 1))]
    return np.minimum.reduce([*moved, edge[1:29, 0:28]])


def test_a_file_for_other_data_is_refused(ladder: ModuleType) -> None:
    from edgedigits.device.classifier import Classifier

    with pytest.raises(SystemExit, match="says it is for letters, not mnist or fashion-mnist"):
        ladder.data_of({"data": {"name": "letters"}}, Classifier(reader_file()))


def full(name: str, data: str, size: int, tests: list[float]) -> Any:
    robust = {"digits 8×8": 0.9, "thin": 0.8} if data == "mnist" else None
    more = {
        "data": data, "parameters": 4321, "n": 10_000, "robustness": robust, "arena_head": 4_000,
        "arena_estimate": 8_192, "arena_micro": None, "latency_us_p50": 12.34,
        "latency_ratio": 0.125, "builtin_us_p50": 23.45, "builtin_ratio": 0.375,
    }  # fmt: skip
    made = entry(name, size, tests, **more)
    for seed in made["seeds"]:
        seed["float_test_accuracy"] = 0.75
    return made


def document(ladder: ModuleType) -> Any:
    rows = [
        full("mnist-8k", "mnist", 8_000, [0.9924, 0.9926, 0.9928]),
        full("fashion-32k", "fashion-mnist", 32_000, [0.92, 0.92, 0.92]),
    ]
    return {
        "rows": rows,
        "aims": ladder.judged(rows),
        "reference": {"name": "mnist-cnn int8", "bytes": 1_694_064},
        "versions": {"numpy": "2"},
        "host": {"processor": "P", "python": "3"},
    }


def test_the_tables_say_what_the_document_does(ladder: ModuleType) -> None:
    from render_ladder import ladder as render

    page = render(document(ladder))
    lines = page.splitlines()
    assert "| MNIST | 8 KiB | 99.25 | `mnist-8k` | 8,000 | 99.26 ± 0.02 | 3 | yes |" in lines
    assert (
        "| Fashion-MNIST | 32 KiB | 92.50 | `fashion-32k` | 32,000 | 92.00 ± 0.00 | 3 | **no** |"
        in lines
    )
    assert (
        "| `mnist-8k` | MNIST | 8,000 | 4,321 | 50.00 | 99.26 ± 0.02 | 75.00 ± 0.00 | 12.3 | 0.12 "
        "| 23.4 | 0.38 | 4,000 | 8,192 | – |" in lines
    )
    assert "| `mnist-8k` | 50.00 | 90.00 | 80.00 |" in lines
    assert page.count("fashion-32k") == 2  # one aim, its own row; never among the digits
    assert "mnist-cnn int8, 1,694,064 bytes" in page


def test_without_files_only_the_aims_are_rendered(ladder: ModuleType) -> None:
    from render_ladder import ladder as render

    empty = {"rows": [], "aims": ladder.judged([])}
    page = render(empty)
    assert page.count("no file") == 8
    assert "### Files" not in page


def test_the_picture_is_drawn_alike_twice_and_holds_the_points(
    ladder: ModuleType, tmp_path: Path
) -> None:
    from ladder_picture import draw, shown

    rows = document(ladder)["rows"]
    assert shown(rows[0]) == pytest.approx((99.26, 99.24, 99.28))
    assert shown({"seeds": [], "accuracy": 0.5}) == (50, 50, 50)
    first, second = (draw({"rows": rows}, tmp_path / f"{i}.png").read_bytes() for i in range(2))
    without = draw({"rows": []}, tmp_path / "none.png").read_bytes()
    assert first == second != without
