"""What ``edgedigits --help`` costs, beside a Typer program with one empty command.

    python benchmarks/startup.py

Whole processes, started in turns; each as pip installs a program: a file that imports a function
and calls it. Writes ``benchmarks/results/startup.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions

RESULT = Path(__file__).parent / "results" / "startup.json"
ROUNDS = 20
SECONDS_ALLOWED = 0.4
RATIO_ALLOWED = 1.5

OURS = "edgedigits"
EMPTY = "empty Typer program"
EMPTY_PLAIN = "empty Typer program, help without rich"
PROGRAMS = {
    OURS: "from edgedigits.cli.main import run\n",
    EMPTY: (
        "import typer\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def empty() -> None: pass\n"
        "def run() -> None: app()\n"
    ),
    EMPTY_PLAIN: (
        "import typer\n"
        "app = typer.Typer(rich_markup_mode=None)\n"
        "@app.command()\n"
        "def empty() -> None: pass\n"
        "def run() -> None: app()\n"
    ),
}


def install(folder: Path) -> dict[str, list[str]]:
    """Command lines of the programs; modules in ``folder`` are compiled, as installed ones are."""
    commands = {}
    for number, (name, source) in enumerate(PROGRAMS.items()):
        (folder / f"program{number}.py").write_text(source)
        script = folder / f"start{number}.py"
        script.write_text(f"import sys\nfrom program{number} import run\nsys.exit(run())\n")
        commands[name] = [sys.executable, str(script), "--help"]
    return commands


def seconds_of(command: list[str]) -> float:
    """Wall-clock seconds of one whole process.

    Raises:
        SystemExit: the program fails or prints no help.
    """
    began = time.perf_counter()
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if process.returncode or "Usage" not in process.stdout:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {process.stderr}")
    return seconds


def measure(rounds: int) -> dict[str, Any]:
    """Medians of all programs over interleaved rounds, and medians of the ratios by round."""
    with tempfile.TemporaryDirectory() as folder:
        commands = install(Path(folder))
        for command in commands.values():
            seconds_of(command)  # leaves compiled modules behind, and warms the file cache
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(seconds_of(command))
    rows = [
        {
            "program": f"`{name} --help`" if name == OURS else name,
            "seconds_median": median(found),
            "seconds_min": min(found),
            "ratio_of_edgedigits": median(
                ours / theirs for ours, theirs in zip(times[OURS], found, strict=True)
            ),
        }
        for name, found in times.items()
    ]
    return {"rounds": rounds, "rows": rows, "table": table(rows)}


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| program | median s | least s | edgedigits takes, times |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['program']} | {row['seconds_median']:.3f} | {row['seconds_min']:.3f} "
        f"| {row['ratio_of_edgedigits']:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Entry point; exits with 1 when the help is slower than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"turns of each ({ROUNDS})")
    options = parser.parse_args()
    result = measure(options.rounds)
    write_json(
        RESULT,
        {
            "command": "python benchmarks/startup.py",
            "versions": package_versions("typer", "rich"),
            "host": host_facts(),
            **result,
        },
    )
    print(json.dumps(result["rows"], indent=1) if options.json else result["table"])
    print(f"written: {RESULT}", file=sys.stderr)
    ours, empty = result["rows"][0], result["rows"][1]
    if ours["seconds_median"] > SECONDS_ALLOWED or empty["ratio_of_edgedigits"] > RATIO_ALLOWED:
        sys.exit(f"over {SECONDS_ALLOWED} s or {RATIO_ALLOWED} times an empty program")


if __name__ == "__main__":
    main()
