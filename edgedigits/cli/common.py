"""What every command shares: option types, progress on stderr, JSON on stdout.

Nothing heavy is imported here: ``edgedigits --help`` must answer at once.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgedigits.errors import UsageError
from edgedigits.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON document on standard output.")
]
DATA_HELP = (
    "digits, mnist, fashion-mnist, or a path: .csv, .npz, a folder of IDX files, a folder with "
    "train.csv (and test.csv), a folder of labelled crops, a folder with one sub-folder of "
    "pictures a class."
)
DataOption = Annotated[str, typer.Option("--data", metavar="DATA", help=DATA_HELP)]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="EDGEDIGITS_DATA",
        metavar="FOLDER",
        help="Where downloaded data lies, for example FOLDER/mnist/*-ubyte.gz.",
    ),
]
FILE_HELP = "A .tflite file, a bundle, or the name of a shipped file."
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def stderr() -> Console:
    """The console for progress and remarks; results go to standard output."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def stdout() -> Console:
    """The console for results; as wide as needed where it is not a terminal."""
    from rich.console import Console

    class Results(Console):
        def on_broken_pipe(self) -> None:  # Rich would end with 1; see cli.main for what we do
            raise BrokenPipeError

    if sys.stdout.isatty():
        return Results(highlight=False)
    return Results(highlight=False, width=200)


def print_json(document: dict[str, Any] | list[Any]) -> None:
    """Print one JSON document; an object gets ``schema_version`` in front."""
    if isinstance(document, dict):
        from edgedigits.files import SCHEMA_VERSION

        document = {"schema_version": SCHEMA_VERSION, **document}
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def only(context: typer.Context, option: str, names: Container[str]) -> None:
    """Raise UsageError where the user gave an option that has no effect beside ``option``.

    Args:
        names: of the parameters that have one.
    """
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "")
        if (
            given is not None
            and given.name == "COMMANDLINE"
            and parameter.param_type_name == "option"
            and parameter.name not in names
        ):
            shown = "/".join([parameter.opts[0], *parameter.secondary_opts])
            raise UsageError(f"{shown}: has no effect with {option}; leave it out")


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """Bars and lines on standard error; bars only where that is a terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bars,
    )

    console = stderr()
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        yield _Shown(bars, console)


class _Shown:
    """One bar a step; a step that begins ends the one before."""

    def __init__(self, bars: Any, console: Console) -> None:
        self._bars = bars
        self._console = console
        self._what = ""
        self._task: Any = None

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        if what != self._what:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._task = self._bars.add_task(what, total=total, note=note)
            self._what = what
        self._bars.update(self._task, completed=done, total=total, note=note)

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
