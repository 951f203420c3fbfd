"""A small web page on this machine to say by keyboard what crops show."""

from __future__ import annotations

from edgedigits.labelling.server import LabelServer
from edgedigits.labelling.store import LabelStore

__all__ = ["LabelServer", "LabelStore"]
