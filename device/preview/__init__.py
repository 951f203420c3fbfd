"""A small web page that shows what the recogniser sees."""

from __future__ import annotations

from edgedigits.device.preview.server import PreviewServer

__all__ = ["PreviewServer"]
