"""``edgedigits label``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import JsonOption, print_json, progress, stdout


def label(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Crops as 'camera --save-unsure' keeps them."),
    ],
    port: Annotated[int, typer.Option(help="Of the page; 0: any free one.")] = 0,
    counts: Annotated[
        bool, typer.Option("--count", help="No page: only count what is labelled as what.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say by keyboard what crops show, on a page of this machine. Ctrl-C ends it.

    Each label is in FOLDER/labels.csv before the next is taken. FOLDER then is a DATA.

    Example: edgedigits label unsure
    """
    from edgedigits.labelling.counting import count_labels
    from edgedigits.report.labels import labels_json, labels_rows

    with progress() as shown:
        if not counts:
            from edgedigits.labelling.server import serve

            with contextlib.suppress(KeyboardInterrupt):
                serve(folder, port, shown)
        found = count_labels(folder, shown)
    if as_json:
        print_json(labels_json(found))
    else:
        stdout().print(labels_rows(found))
