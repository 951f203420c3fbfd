"""Pictures are real PNG files whose pixels follow the numbers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers_report import DIGITS, FASHION, make_comparison, make_evaluation, make_run, perturbed
from numpy.typing import NDArray

from edgedigits.errors import RunError
from edgedigits.evaluate import Evaluation

pytest.importorskip("matplotlib")

from edgedigits.report.grids import (
    draw_calibration_sample,
    draw_examples,
    draw_mistakes,
    worst_mistakes,
)
from edgedigits.report.pictures import (
    draw_confusion,
    draw_curves,
    draw_evaluation,
    draw_sparsity,
)
from edgedigits.report.tradeoff import draw_accuracy_against_bytes

BLUE = (178, 114, 0)  # BGR of the house's first colour
VERMILION = (0, 94, 213)


def pixels(path: Path) -> NDArray[np.uint8]:
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture, dtype=np.uint8)


def share_of(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture.astype(int) - colour) <= 6).all(axis=2).mean())


def make_history(best: int = 3) -> dict[str, Any]:
    epochs = [
        {"epoch": i, "loss": 1 / i, "accuracy": 1 - 0.2 / i, "val_loss": 1.1 / i + 0.02 * i}
        | {"val_accuracy": 0.97 - 0.2 / i, "learning_rate": 0.001, "seconds": 1.0}
        for i in range(1, 6)
    ]
    return {"epochs": epochs, "best_epoch": best}


def make_images(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def test_confusion_follows_the_counts(tmp_path: Path) -> None:
    good = draw_confusion(make_evaluation(skill=6.0), tmp_path / "good.png")
    again = draw_confusion(make_evaluation(skill=6.0), tmp_path / "again.png")
    poor = draw_confusion(make_evaluation(skill=0.5), tmp_path / "poor.png")
    assert good.read_bytes() == again.read_bytes()
    assert pixels(good).shape == pixels(poor).shape
    # Right answers gather on ten dark cells; guesses spread over pale ones.
    dark = [(pixels(path)[:, :, 2] < 40).mean() for path in (good, poor)]
    assert dark[0] > 3 * dark[1]


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ({"class_names": FASHION}, (700, 800), (1100, 1000)),
        ({"width": 35, "n": 2000, "skill": 2.0}, (1500, 400), (2000, 900)),
        ({"class_names": tuple(map(str, range(35))), "n": 900}, (1500, 1400), (1900, 1900)),
        ({"n": 1}, (600, 300), (800, 500)),
        ({"class_names": ("$5 $6", "<b>", "[x]"), "n": 9}, (600, 300), (800, 500)),
    ],
)
def test_confusion_of_any_head(
    tmp_path: Path, options: dict[str, Any], least: tuple[int, int], most: tuple[int, int]
) -> None:
    picture = pixels(draw_confusion(make_evaluation(**options), tmp_path / "confusion.png"))
    height, width, _ = picture.shape
    assert least[0] <= width <= most[0]
    assert least[1] <= height <= most[1]


def test_curves_mark_the_kept_epoch(tmp_path: Path) -> None:
    third = pixels(draw_curves(make_history(3), tmp_path / "3.png", title="digits"))
    fifth = pixels(draw_curves(make_history(5), tmp_path / "5.png", title="digits"))
    assert third.shape == fifth.shape == (456, 1080, 3)
    assert (third != fifth).any()
    assert share_of(third, BLUE) > 0.001
    assert share_of(third, VERMILION) > 0.001
    one = {"epochs": make_history()["epochs"][:1], "best_epoch": 1}
    assert pixels(draw_curves(one, tmp_path / "one.png")).shape == (456, 1080, 3)
    with pytest.raises(RunError, match="no epochs"):
        draw_curves({"epochs": []}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_sparsity_bars_are_as_long_as_the_share_of_zeros(tmp_path: Path) -> None:
    def drawn(name: str, share: float) -> float:
        path = draw_sparsity([("dense", share)], tmp_path / name, title="pruned")
        return share_of(pixels(path), BLUE)

    assert drawn("a.png", 0.8) == pytest.approx(2 * drawn("b.png", 0.4), rel=0.02)
    assert drawn("c.png", 0.0) == 0


def test_examples_show_the_pictures_and_mark_mistakes(tmp_path: Path) -> None:
    images = make_images(60)
    right = make_evaluation(n=60, skill=50.0)
    wrong = replace(right, scores=np.roll(right.scores, 1, axis=1))
    all_right = pixels(draw_examples(right, images, tmp_path / "right.png"))
    all_wrong = pixels(draw_examples(wrong, images, tmp_path / "wrong.png"))
    assert share_of(all_right, VERMILION) == 0
    assert share_of(all_right, BLUE) > 0.0003
    assert share_of(all_wrong, VERMILION) > 0.01
    assert share_of(all_wrong, BLUE) == 0
    blank = pixels(draw_examples(right, np.zeros_like(images), tmp_path / "blank.png"))
    assert blank.mean() > all_right.mean() + 40  # pixel 0 is background, drawn white
    with pytest.raises(ValueError, match="59 pictures for 60 answers"):
        draw_examples(right, images[:59], tmp_path / "short.png")


def test_worst_mistakes_come_surest_first() -> None:
    truth = np.array([0, 0, 1, 1, 1])
    scores = np.array([[0.4, 0.6], [0.9, 0.1], [0.95, 0.05], [0.2, 0.8], [0.7, 0.3]], np.float32)
    evaluation = make_evaluation(class_names=("a", "b"), truth=truth, scores=scores)
    assert worst_mistakes(evaluation).tolist() == [2, 4, 0]
    assert worst_mistakes(evaluation, 1).tolist() == [2]


def test_mistakes_with_and_without_any(tmp_path: Path) -> None:
    images = make_images(40)
    poor = make_evaluation(n=40, skill=1.0, width=35)
    few = draw_mistakes(poor, images, tmp_path / "few.png", count=3)
    many = draw_mistakes(poor, images, tmp_path / "many.png", count=16)
    assert share_of(pixels(many), VERMILION) > share_of(pixels(few), VERMILION) > 0
    perfect = make_evaluation(n=40, skill=50.0)
    none = pixels(draw_mistakes(perfect, images, tmp_path / "none.png"))
    assert none.shape[0] < 100
    assert none.min() < 128  # it says so in words


def test_all_pictures_of_an_evaluation(tmp_path: Path) -> None:
    written = draw_evaluation(make_evaluation(n=30), make_images(30), tmp_path / "new" / "folder")
    assert [path.name for path in written] == ["confusion.png", "examples.png", "mistakes.png"]
    assert all(pixels(path).size for path in written)
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        path.name for path in written
    ]


def test_calibration_sample(tmp_path: Path) -> None:
    images = make_images(50)
    plain = pixels(draw_calibration_sample(images, tmp_path / "plain.png"))
    labelled = pixels(
        draw_calibration_sample(
            images, tmp_path / "l.png", labels=np.arange(50) % 10, class_names=DIGITS
        )
    )
    assert labelled.shape[0] > plain.shape[0]  # a line of text below each picture
    assert pixels(draw_calibration_sample(images[:1], tmp_path / "one.png")).shape[1] == 1048


def test_tradeoff_of_one_and_two_runs(tmp_path: Path) -> None:
    one = make_run()
    larger = [replace(e, bytes=e.bytes * 30) for e in make_run("runs/b", skill=5.0)]
    single = pixels(draw_accuracy_against_bytes(make_comparison(one), tmp_path / "1.png"))
    double = pixels(draw_accuracy_against_bytes(make_comparison(one + larger), tmp_path / "2.png"))
    assert single.shape == double.shape == (624, 1080, 3)
    assert share_of(single, VERMILION) == 0
    assert share_of(double, VERMILION) > 0.0005


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_labels_of_the_tradeoff_do_not_overlap(tmp_path: Path, spread: float) -> None:
    from edgedigits.report import tradeoff

    base = make_evaluation(variant="float32", n=400, bytes=56_000)
    crowd: list[Evaluation] = [base] + [
        perturbed(base, spread, variant=f"variant-{i}", bytes=56_000 + 40 * i) for i in range(8)
    ]
    boxes: list[Any] = []
    original = tradeoff._label

    def remember(axes: Any, row: Any, *rest: Any) -> Any:
        text = original(axes, row, *rest)
        boxes.append((row.variant, text))
        return text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tradeoff, "_label", remember)
        draw_accuracy_against_bytes(make_comparison(crowd), tmp_path / "crowd.png")
    last = dict(boxes)  # the last label of each variant is the one that stays
    assert len(last) == 9
    renderer = next(iter(last.values())).figure.canvas.get_renderer()
    extents = [tradeoff._extent(text, renderer) for text in last.values()]
    for i, box in enumerate(extents):
        for other in extents[i + 1 :]:
            assert tradeoff._common(box, other) == 0


def test_without_matplotlib_the_extra_is_named(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from helpers_report import make_evaluation\n"
        "from edgedigits.errors import MissingPackageError\n"
        "from edgedigits.report.pictures import draw_confusion\n"
        "try: draw_confusion(make_evaluation(), Path('never.png'))\n"
        "except MissingPackageError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert result.stdout == (
        "drawing pictures needs matplotlib, which is not installed: "
        "pip install 'edgedigits[report]'\n"
    )
    assert list(tmp_path.iterdir()) == []
