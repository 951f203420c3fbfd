"""A table as strings first; rendering wraps it, in the terminal and in HTML alike."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table as RichTable

NOTHING = "–"  # shown where there is no value
MINUS = "−"
GAP = 2  # spaces between columns
FOLDED = 8  # text may be folded to this width where room is short


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: the heading; a line break in it is kept.
        meaning: one sentence that tells a newcomer how to read it; empty where the name says all.
        right: whether the cells are numbers, set to the right.
    """

    name: str
    meaning: str = ""
    right: bool = True


@dataclass(frozen=True)
class Table:
    """Columns and cells, all text.

    Printing it on a rich console draws it without interpreting markup in its cells.

    Attributes:
        title: what the table shows.
        columns, rows: every row has one cell a column.
        marked: positions of rows to be shown strongly.
        ruled: positions of rows that have a line above them.
        keys: how many columns at the left say what a row is. A table wider than the terminal is
            cut into blocks of columns that repeat them; numbers are never broken.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()
    ruled: frozenset[int] = frozenset()
    keys: int = 1

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from rich.text import Text

        yield Text(self.title, style="bold")
        for number, block in enumerate(_blocks(self, options.max_width)):
            if number:
                yield Text("")
            yield _rich_table(block)


def as_text(*parts: RenderableType, width: int = 120) -> str:
    """Tables and lines as plain text without colour; no line ends in a space.

    Args:
        parts: tables, or lines of text, drawn one below the other.
        width: columns of the terminal to draw for.
    """
    from rich.console import Console

    page = io.StringIO()
    console = Console(
        file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False
    )
    for part in parts:
        console.print(part, markup=False, highlight=False)
    return "\n".join(line.rstrip() for line in page.getvalue().rstrip().splitlines()) + "\n"


def _rich_table(table: Table) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        box=box.SIMPLE_HEAD,
        padding=(0, GAP - 1, 0, 0),
        show_edge=False,
        pad_edge=False,
    )
    for column in table.columns:
        drawn.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=column.right,
        )
    for i, row in enumerate(table.rows):
        if i in table.ruled:
            drawn.add_section()
        drawn.add_row(*map(Text, row), style="bold" if i in table.marked else None)
    return drawn


def _blocks(table: Table, width: int) -> list[Table]:
    widths = [_least_width(table, column) for column in range(len(table.columns))]
    keys = list(range(table.keys))
    room = width - sum(widths[key] + GAP for key in keys) + GAP
    blocks: list[list[int]] = [[]]
    used = 0
    for column in range(table.keys, len(table.columns)):
        wide = widths[column] + GAP
        if used + wide > room and blocks[-1]:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += wide
    return [_columns_of(table, [*keys, *block]) for block in blocks]


def _least_width(table: Table, column: int) -> int:
    from rich.cells import cell_len

    heading = max(map(cell_len, table.columns[column].name.split("\n")))
    natural = max([heading, *(cell_len(row[column]) for row in table.rows)])
    return natural if table.columns[column].right else min(natural, FOLDED)


def _columns_of(table: Table, positions: list[int]) -> Table:
    return replace(
        table,
        columns=tuple(table.columns[position] for position in positions),
        rows=tuple(tuple(row[position] for position in positions) for row in table.rows),
    )


def count(number: int) -> str:
    """A whole number with thousands separators."""
    return f"{number:,}"


def pictures(n: int | str) -> str:
    """``1 picture``, ``10,000 pictures``; text is taken as it is."""
    shown = count(n) if isinstance(n, int) else n
    return f"{shown} picture{'' if shown == '1' else 's'}"


def number(value: float | None, digits: int) -> str:
    """A number with so many decimals, a true minus sign, and a dash for None or not a number.

    What rounds to zero has no sign.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def percent(share: float | None, digits: int = 2) -> str:
    """A share of 1 as per cent, without the sign."""
    return number(None if share is None else 100 * share, digits)


def p_value(p: float | None) -> str:
    """A probability: three decimals, and ``<0.001`` below that."""
    if p is not None and p < 0.001:
        return "<0.001"
    return number(p, 3)
