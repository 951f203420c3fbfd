"""The smallest file that is still good enough: a search over ways of making one."""

from edgedigits.shrink.result import Limit, Shrunk, Trial
from edgedigits.shrink.shrinking import shrink
from edgedigits.shrink.storage import Heartbeat
from edgedigits.shrink.workshop import Settings

__all__ = ["Heartbeat", "Limit", "Settings", "Shrunk", "Trial", "shrink"]
