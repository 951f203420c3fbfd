"""The tables of ``inspect`` in ``docs/benchmarks.md``: cost on a large file, and damaged files."""

from __future__ import annotations

from typing import Any

from edgedigits.reproduce.markdown import table

Document = dict[str, Any]


def inspect_speed(document: Document) -> str:
    """Seconds and memory of whole processes on a large file."""
    rows = [
        [
            row["what"],
            f"{row['bytes']:,}",
            str(row["runs"]),
            f"{row['seconds_median']:.2f}",
            f"{row['seconds_min']:.2f}",
            f"{row['processor_seconds_median']:.2f}",
            f"{row['peak_bytes'] / 1e6:,.0f}",
        ]
        for row in document["rows"]
    ]
    headings = ["file", "bytes", "runs", "median s", "least s", "processor s", "peak MB"]
    allowed = (
        f"Allowed: {document['seconds_allowed']:g} s and "
        f"{document['bytes_allowed'] / 1e6:,.0f} MB for the first."
    )
    if document["load"] > document["host"]["cpus"]:
        allowed += (
            f" Other work ran at the same time: the load was {document['load']:.1f} on "
            f"{document['host']['cpus']} processors, so that the clock counts waiting too; the "
            "processor's seconds are of inspect alone."
        )
    return "\n\n".join([table(headings, rows), allowed, _measured_on(document)])


def fuzz_inspect(document: Document) -> str:
    """What became of mutated files."""
    found = document["outcomes"]
    return "\n\n".join(
        [
            f"{document['files']:,} mutants of {' and '.join(document['mutated'])}, seed "
            f"{document['seed']}: **{len(document['failures'])}** crashed, hung or left the reader "
            f"in another way than by its own error. {found.get('refused', 0):,} were refused in "
            f"one line, {found.get('shown', 0):,} were still graphs and shown, "
            f"{found.get('objected', 0):,} were shown with an objection (a custom operation, "
            "several graphs). The longest took "
            f"{1000 * document['longest_seconds']:.0f} ms of the processor.",
            _measured_on(document),
        ]
    )


def _measured_on(document: Document) -> str:
    host = document["host"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    return f"Measured on {host['processor']}, Python {host['python']}, {versions}."
