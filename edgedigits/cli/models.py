"""``edgedigits models``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from edgedigits.cli.common import JsonOption, print_json, stdout


def models(
    latency: Annotated[
        bool,
        typer.Option(
            "--latency", help="Also measure the shipped files here, one picture at a time."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the models that can be trained, and the trained files that come with the package.

    Example: edgedigits models
    """
    from edgedigits.report.shipped import shipped_json, shipped_rows
    from edgedigits.zoo import zoo_entry, zoo_file, zoo_files

    entries = [zoo_entry(name) for name in zoo_files()]
    bench = None
    if latency:
        from edgedigits.bench import bench_files

        bench = bench_files([zoo_file(entry.name) for entry in entries], threads=[1], rounds=10)
    rows = _trainable()
    if as_json:
        shipped = shipped_json(entries, bench)
        for row in rows:
            row["files"] = [file for file in shipped if file["model"] == row["name"]]
        print_json(rows)
        return
    console = stdout()
    console.print(_table(rows))
    console.print()
    console.print(shipped_rows(entries, bench))


def _trainable() -> list[dict[str, Any]]:
    from edgedigits.models.registry import MODELS

    return [
        {
            "name": spec.name,
            "parameters": spec.parameters,
            "macs": spec.macs,
            "input_shape": list(spec.input_shape),
            "classes": spec.classes,
            "float32_bytes": spec.float32_bytes,
            "int8_bytes": spec.int8_bytes,
            "origin": spec.origin,
        }
        for spec in MODELS.values()
    ]


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("model", box=None, pad_edge=False)
    for name in ("parameters", "MACs", "float32 bytes", "int8 bytes", "input", "classes"):
        table.add_column(name, justify="right")
    table.add_column("where it comes from")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['parameters']:,}",
            f"{row['macs']:,}",
            f"{row['float32_bytes']:,}",
            f"{row['int8_bytes']:,}",
            "×".join(map(str, row["input_shape"])),
            str(row["classes"]),
            row["origin"],
        )
    return table
