"""``edgedigits doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import JsonOption, print_json, stdout


def doctor(
    prefix: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the service was deployed to.")
    ] = Path("/opt/edgedigits"),
    as_json: JsonOption = False,
) -> None:
    """Look at this device: software, cameras, heat, disk, service; exits with 1 if anything fails.

    Example: edgedigits doctor
    """
    from edgedigits.device.doctor.examining import examine
    from edgedigits.device.doctor.machine import Machine
    from edgedigits.report.doctor import examination_json, examination_view

    found = examine(Machine(prefix=prefix.absolute()))
    if as_json:
        print_json(examination_json(found))
    else:
        stdout().print(examination_view(found))
    if found.failed:
        raise typer.Exit(1)
