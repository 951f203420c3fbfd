"""The program: its commands, its exit codes, and no traceback."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import Annotated

import typer

from edgedigits import __version__
from edgedigits.cli.bundle import bundle, verify
from edgedigits.cli.collect import collect
from edgedigits.cli.data import data_app
from edgedigits.cli.demo import demo
from edgedigits.cli.deploy import deploy
from edgedigits.cli.diagnose import diagnose
from edgedigits.cli.doctor import doctor
from edgedigits.cli.evaluate import bench, compare, evaluate, inspect, predict
from edgedigits.cli.export import calibrate, export
from edgedigits.cli.importing import import_model
from edgedigits.cli.label import label
from edgedigits.cli.models import models
from edgedigits.cli.prune import prune
from edgedigits.cli.recognise import camera, recognise
from edgedigits.cli.reproduce import reproduce
from edgedigits.cli.shrink import shrink
from edgedigits.cli.streams import reader_has_left, ready_streams, send_nowhere
from edgedigits.cli.train import train
from edgedigits.errors import EdgedigitsError, UsageError

INTERRUPTED = 130  # exit code, as a shell gives it
# Python decodes each byte that is no UTF-8 as a lone surrogate.
NO_UTF8 = re.compile("[^\"'\n]*[\ud800-\udfff][^\"'\n]*")

app = typer.Typer(
    name="edgedigits",
    help="Train, prune, quantise and measure small image classifiers, and run them on a Pi.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgedigits {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Train, prune, quantise and measure small image classifiers, and run them on a Pi."""


app.command("demo")(demo)
app.add_typer(data_app, name="data")
app.command("models")(models)
app.command("train")(train)
app.command("import")(import_model)
app.command("prune")(prune)
app.command("calibrate")(calibrate)
app.command("export")(export)
app.command("evaluate")(evaluate)
app.command("predict")(predict)
app.command("compare")(compare)
app.command("shrink")(shrink)
app.command("diagnose")(diagnose)
app.command("inspect")(inspect)
app.command("bench")(bench)
app.command("bundle")(bundle)
app.command("verify")(verify)
app.command("deploy")(deploy)
app.command("collect")(collect)
app.command("reproduce")(reproduce)
app.command("recognise")(recognise)
app.command("camera")(camera)
app.command("doctor")(doctor)
app.command("label")(label)


def run() -> None:
    """Entry point: exit code 0, 1 for failure, 2 for usage, 130 when interrupted.

    A standard output that is closed, or that nobody reads any more, is no failure.
    """
    ready_streams()
    sys.exit(_run())


def _run() -> int:
    try:
        _check_utf8(sys.argv[1:])
        _refuse_empty(sys.argv[1:])
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:  # Typer swallows the KeyboardInterrupt itself
            return _fail("interrupted", INTERRUPTED)
        return code if isinstance(code, int) else 0
    except EdgedigitsError as error:
        return _fail(_as_given(str(error)), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except typer.Abort:
        return _fail("interrupted", INTERRUPTED)
    except (BrokenPipeError, SystemExit) as error:
        # The reader of our output has gone, as `| head` does: not a failure, and nobody to tell.
        # Typer makes an exit with code 1 of that.
        if isinstance(error, SystemExit) and not reader_has_left():
            raise
        send_nowhere()
        return 0
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stdout.write(f"{error}\n")
            return 2
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            return _fail(f"{error.format_message()} (see 'edgedigits --help')", error.exit_code)
        if os.environ.get("EDGEDIGITS_DEBUG"):
            raise
        if isinstance(error, OSError):  # a file or a full disk, not a fault of the program
            where = f"{error.filename}: " if error.filename else ""
            return _fail(f"{where}{error.strerror or error}", 1)
        if isinstance(error, UnicodeEncodeError) and (name := NO_UTF8.search(error.object)):
            return _fail(_not_utf8(name[0]), 1)
        what = " ".join(str(error).split()) or type(error).__name__
        return _fail(
            f"unexpected {type(error).__name__}: {what[:400]} "
            "(set EDGEDIGITS_DEBUG=1 to see where, and please report it)",
            1,
        )


def _refuse_empty(arguments: list[str]) -> None:
    """An empty path would be the current folder; it is what a shell makes of an unset variable."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        joined = bool(equals) and name.startswith("--")
        if argument == "" or (joined and value == ""):
            option = name if joined else before
            after = f" after {option}" if option.startswith("-") else ""
            raise UsageError(f"the value{after} is empty; give one, or leave it out")


def _check_utf8(words: list[str]) -> None:
    """Refuse names that could not be written into any result, before anything is done."""
    for word in words:
        if NO_UTF8.search(word):
            raise UsageError(_not_utf8(word))


def _not_utf8(name: str) -> str:
    try:
        shown = os.fsencode(name).decode(errors="backslashreplace")
    except UnicodeEncodeError:  # half a character, which no file system gave
        shown = name.encode(errors="backslashreplace").decode()
    return f"{shown[:400]}: a name that is not UTF-8; rename the file or folder"


def _as_given(message: str) -> str:
    # Looked up, not imported: where no bundle was opened, there is nothing to wait for.
    opening = sys.modules.get("edgedigits.device.bundle.opening")
    return message if opening is None else str(opening.name_bundles(message))


def _fail(message: str, code: int) -> int:
    if message:
        with contextlib.suppress(BrokenPipeError):  # the code says it too
            sys.stderr.write(f"edgedigits: {message}\n")
    return code


if __name__ == "__main__":
    run()
