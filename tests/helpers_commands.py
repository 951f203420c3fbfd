"""The program's commands, as it knows them itself."""

from __future__ import annotations

from typing import Any

from typer.main import get_command

from edgedigits.cli.main import app

Commands = dict[tuple[str, ...], Any]


def commands() -> Commands:
    """Every command and group by its words; the program itself has none."""
    found: Commands = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        found[words] = command
        for name, below in getattr(command, "commands", {}).items():
            walk(below, (*words, name))

    walk(get_command(app), ())
    return found


def leaves() -> Commands:
    """Only what does something: no groups."""
    return {words: command for words, command in commands().items() if not is_group(command)}


def is_group(command: Any) -> bool:
    """Whether a command only holds others."""
    return hasattr(command, "commands")
