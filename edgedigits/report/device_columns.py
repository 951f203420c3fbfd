"""Columns of a comparison for devices that its files were measured on."""

from __future__ import annotations

from collections.abc import Sequence

from edgedigits.compare import ComparisonRow
from edgedigits.report.rows import NOTHING, Column, number


def _hosts(rows: Sequence[ComparisonRow]) -> list[str]:
    return sorted({device.host for row in rows for device in row.devices})


def device_columns(rows: Sequence[ComparisonRow]) -> tuple[Column, ...]:
    """A column a device; none where no file was measured on one."""
    return tuple(
        Column(
            f"{host}\np50/p95 µs, fps",
            f"Time for one picture on {host}, and frames a second that it reads, by "
            "'edgedigits bench --host'.",
        )
        for host in _hosts(rows)
    )


def device_cells(row: ComparisonRow, rows: Sequence[ComparisonRow]) -> tuple[str, ...]:
    """What each device did with the row's file."""
    found = {device.host: device for device in row.devices}
    cells = []
    for host in _hosts(rows):
        device = found.get(host)
        if device is None:
            cells.append(NOTHING)
            continue
        latency = f"{number(device.latency_us_p50, 0)}/{number(device.latency_us_p95, 0)}"
        cells.append(latency + ("" if device.fps is None else f", {number(device.fps, 1)}"))
    return tuple(cells)
