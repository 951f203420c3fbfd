"""Where frames come from: one file a kind, one opener."""

from edgedigits.device.sources.opening import open_source
from edgedigits.device.sources.source import Source

__all__ = ["Source", "open_source"]
