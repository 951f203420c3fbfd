"""``edgedigits demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import JsonOption, print_json, progress, stderr, stdout


def demo(
    run: Annotated[
        Path, typer.Option("--run", metavar="RUN", help="The run folder to make.")
    ] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Move an existing run to NAME.previous.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """The whole job on 1,797 embedded digits, offline, in about a minute.

    Trains a small network, prunes it, chooses a calibration set, exports every variant, compares
    them and writes a report to open in a browser.

    Example: edgedigits demo
    """
    from edgedigits.new_run import check_new_run
    from edgedigits.tf_loader import require_training

    require_training("the demo")
    check_new_run(run, overwrite=overwrite)
    stderr().print("loading TensorFlow, which takes about ten seconds …")
    from edgedigits.demo import run_demo
    from edgedigits.report.documents import comparison_json
    from edgedigits.report.tables import comparison_view

    with progress() as shown:
        result = run_demo(run, seed=seed, overwrite=overwrite, progress=shown)
    if as_json:
        print_json(comparison_json(result.comparison))
        return
    console = stdout()
    console.print(comparison_view(result.comparison))
    if result.page is not None:
        console.print(f"\nThe report: {result.page}", markup=False, soft_wrap=True)
    console.print(f"The files:  {result.run.exports}", markup=False, soft_wrap=True)
