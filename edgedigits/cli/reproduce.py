"""``edgedigits reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import (
    DataDirOption,
    JsonOption,
    print_json,
    progress,
    stderr,
    stdout,
)


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="alexnet-number (R1), fashion-cnn (R2), mnist-cnn (R3), mnist-dense (R4), "
            "alexnet-digits (R5).",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All five, one after the other.")
    ] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="One epoch on a fraction of the data, to see it work; not for figures."
        ),
    ] = False,
    runs: Annotated[
        Path,
        typer.Option(
            "--runs", metavar="FOLDER", help="Where run folders go; what is there is used."
        ),
    ] = Path("runs/reproduce"),
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            metavar="FOLDER",
            help="Where NAME.json and its pictures go. Default: benchmarks/results/reference; "
            "with --quick: RUNS/results.",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild, train, quantise and report a published reference system, beside its own figures.

    Ctrl-C at any time; the same command goes on where it stopped.

    Example: edgedigits reproduce mnist-dense --quick
    """
    from edgedigits.reproduce.systems import find_systems
    from edgedigits.tf_loader import require_training

    systems = find_systems(names or [], everything=everything)
    require_training("reproducing")
    stderr().print("loading TensorFlow, which takes about ten seconds …")
    from edgedigits.files import read_json
    from edgedigits.reproduce.document import save_reproduction
    from edgedigits.reproduce.reproducing import reproduce as reproduce_system
    from edgedigits.reproduce.rows import reproduction_rows

    folder = results or (runs / "results" if quick else Path("benchmarks/results/reference"))
    documents = []
    for system in systems:
        with progress() as shown:
            result = reproduce_system(system, runs, quick=quick, data_dir=data_dir, progress=shown)
            path = save_reproduction(result, folder)
            shown.say(f"written: {path}")
        documents.append(read_json(path, "the results"))
        if not as_json:
            stdout().print(reproduction_rows(documents[-1]))
            if quick:
                stdout().print(documents[-1]["note"], markup=False)
            stdout().print(f"The results: {path}", markup=False, soft_wrap=True)
    if as_json:
        print_json({"systems": documents})
