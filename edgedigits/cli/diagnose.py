"""``edgedigits diagnose``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgedigits.cli.common import (
    DATA_HELP,
    DataDirOption,
    JsonOption,
    print_json,
    progress,
    stdout,
)

if TYPE_CHECKING:
    from edgedigits.diagnose import Diagnosed
    from edgedigits.progress import Progress


def diagnose(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A run folder with exports; or a .tflite file, a bundle, a shipped file's name.",
        ),
    ],
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only this export of the run; may be given several times."
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--float",
            metavar="FILE",
            help="For a file: its float model, .tflite, .keras or .h5.",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help=f"For a file: {DATA_HELP}")
    ] = None,
    input_range: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="For a file that does not say it: the model's values for pixel 0 and pixel 255. "
            "Default: 0,1.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="validation (the default for a run), test; for a file as in evaluate, "
            "which takes test by default."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", help="Pictures at most, chosen by class share.")
    ] = 500,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Where pictures and JSON go. Default: RUN/diagnosis; for a file, nowhere.",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the layer to blame: error by layer of each variant against float.

    Example: edgedigits diagnose runs/a --variant int8
    """
    from edgedigits.device.bundle.opening import as_given, resolve_model
    from edgedigits.diagnose import diagnose_file, diagnose_run
    from edgedigits.errors import UsageError
    from edgedigits.report.diagnosis import diagnosis_json, diagnosis_view
    from edgedigits.train.importing import parse_range

    of_a_file = reference is not None and not target.is_dir()
    a_file = target.is_file() or target.suffix == ".tflite" or of_a_file
    given = {"--float": reference, "--data": data, "--input-range": input_range}
    with progress() as shown:
        if a_file:
            if reference is None or data is None:
                raise UsageError(
                    f"{target}: a file alone has nothing to be held against; add --float FILE and "
                    "--data DATA, or name the run folder"
                )
            if variant:
                raise UsageError("--variant goes with a run folder; a file is one variant")
            found = diagnose_file(
                resolve_model(target),
                reference,
                data,
                split=split,
                limit=limit,
                input_range=None if input_range is None else parse_range(input_range),
                data_dir=data_dir,
                progress=shown,
            )
            variants = tuple(as_given(one) for one in found.diagnosis.variants)
            found = replace(found, diagnosis=replace(found.diagnosis, variants=variants))
        else:
            from edgedigits.run import open_run

            if wrong := [name for name, value in given.items() if value is not None]:
                raise UsageError(f"{wrong[0]} goes with a .tflite file; a run knows its own")
            run = open_run(target)
            found = diagnose_run(
                run,
                only=variant or (),
                split="validation" if split is None else split,
                limit=limit,
                data_dir=data_dir,
                progress=shown,
            )
            out = run.diagnosis if out is None else out
        if out is not None:
            _save(found, out, shown)
    if as_json:
        print_json(diagnosis_json(found.diagnosis))
    else:
        stdout().print(diagnosis_view(found.diagnosis))


def _save(found: Diagnosed, out: Path, shown: Progress) -> None:
    from edgedigits.errors import MissingPackageError
    from edgedigits.report.diagnosis_pictures import save_diagnosis

    try:
        for path in save_diagnosis(found, out):
            shown.say(f"written: {path}")
    except MissingPackageError as error:
        shown.say(f"no pictures: {error}")
