"""``edgedigits data``: which data sets there are, what is in one, and one as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import DATA_HELP, DataDirOption, JsonOption, print_json, progress, stdout

data_app = typer.Typer(
    help="List data sets, look into one, and write one as CSV.",
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


DataArgument = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)]


@data_app.command("look")
def look_command(
    data: DataArgument,
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


@data_app.command("csv")
def csv_command(
    data: DataArgument,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Where the files go; made if need be."),
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there already.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a data set as CSV: train.csv, test.csv, and test-unlabelled.csv to be answered.

    The form is that of Kaggle's Digit Recognizer: a column label, then pixel0 to pixel783.

    Example: edgedigits data csv mnist --out mnist-csv
    """
    from edgedigits.data.csv_writing import write_csv_folder
    from edgedigits.data.registry import load_data
    from edgedigits.report.look import csv_json, csv_view

    with progress() as shown:
        dataset = load_data(data, data_dir=data_dir, progress=shown)
        export = write_csv_folder(dataset, out, overwrite=overwrite, progress=shown)
    if as_json:
        print_json(csv_json(export))
    else:
        stdout().print(csv_view(export))


@data_app.command("reader")
def reader_command(
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The .npz file to write.")],
    negatives: Annotated[
        int, typer.Option(help="Drawn symbols and spoilt digits that are none.")
    ] = 30_000,
    scenes: Annotated[
        int, typer.Option(help="Synthetic camera frames to cut digits and other ink out of.")
    ] = 3_000,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there already.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a data set of digits and of what is none or several, to train a reader of frames on.

    Example: edgedigits data reader mnist --out reader.npz
    """
    from edgedigits.data.registry import load_data
    from edgedigits.reader_data import write_reader_data
    from edgedigits.report.look import reader_data_json, reader_data_view

    with progress() as shown:
        dataset = load_data(data, data_dir=data_dir, progress=shown)
        written = write_reader_data(
            dataset,
            out,
            negatives=negatives,
            scenes=scenes,
            seed=seed,
            overwrite=overwrite,
            progress=shown,
        )
    if as_json:
        print_json(reader_data_json(written))
    else:
        stdout().print(reader_data_view(written))
