"""``edgedigits data``: which data sets there are, and what is in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import DATA_HELP, DataDirOption, JsonOption, print_json, progress, stdout

data_app = typer.Typer(
    help="List data sets, and look into one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@data_app.command("list")
def list_command(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the data sets that have a name, and where they lie on this machine.

    Example: edgedigits data list
    """
    from edgedigits.data.registry import PATHS, list_sources

    rows = list_sources(data_dir)
    if as_json:
        print_json([row.to_json() for row in rows])
        return

    from rich.text import Text

    from edgedigits.report.look import source_rows

    console = stdout()
    console.print(source_rows(rows))
    console.print(Text(f"\nA path is data too: {PATHS}."))


@data_app.command("look")
def look_command(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help=DATA_HELP,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Also draw the label distribution and samples as PNG files into this folder.",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show shapes, label distribution, pixel statistics and samples of a data set.

    Example: edgedigits data look digits --out look-digits
    """
    from edgedigits.data.look import look
    from edgedigits.data.registry import load_data
    from edgedigits.report.look import render_text, to_json, write_pictures

    with progress() as shown:
        dataset = load_data(data, data_dir=data_dir, progress=shown)
    result = look(dataset)
    pictures = () if out is None else write_pictures(result, dataset, out)
    if as_json:
        print_json({**to_json(result), "pictures": [str(path) for path in pictures]})
        return

    from rich.text import Text

    console = stdout()
    console.print(render_text(result))
    for path in pictures:
        console.print(Text(f"picture: {path}"))
    if not pictures:
        console.print(Text("pictures: add --out FOLDER to draw labels and samples"))
