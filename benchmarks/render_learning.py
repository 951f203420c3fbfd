"""The figures of ``docs/learning.md``."""

from __future__ import annotations

from typing import Any

from render_ladder import measured_on

from edgedigits.reproduce.markdown import table

Document = dict[str, Any]


def learning(document: Document) -> str:
    """Old beside new, on old pictures, held-out crops, and frames that no crop shows."""
    counts, improvement = document["counts"], document["improvement"]
    rows = [
        [
            f"{row['data']} ({row['split']})",
            f"`{row['variant']}`",
            f"{row['n']:,}",
            _share(row, "old"),
            _share(row, "new"),
            f"{row['gain']:+.2f} ({row['gain_low']:+.2f} to {row['gain_high']:+.2f})".replace(
                "-", "−"
            ),
            "<0.001" if row["mcnemar_p"] < 0.001 else f"{row['mcnemar_p']:.3f}",
        ]
        for row in (*improvement["before"], *improvement["unseen"])
    ]
    headings = ["pictures", "variant", "n", "old %", "new %", "gain in points", "McNemar p"]
    read = [
        [name, *(f"{found[key]:,}" for key in ("right", "wrong", "missed", "false")),
         f"{100 * found['f1']:.1f}"]
        for name, found in document["readings"].items()
    ]  # fmt: skip
    return "\n\n".join(
        [
            f"After `{document['train']}`, {document['frames']} frames left {counts['crops']:,} "
            f"unsure crops. {document['labelled']:,} had a clear truth and were labelled, "
            f"{document['none']:,} of them as no digit or as several, which this model has no "
            f"class for; {counts['held_out']:,} are held out, and "
            f"{improvement['unseen'][0]['n']:,} of these are digits.",
            table(headings, rows),
            f"What the int8 files read in {document['judged_frames']} other frames, written with "
            "digits that no crop shows:",
            table(["file of", "right", "wrong", "missed", "false", "F1 %"], read),
            measured_on(document),
        ]
    )


def _share(row: Document, which: str) -> str:
    accuracy, low, high = (100 * row[f"{which}_{key}"] for key in ("accuracy", "low", "high"))
    return f"{accuracy:.2f} ({low:.2f} to {high:.2f})"
