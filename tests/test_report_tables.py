"""The tables as text. EDGEDIGITS_UPDATE_GOLDEN=1 makes the golden files anew; read them then."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers_report import DIGITS, FASHION, make_comparison, make_evaluation, make_run

from edgedigits.compare import Comparison, ComparisonRow
from edgedigits.metrics import classification_report
from edgedigits.report.reading import reading, smallest_within_noise
from edgedigits.report.rows import Column, Table, as_text, number, p_value, percent
from edgedigits.report.tables import (
    classification_rows,
    comparison_rows,
    comparison_text,
    comparison_view,
    confusion_rows,
    evaluation_text,
    evaluation_view,
    per_class_rows,
)

GOLDEN = Path(__file__).parent / "golden"


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("EDGEDIGITS_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("evaluation-digits.txt", {}),
        ("evaluation-fashion.txt", {"class_names": FASHION, "skill": 2.5, "data": "fashion-mnist"}),
        ("evaluation-wide-head.txt", {"width": 35, "n": 120, "skill": 5.0}),
        ("evaluation-one-picture.txt", {"n": 1, "notes": ("Only the first picture was run.",)}),
        ("evaluation-one-class.txt", {"class_names": ("ink",), "n": 3}),
    ],
)
def test_evaluation_text(name: str, options: dict[str, object]) -> None:
    check_golden(name, evaluation_text(make_evaluation(**options)))  # type: ignore[arg-type]


def test_comparison_text() -> None:
    comparison = make_comparison(make_run(), int4="Dense layers only.", dynamic="Batch of 32.")
    check_golden("comparison.txt", comparison_text(comparison))


def test_comparison_text_of_two_runs_with_the_same_variants() -> None:
    evaluations = make_run("runs/small") + make_run("runs/mnist-cnn-b", skill=2.5)
    check_golden("comparison-two-runs.txt", comparison_text(make_comparison(evaluations)))


def test_comparison_text_without_float32() -> None:
    text = comparison_text(make_comparison(make_run()[1:]))
    check_golden("comparison-without-float32.txt", text)
    float16 = next(line for line in text.splitlines() if line.startswith("float16"))
    assert float16.split()[5:9] == ["–"] * 4


def test_per_class_table_is_the_published_one() -> None:
    truth = np.repeat(np.arange(10), 999)[:-1]
    answers = truth.copy()
    answers[999 : 999 + 11] = 0
    table = per_class_rows(classification_report(truth, answers, DIGITS))
    assert [column.name for column in table.columns[1:]] == [
        "true samples",
        "classified samples",
        "accuracy",
        "precision",
        "recall",
        "F1",
    ]
    assert table.rows[0] == ("0", "999", "1,010", "1.0000", "0.9891", "1.0000", "0.9945")
    assert table.rows[1] == ("1", "999", "988", "0.9890", "1.0000", "0.9890", "0.9945")


def test_a_class_that_does_not_occur_has_no_figures() -> None:
    report = classification_report(np.array([0, 0, 2]), np.array([0, 2, 2]), DIGITS[:4])
    assert per_class_rows(report).rows[1] == ("1", "0", "0", "–", "–", "–", "–")
    assert classification_rows(report).rows[3] == ("3", "–", "–", "–", "0")
    # Class 2 is answered once too often: its figures stand.
    assert per_class_rows(report).rows[2] == ("2", "1", "2", "1.0000", "0.5000", "1.0000", "0.6667")
    confusion = confusion_rows(report)
    assert [column.name for column in confusion.columns] == ["", "0", "2"]
    assert confusion.rows == (("0", "1", "1"), ("2", "0", "1"))


def test_class_names_are_not_read_as_markup() -> None:
    names = ("[bold]up[/bold]", "[/]", ":smile:")
    text = evaluation_text(make_evaluation(class_names=names, n=30))
    for i, name in enumerate(names):
        assert f"{i} {name}" in text


def test_views_print_what_the_texts_hold() -> None:
    import io

    from rich.console import Console

    comparison = make_comparison(make_run(), int4="[not] markup")
    evaluation = make_evaluation()
    page = io.StringIO()
    console = Console(file=page, width=120)
    console.print(comparison_view(comparison))
    console.print(evaluation_view(evaluation))
    printed = [line.rstrip() for line in page.getvalue().splitlines()]
    expected = comparison_text(comparison) + evaluation_text(evaluation)
    assert printed == expected.splitlines()


def test_a_narrow_terminal_gets_blocks_and_loses_no_figure() -> None:
    table = comparison_rows(make_comparison(make_run()))
    text = as_text(table, width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("float16") > 1
    for row in table.rows:
        for cell in row:
            assert cell in text


def test_long_keys_are_folded() -> None:
    table = Table("t", (Column("name", right=False), Column("n")), (("abcdefghijkl" * 2, "1" * 9),))
    lines = as_text(table, width=20).splitlines()
    assert max(map(len, lines)) <= 20
    assert "".join(line.split()[0] for line in lines[3:]) == "abcdefghijkl" * 2


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-0.05, 2, "−0.05"),
        (-0.001, 2, "0.00"),
        (1234.5, 1, "1,234.5"),
        (None, 2, "–"),
        (float("nan"), 2, "–"),
        (float("inf"), 0, "–"),
    ],
)
def test_numbers(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_shares_and_probabilities() -> None:
    assert percent(0.98765) == "98.77"
    assert percent(None) == "–"
    assert p_value(0.0004) == "<0.001"
    assert p_value(0.0449) == "0.045"
    assert p_value(None) == "–"


def make_row(variant: str, size: int, drop: float | None, p: float | None) -> ComparisonRow:
    accuracy = 0.99 - (drop or 0) / 100
    return ComparisonRow(
        run="a",
        variant=variant,
        file=Path(f"a/exports/{variant}.tflite"),
        bytes=size,
        gzip_bytes=size // 2,
        n=1000,
        accuracy=accuracy,
        accuracy_low=accuracy - 0.01,
        accuracy_high=accuracy + 0.005,
        drop=drop,
        drop_low=drop,
        drop_high=drop,
        mcnemar_p=p,
        agreement=None,
        confidence_drift=None,
        latency_us_p50=10,
        latency_us_p95=20,
        pareto=True,
    )


def test_runs_in_folders_of_the_same_name_are_told_apart() -> None:
    comparison = make_comparison(make_run("monday/a") + make_run("tuesday/a", skill=2.5))
    table = comparison_rows(comparison)
    assert [row[0] for row in table.rows] == ["monday/a"] * 5 + ["tuesday/a"] * 5
    assert "In run tuesday/a, " in reading(comparison)


def test_latency_that_was_not_measured_is_a_dash() -> None:
    row = replace(make_row("int8", 10, 0.0, 1.0), latency_us_p50=0.0, latency_us_p95=0.0)
    assert comparison_rows(of(row)).rows[0][-2] == "–"


def of(*rows: ComparisonRow) -> Comparison:
    return Comparison(rows, "digits", "test", 1, "cpu", ())


def test_the_smallest_file_within_the_noise() -> None:
    float32 = make_row("float32", 4000, 0.0, 1.0)
    int8 = make_row("int8", 1000, 0.1, 0.25)
    int4 = make_row("int4", 500, 2.0, 0.0001)
    better = make_row("qat", 990, -0.9, 0.001)  # a real difference, but for the better
    assert smallest_within_noise((float32, int8, int4)) is int8
    assert smallest_within_noise((float32, int8, int4, better)) is better
    assert smallest_within_noise((float32, replace(int8, pareto=False), int4)) is float32
    # The same bytes: the one that compresses better.
    packed = replace(int8, variant="pruned-int8", gzip_bytes=200)
    assert smallest_within_noise((float32, int8, packed)) is packed

    sentence = reading(of(float32, int8, int4))
    assert "is int8: 1,000 bytes are 25.0 % of 4,000" in sentence
    assert "98.90 % beside 99.00 % (drop 0.10 points" in sentence


def test_readings_of_other_outcomes() -> None:
    float32 = make_row("float32", 4000, 0.0, 1.0)
    int4 = make_row("int4", 500, 2.0, 0.0001)
    assert reading(of(float32, int4)).startswith("No smaller file keeps the accuracy of float32")
    assert "no file is both on the Pareto line" in reading(
        of(replace(float32, pareto=False), int4, replace(int4, file=Path("b/exports/int4.tflite")))
    )
    alone = make_row("int8", 1000, None, None)
    assert reading(of(alone)).startswith("The smallest and most accurate file is int8;")
    two = reading(of(float32, replace(alone, file=Path("b/exports/int8.tflite"))))
    assert two.startswith("In run a, ")
    assert "In run b, the smallest and most accurate file is int8" in two
