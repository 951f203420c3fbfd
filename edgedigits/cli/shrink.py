"""``edgedigits shrink``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgedigits.cli.common import (
    DataDirOption,
    JsonOption,
    RunArgument,
    print_json,
    progress,
    stdout,
)

if TYPE_CHECKING:
    from edgedigits.shrink import Shrunk


def shrink(
    run: RunArgument,
    max_drop: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="Find the smallest file that loses no more percentage points of accuracy "
            "against float32, on the validation part.",
        ),
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of files with no more bytes, find the most accurate one."),
    ] = None,
    gzip: Annotated[
        bool,
        typer.Option(
            "--gzip",
            help="Count bytes after gzip, and try clusters of weights, which only gzip sees.",
        ),
    ] = False,
    trials: Annotated[
        int, typer.Option(metavar="N", help="Try at most so many, earlier ones included.")
    ] = 24,
    epochs: Annotated[
        int | None,
        typer.Option(help="Of retraining what is narrowed. Default: 8, more for little data."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the order of the pictures.")] = 0,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="EDGEDIGITS_STORAGE",
            help="A database that workers share, postgresql+psycopg://USER@HOST/NAME; start the "
            "same command on each machine. Default: a journal in the run folder.",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for the smallest file that is still good enough: exports/shrunk.tflite.

    Tries int8, four bits by layer, fewer filters and units with retraining, quantisation-aware
    training, and mixes of these. Interrupted, the same command goes on.

    Example: edgedigits shrink runs/a --max-drop 0.1
    """
    from edgedigits.run import open_run
    from edgedigits.shrink import Limit, Settings
    from edgedigits.shrink import shrink as shrink_run

    with progress() as shown:
        result = shrink_run(
            open_run(run),
            Limit(max_drop, max_bytes, gzip),
            trials=trials,
            settings=Settings(epochs, seed),
            storage=storage,
            data_dir=data_dir,
            progress=shown,
        )
    if as_json:
        print_json({"run": str(run), **result.to_json()})
    else:
        _show(result)


def _show(result: Shrunk) -> None:
    from rich.table import Table

    document = result.to_json()
    table = Table("", "trial", "recipe", box=None, pad_edge=False)
    for name in ("bytes", "gzip", "validation", "points lost", "within", "Pareto"):
        table.add_column(name, justify="right")
    for row in document["trials"]:
        mark = "*" if row["number"] == document["chosen"] else ""
        if row["message"]:
            table.add_row("", str(row["number"]), row["recipe"], "not made")
            continue
        table.add_row(
            mark,
            str(row["number"]),
            row["recipe"],
            f"{row['bytes']:,}",
            f"{row['gzip_bytes']:,}",
            f"{100 * row['accuracy']:.2f} %",
            f"{row['drop']:+.2f}",
            "yes" if row["within"] else "no",
            "yes" if row["pareto"] else "",
        )
    console = stdout()
    console.print(table)
    for line in _remarks(result):
        console.print(line, markup=False, soft_wrap=True)


def _remarks(result: Shrunk) -> list[str]:
    test, chosen = result.test, result.chosen
    size = chosen.size(result.limit)
    ratios = [f"{size / result.float32_bytes:.4f} of float32"] if not result.limit.packed else []
    if result.int8_bytes is not None and not result.limit.packed:
        ratios.append(f"{size / result.int8_bytes:.4f} of int8")
    lines = [
        "",
        f"{result.file}: {chosen.candidate.label(result.layers)}; "
        f"{', '.join([f'{size:,} bytes', *ratios])}",
        f"test: {100 * test.accuracy:.2f} % of {test.n:,} ({100 * test.accuracy_low:.2f} to "
        f"{100 * test.accuracy_high:.2f}); float32 {100 * test.reference_accuracy:.2f} %, "
        f"{test.paired.drop:+.2f} points lost ({test.paired.drop_low:+.2f} to "
        f"{test.paired.drop_high:+.2f})",
    ]
    lines += [f"note: {note}" for note in result.notes]
    if not result.limit.packed:
        lines.append("clusters of weights were not tried: only gzip sees them (--gzip)")
    return lines
