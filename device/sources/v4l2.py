"""Cameras at /dev/video…, and what is wrong where one does not open."""

from __future__ import annotations

import grp
import os
from pathlib import Path

from edgedigits.device.sources.source import Source
from edgedigits.device.sources.video import open_video_device
from edgedigits.errors import SourceError


def open_camera(
    name: str, node: Path, size: tuple[int, int] | None, fps: float | None, timeout: float
) -> Source:
    """The camera of a device node.

    Raises:
        SourceError: there is none, it may not be used, or it gives no pictures.
    """
    check_node(name, node)
    source = open_video_device(name, node, size, fps, timeout)
    if source is None:
        raise SourceError(
            f"source {name}: {node} does not open as a camera; another program may be using it "
            f"(fuser -v {node}), or it is not the camera's first node (v4l2-ctl --list-devices)"
        )
    return source


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
        group = _group(node)
        raise SourceError(
            f"source {name}: no permission to use {node}, which belongs to the group {group}: "
            f"sudo usermod -aG {group} $USER, then log in again"
        )


def _group(node: Path) -> str:
    number = node.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
