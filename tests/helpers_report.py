"""Small evaluations and comparisons made from seeded random scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.compare import Comparison, ComparisonRow
from edgedigits.evaluate import Evaluation
from edgedigits.metrics import classification_report, compare_paired, pareto_line

DIGITS = tuple("0123456789")
FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def make_scores(
    truth: NDArray[np.int64], width: int, *, skill: float, seed: int
) -> NDArray[np.float32]:
    """Softmax of noise, with the true class raised by ``skill``; float32 ``[n, width]``."""
    logits = np.random.default_rng(seed).normal(size=(len(truth), width))
    logits[np.arange(len(truth)), truth] += skill
    exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: NDArray[np.float32] = exponent / exponent.sum(axis=1, keepdims=True)
    return scores.astype(np.float32)


def make_evaluation(
    *,
    n: int = 200,
    variant: str = "int8",
    class_names: tuple[str, ...] = DIGITS,
    width: int | None = None,
    skill: float = 4.0,
    seed: int = 1,
    run: str = "runs/a",
    truth: NDArray[np.int64] | None = None,
    scores: NDArray[np.float32] | None = None,
    **fields: Any,
) -> Evaluation:
    """One evaluation; its truth depends on ``n`` alone, so variants are on the same pictures."""
    if truth is None:
        truth = np.random.default_rng(n).integers(0, len(class_names), n)
    if scores is None:
        scores = make_scores(truth, width or len(class_names), skill=skill, seed=seed)
    return Evaluation(
        file=Path(run) / "exports" / f"{variant}.tflite",
        variant=variant,
        file_digest="f" * 64,
        data=fields.pop("data", "digits"),
        split=fields.pop("split", "test"),
        data_digest="d" * 64,
        class_names=class_names,
        bytes=fields.pop("bytes", 56_472),
        gzip_bytes=fields.pop("gzip_bytes", 46_583),
        report=classification_report(truth, scores.argmax(axis=1), class_names),
        truth=truth,
        scores=scores,
        seconds=fields.pop("seconds", 0.25),
        **fields,
    )


def perturbed(evaluation: Evaluation, amount: float, **fields: Any) -> Evaluation:
    """Another variant of the same model: its scores moved a little."""
    noise = np.random.default_rng(7).normal(size=evaluation.scores.shape) * amount
    logits = np.log(evaluation.scores.astype(np.float64)) + noise
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = scores.astype(np.float32)
    names = evaluation.class_names
    variant = fields.pop("variant")
    return replace(
        evaluation,
        variant=variant,
        file=evaluation.file.with_name(f"{variant}.tflite"),
        scores=scores,
        report=classification_report(evaluation.truth, scores.argmax(axis=1), names),
        **fields,
    )


def make_comparison(evaluations: list[Evaluation], **notes: str) -> Comparison:
    """Rows for these evaluations, held against the float32 of the same run folder."""
    points = [(one.bytes, one.report.accuracy) for one in evaluations]
    references = {one.file.parent: one for one in evaluations if one.variant == "float32"}
    rows = []
    for i, (one, pareto) in enumerate(zip(evaluations, pareto_line(points), strict=True)):
        reference = references.get(one.file.parent)
        paired = reference and compare_paired(one.truth, reference.scores, one.scores)
        rows.append(
            ComparisonRow(
                run=one.file.parent.parent.name,
                variant=one.variant,
                file=one.file,
                bytes=one.bytes,
                gzip_bytes=one.gzip_bytes,
                n=one.report.n,
                accuracy=one.report.accuracy,
                accuracy_low=one.report.accuracy_low,
                accuracy_high=one.report.accuracy_high,
                drop=paired.drop if paired else None,
                drop_low=paired.drop_low if paired else None,
                drop_high=paired.drop_high if paired else None,
                mcnemar_p=paired.mcnemar_p if paired else None,
                agreement=paired.agreement if paired else None,
                confidence_drift=paired.confidence_drift if paired else None,
                latency_us_p50=17.25 + i,
                latency_us_p95=31.5 + i,
                pareto=pareto,
                note=notes.get(one.variant.replace("-", "_"), ""),
            )
        )
    return Comparison(
        rows=tuple(rows),
        data="digits",
        split="test",
        threads=1,
        processor="Example CPU",
        evaluations=tuple(evaluations),
    )


def make_run(run: str = "runs/a", *, skill: float = 4.0, n: int = 400) -> list[Evaluation]:
    """float32, float16, dynamic, int8 and int4 of one model, sizes as of the small network."""
    float32 = make_evaluation(
        n=n, variant="float32", run=run, skill=skill, bytes=203_736, gzip_bytes=187_796
    )
    return [
        float32,
        perturbed(float32, 0.0, variant="float16", bytes=104_324, gzip_bytes=94_483),
        perturbed(float32, 0.02, variant="dynamic", bytes=55_344, gzip_bytes=46_785),
        perturbed(float32, 0.2, variant="int8", bytes=56_472, gzip_bytes=46_583),
        perturbed(float32, 0.9, variant="int4", bytes=40_664, gzip_bytes=30_120),
    ]
