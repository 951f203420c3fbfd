"""``edgedigits models``."""

from __future__ import annotations

from typing import Any

from edgedigits.cli.common import JsonOption, print_json, stdout


def models(as_json: JsonOption = False) -> None:
    """List the models that can be trained: parameters, arithmetic, size, where they come from.

    Example: edgedigits models
    """
    from edgedigits.models.registry import MODELS

    rows: list[dict[str, Any]] = [
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
    if as_json:
        print_json(rows)
        return

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
    stdout().print(table)
