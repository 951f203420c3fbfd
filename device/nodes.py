"""Device nodes: whether they are there and may be used, and what to do where not."""

from __future__ import annotations

import grp
import os
from pathlib import Path

from edgedigits.errors import SourceError


def check_node(name: str, node: Path) -> None:
    """See that the node is there and may be read and written.

    Raises:
        SourceError: it is not; the cameras that are there, or the group to join, are named.
    """
    if not node.exists():
        others = sorted(str(path) for path in Path("/dev").glob("video[0-9]*"))
        there = f"there are {', '.join(others)}" if others else "no camera is connected"
        raise SourceError(
            f"source {name}: there is no {node}; {there} (a Raspberry Pi camera on a ribbon cable "
            "is the source picamera)"
        )
    if not os.access(node, os.R_OK | os.W_OK):
        group = group_of(node)
        raise SourceError(
            f"source {name}: no permission to use {node}, which belongs to the group {group}: "
            f"{join(group)}"
        )


def join(group: str) -> str:
    """What to do to become a member of a group."""
    return f"sudo usermod -aG {group} $USER, then log in again"


def group_of(node: Path) -> str:
    """The name of the group that a node belongs to, or its number where it has no name."""
    number = node.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
