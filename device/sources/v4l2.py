"""Cameras at /dev/video…, and what is wrong where one does not open."""

from __future__ import annotations

from pathlib import Path

from edgedigits.device.nodes import check_node
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
