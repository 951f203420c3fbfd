"""Put the figures of ``benchmarks/results`` into the pages of ``docs``.

    python benchmarks/render.py            writes the pages
    python benchmarks/render.py --check    exits with 1 when a page does not say what the files do

In ``docs/benchmarks.md`` and some other pages each table stands between two comments that name its
result file; the text around it is written by hand.
``docs/reference-systems.md`` is rendered as a whole.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from render_calibration import calibration_clipping, calibration_sets, diagnose_speed
from render_deploy import deploy, kills
from render_faults import collect_kills, export_kills, faults, queue_kills
from render_inspect import fuzz_inspect, inspect_speed
from render_ladder import ablations, ladder, measured_on
from render_learning import learning
from render_peers import peers
from render_service import hostile_requests

from edgedigits.reproduce.markdown import table
from edgedigits.reproduce.page import render_page
from edgedigits.reproduce.rows import mean_and_spread

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "benchmarks.md"
LADDER_PAGE = DOCS / "ladder.md"
CALIBRATION_PAGE = DOCS / "calibration.md"
SERVICE_PAGE = DOCS / "service.md"
DEPLOY_PAGE = DOCS / "deploy.md"
LEARNING_PAGE = DOCS / "learning.md"
FAULTS_PAGE = DOCS / "faults.md"
REFERENCE_PAGE = DOCS / "reference-systems.md"

Document = dict[str, Any]


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


def convert_large(document: Document) -> str:
    """int8 of a large model by either tool."""
    rows = [
        [
            row["tool"] + ("" if row["equalised"] else ", without equalisation"),
            f"{row['seconds']:.0f}",
            f"{row['peak_bytes'] / 1e9:.1f}",
            f"{row['bytes']:,}",
            f"{100 * row['accuracy']:.2f}",
            f"{row['drop']:.3f} ({row['drop_low']:.3f} to {row['drop_high']:.3f})",
            f"{100 * row['agreement']:.2f}",
            f"{row['confidence_drift']:.5f}",
        ]
        for row in document["rows"]
    ]
    headings = [
        "tool", "s", "peak GB", "bytes", "accuracy %", "drop, points (95 %)", "same answers %",
        "drift",
    ]  # fmt: skip
    return "\n\n".join([table(headings, rows), measured_on(document)])


def train_speed(document: Document) -> str:
    """A training step of a large model in either precision."""
    rows = [
        [row["way"], f"{row['seconds']:.2f}", f"{row['ratio']:.2f}"] for row in document["rows"]
    ]
    headings = ["inner arithmetic", "s a step", "of float32"]
    return "\n\n".join([table(headings, rows), measured_on(document)])


def recogniser(document: Document) -> str:
    """What is read right: frames by condition, photographs, non-digits, MNIST."""
    scenes = [
        [
            name,
            f"{score['frames']}",
            f"{score['right'] + score['wrong'] + score['missed']:,}",
            f"{100 * score['precision']:.1f}",
            f"{100 * score['recall']:.1f}",
            f"{100 * score['f1']:.1f}",
            f"{score['rows_right']} of {score['rows']}",
            f"{score['false_per_frame']:.3f}",
        ]
        for name, score in document["scenes"].items()
    ]
    headings = [
        "frames", "number", "digits", "precision %", "recall %", "F1 %", "whole rows",
        "false a frame",
    ]  # fmt: skip
    photographs, others = document["photographs"], document["non_digits"]
    kept, own = others["keeping_99"], others["own"]
    misread = "; ".join(
        f"`{entry['file']}` reads {', '.join(entry['read'].split())} for {', '.join(entry['rows'])}"
        for entry in photographs["misread"]
    )
    exact = f" Rows not as labelled: {misread}." if misread else ""
    mnist = document["mnist"]
    return "\n\n".join(
        [
            f"`{document['file']}`, {document['bytes']:,} bytes, threshold "
            f"{document['threshold']:.2f}. MNIST's 10,000 test digits: "
            f"**{100 * mnist['as they are']:.2f} %** as they are, "
            f"**{100 * mnist['placed']:.2f} %** cut out and placed by the preprocessor.",
            f"Of {others['own']['others']:,} drawn non-digits it accepts "
            f"**{100 * kept['false_accepts']:.2f} %** at the threshold that keeps 99 % of MNIST's "
            f"test digits, and {100 * own['false_accepts']:.2f} % at its own, which keeps "
            f"{100 * own['coverage']:.2f} %.",
            f"Photographs: {photographs['frames']} with "
            f"{photographs['right'] + photographs['wrong'] + photographs['missed']} digits, F1 "
            f"**{photographs['f1']:.4f}**, {photographs['false']} false.{exact}",
            table(headings, scenes),
            measured_on(document),
        ]
    )


def recogniser_speed(document: Document) -> str:
    """A frame of ten digits on one core, beside two others; start and memory."""
    rows = [
        [
            row["size"],
            row["method"],
            f"{row['ms']:.1f}",
            f"{row['least_ms']:.1f}",
            f"{row['ratio']:.2f}",
            "" if row["target_ms"] is None else f"{row['target_ms']}",
        ]
        for row in document["rows"]
    ]
    headings = ["frame", "method", "median ms", "least ms", "of edgedigits'", "aim, ms"]
    process = document["process"]
    memory = [[f"{row['frames']:,}", f"{row['bytes'] / 1e6:.1f}"] for row in document["memory"]]
    parts = [
        table(headings, rows),
        f"`edgedigits recognise` from start to answer: {process['seconds']:.2f} s (least "
        f"{process['least']:.2f}), at most {process['peak_bytes'] / 1e6:.0f} MB resident.",
    ]
    if memory:
        parts.append(table(["frames read", "MB resident"], memory))
    return "\n\n".join([*parts, measured_on(document)])


def shrink(document: Document) -> str:
    """The line of trials of a search, and its file on the test part."""
    rows = []
    for trial in document["trials"]:
        mark = "**" if trial["number"] == document["chosen"] else ""
        size = f"{trial['bytes']:,}" if not trial["message"] else "not made"
        rows.append(
            [
                f"{trial['number']}",
                f"{mark}{trial['recipe']}{mark}",
                f"{mark}{size}{mark}",
                f"{trial['gzip_bytes']:,}",
                f"{100 * trial['accuracy']:.2f}",
                f"{trial['drop']:+.2f}".replace("-", "−"),
                "yes" if trial["within"] else "no",
                "yes" if trial["pareto"] else "",
            ]
        )
    headings = ["trial", "recipe", "bytes", "gzip bytes", "validation %", "points lost",
                "within", "Pareto"]  # fmt: skip
    test, large = document["test"], document["exported_int8_bytes"]
    lost = f"{test['drop']:+.2f}".replace("-", "−")
    return "\n\n".join(
        [
            f"`{document['command']}` for {document['model']} on {document['data']}: "
            f"{len(document['trials'])} trials in {document['seconds'] / 60:.0f} minutes.",
            table(headings, rows),
            f"The file has **{document['bytes']:,} bytes**, 1/{large / document['bytes']:.1f} of "
            f"the {large:,} of the exported int8 file. On the {test['n']:,} test pictures: "
            f"{100 * test['accuracy']:.2f} % ({100 * test['accuracy_low']:.2f} to "
            f"{100 * test['accuracy_high']:.2f}), where float32 has "
            f"{100 * test['reference_accuracy']:.2f} %: {lost} points lost.",
            measured_on(document),
        ]
    )


Renderers = dict[str, Callable[[Document], str]]

RENDERERS: Renderers = {
    "mnist-variants": mnist_variants,
    "evaluate-speed": evaluate_speed,
    "startup": startup,
    "convert-large": convert_large,
    "train-speed": train_speed,
    "recogniser": recogniser,
    "recogniser-speed": recogniser_speed,
    "inspect-speed": inspect_speed,
    "fuzz-inspect": fuzz_inspect,
    "peers": peers,
    "shrink": shrink,
    "diagnose-speed": lambda document: f"{diagnose_speed(document)}\n\n{measured_on(document)}",
}
CALIBRATION: Renderers = {
    "calibration-study": calibration_sets,
    "calibration-study clipping": calibration_clipping,
    "calibration-study machine": measured_on,
}  # the first word names the result file


PAGES: dict[Path, Renderers] = {
    PAGE: RENDERERS,
    LADDER_PAGE: {"ladder": ladder, "ablations": ablations},
    CALIBRATION_PAGE: CALIBRATION,
    SERVICE_PAGE: {"hostile-requests": hostile_requests},
    DEPLOY_PAGE: {"deploy": deploy, "deploy-kills": kills},
    LEARNING_PAGE: {"learning": learning},
    FAULTS_PAGE: {
        "faults": faults,
        "queue-kills": queue_kills,
        "collect-kills": collect_kills,
        "export-kills": export_kills,
    },
}


def rendered(path: Path, renderers: Renderers) -> str:
    """The page with every table as the result files have it."""
    page = path.read_text(encoding="utf-8")
    for name, render in renderers.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        head, found, rest = page.partition(begin)
        if not found or end not in rest:
            raise SystemExit(f"{path}: lacks the comments around {name}")
        result = RESULTS / f"{name.split()[0]}.json"
        if not result.exists():
            raise SystemExit(f"{result}: not there; run the benchmark that writes it")
        document = json.loads(result.read_text(encoding="utf-8"))
        page = head + begin + "\n" + render(document) + "\n\n" + end + rest.partition(end)[2]
    return page


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; say if it differs")
    check = parser.parse_args().check
    wanted = {path: rendered(path, renderers) for path, renderers in PAGES.items()}
    wanted[REFERENCE_PAGE] = render_page(RESULTS / "reference", "../benchmarks/results/reference")
    for page, text in wanted.items():
        if not check:
            page.write_text(text, encoding="utf-8")
        elif not page.is_file() or page.read_text(encoding="utf-8") != text:
            sys.exit(f"{page}: does not say what benchmarks/results do; run benchmarks/render.py")


if __name__ == "__main__":
    main()
