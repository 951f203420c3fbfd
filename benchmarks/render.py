"""Put the figures of ``benchmarks/results/*.json`` into ``docs/benchmarks.md``.

    python benchmarks/render.py            writes the page
    python benchmarks/render.py --check    exits with 1 when the page does not say what the files do

Each table stands between two comments that name its result file; the text around it is written by
hand.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

Document = dict[str, Any]


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; every column but the first is set to the right."""
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headings, rule, *rows])


def measured_on(document: Document) -> str:
    """One line: processor, Python and versions."""
    host = document["host"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    return f"Measured on {host['processor']}, Python {host['python']}, {versions}."


def mean_and_spread(values: list[float], digits: int) -> str:
    """Mean ± sample standard deviation."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.{digits}f} ± {spread:.{digits}f}"


def mnist_variants(document: Document) -> str:
    """The variants of mnist-cnn, mean and spread over the seeds."""
    seeds = document["seeds"]
    by_variant: dict[str, list[Document]] = {}
    for seed in seeds:
        for row in seed["rows"]:
            by_variant.setdefault(row["variant"], []).append(row)
    parent = by_variant["float32"]
    rows = []
    for variant, found in by_variant.items():
        whole, packed = (
            int(statistics.median(row[k] for row in found)) for k in ("bytes", "gzip_bytes")
        )
        parent_bytes = parent[0]["bytes"]
        ratio = statistics.median(
            row["latency_us_p50"] / base["latency_us_p50"]
            for row, base in zip(found, parent, strict=True)
        )
        latency = statistics.median(row["latency_us_p50"] for row in found)
        rows.append(
            [
                f"`{variant}`"
                + ("" if found[0]["n"] == parent[0]["n"] else f" ({found[0]['n']:,} pictures)"),
                mean_and_spread([100 * row["accuracy"] for row in found], 2),
                mean_and_spread([row["drop"] for row in found], 3),
                f"{whole:,}",
                f"{whole / parent_bytes:.3f}",
                f"{packed:,}",
                f"{packed / parent_bytes:.3f}",
                f"{latency:.0f}",
                f"{ratio:.2f}",
            ]
        )
    accuracy = [100 * seed["training"]["train_accuracy"] for seed in seeds]
    test = [100 * seed["training"]["test_accuracy"] for seed in seeds]
    best = ", ".join(str(seed["training"]["best_epoch"]) for seed in seeds)
    return "\n\n".join(
        [
            f"{len(seeds)} seeds ({', '.join(str(seed['seed']) for seed in seeds)}); best epochs "
            f"by validation: {best} of 10; training accuracy {mean_and_spread(accuracy, 2)} %, "
            f"test accuracy {mean_and_spread(test, 2)} %.",
            table(
                [
                    "variant",
                    "accuracy %",
                    "drop, points",
                    "bytes",
                    "of float32",
                    "gzip",
                    "of float32",
                    "p50 µs",
                    "of float32's",
                ],
                rows,
            ),
            measured_on(document),
        ]
    )


def evaluate_speed(document: Document) -> str:
    """Seconds and memory of whole processes, and inference beside bare loops."""
    commands = [
        [
            f"`{entry['command']}`",
            str(entry["runs"]),
            f"{entry['seconds_median']:.2f}",
            f"{entry['seconds_min']:.2f}",
            f"{entry['peak_bytes'] / 1e6:,.0f}",
        ]
        for entry in (document[key] for key in ("evaluate", "export_int8", "export_all"))
    ]
    inference = document["inference"]
    loops = [
        [name.replace("_", " "), f"{seconds:.3f}", f"{seconds / inference['pictures'] * 1e6:.1f}"]
        for name, seconds in inference["seconds_median"].items()
    ]
    return "\n\n".join(
        [
            table(["command", "runs", "median s", "least s", "peak MB"], commands),
            f"Inference alone, {inference['pictures']:,} pictures, {inference['rounds']} "
            "interleaved rounds. Ours takes "
            f"{inference['ratio_to_bare_batch_1']:.2f} of the time of a bare loop one picture at a "
            f"time, and {inference['ratio_to_bare_batch_32']:.2f} of that of a bare loop over "
            "batches of 32 (medians of the ratios by round).",
            table(["loop", "median s", "µs a picture"], loops),
            f"The same int8 file, judged by the logic of the TFLite guide's evaluation loop: "
            f"**{100 * document['guide_loop_accuracy']:.2f} %**, with no error or warning. By "
            f"edgedigits: **{100 * document['edgedigits_accuracy']:.2f} %**.",
            measured_on(document),
        ]
    )


def startup(document: Document) -> str:
    """``edgedigits --help`` beside an empty Typer program."""
    return "\n\n".join([document["table"], measured_on(document)])


RENDERERS: dict[str, Callable[[Document], str]] = {
    "mnist-variants": mnist_variants,
    "evaluate-speed": evaluate_speed,
    "startup": startup,
}


def rendered(page: str) -> str:
    """The page with every table as the result files have it."""
    for name, render in RENDERERS.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        head, found, rest = page.partition(begin)
        if not found or end not in rest:
            raise SystemExit(f"{PAGE}: lacks the comments around {name}")
        result = RESULTS / f"{name}.json"
        if not result.exists():
            raise SystemExit(f"{result}: not there; run the benchmark that writes it")
        document = json.loads(result.read_text(encoding="utf-8"))
        page = head + begin + "\n" + render(document) + "\n\n" + end + rest.partition(end)[2]
    return page


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; say if it differs")
    page = PAGE.read_text(encoding="utf-8")
    wanted = rendered(page)
    if parser.parse_args().check:
        if page != wanted:
            sys.exit(f"{PAGE}: does not say what benchmarks/results do; run benchmarks/render.py")
    else:
        PAGE.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
