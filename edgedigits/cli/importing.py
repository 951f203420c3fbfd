"""``edgedigits import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import (
    DataDirOption,
    DataOption,
    JsonOption,
    print_json,
    progress,
    stderr,
    stdout,
)


def import_model(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .keras or .h5 file of Keras 2 or 3.")
    ],
    data: DataOption,
    run: Annotated[Path, typer.Option("--run", metavar="RUN", help="The run folder to make.")],
    input_range: Annotated[
        str,
        typer.Option(
            metavar="LOW,HIGH",
            help="The model's values for pixel 0 and pixel 255: 0,1 or 0,255 or -1,1, …",
        ),
    ] = "0,1",
    seed: Annotated[int, typer.Option(help="Of the validation split.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Move an existing run to NAME.previous.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a run folder from your own Keras model, to calibrate, prune, export and compare it.

    Example: edgedigits import mine.keras --data mnist --run runs/mine
    """
    from edgedigits.train.importing import import_model as make_run
    from edgedigits.train.importing import parse_range

    with progress() as shown:
        result = make_run(
            file,
            data,
            run,
            input_range=parse_range(input_range),
            seed=seed,
            data_dir=data_dir,
            overwrite=overwrite,
            progress=shown,
        )
    facts = result.facts
    if as_json:
        print_json(
            {
                "run": str(run),
                "keras": facts.version,
                "input_shape": list(facts.input_shape),
                "input_range": list(result.input_range),
                "classes": facts.classes,
                "validation_accuracy": result.validation_accuracy,
                "warning": result.warning,
                "notes": list(result.notes),
            }
        )
        return
    for note in result.notes:
        stderr().print(f"note: {note}", markup=False)
    shape = "×".join(map(str, facts.input_shape))
    stdout().print(
        f"{run}: Keras {facts.version}, input {shape} from {input_range}, {facts.classes} outputs, "
        f"validation accuracy {result.validation_accuracy:.4f}",
        markup=False,
    )
    if result.warning is not None:
        stderr().print(f"warning: {result.warning}", markup=False)
