"""Topics, and what is told to Home Assistant about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgedigits import __version__

ONLINE, OFFLINE = "online", "offline"
LONGEST_STATE = 255  # signs of a state of Home Assistant


@dataclass(frozen=True)
class Topics:
    """Of one device.

    Attributes:
        prefix: in front of all. name: of the device.
    """

    prefix: str
    name: str

    @property
    def reading(self) -> str:
        """Each committed reading, once."""
        return f"{self.prefix}/{self.name}/reading"

    @property
    def state(self) -> str:
        """The newest reading, retained."""
        return f"{self.prefix}/{self.name}/state"

    @property
    def availability(self) -> str:
        """``online`` or ``offline``, retained; the last will."""
        return f"{self.prefix}/{self.name}/availability"

    @property
    def diagnostics(self) -> str:
        """Frames per second and counts, retained."""
        return f"{self.prefix}/{self.name}/diagnostics"


def discovery(topics: Topics, prefix: str) -> dict[str, dict[str, Any]]:
    """Configurations for Home Assistant by topic; each is published retained.

    The keys are those of https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery.

    Args:
        topics: of this device. prefix: Home Assistant's, normally ``homeassistant``.
    """
    node = f"edgedigits_{topics.name}"
    common = {
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "qos": 1,
        "device": {
            "identifiers": [node],
            "name": f"edgedigits {topics.name}",
            "manufacturer": "edgedigits",
            "model": "digit recogniser",
            "sw_version": __version__,
        },
        "origin": {"name": "edgedigits", "sw_version": __version__},
    }
    reading = {
        "name": "Reading",
        "icon": "mdi:numeric",
        "state_topic": topics.state,
        "value_template": (
            f"{{{{ (value_json.rows | join(' '))[:{LONGEST_STATE}] }}}}"  # rows beside each other
        ),
        "json_attributes_topic": topics.state,
    }
    fps = {
        "name": "Frames per second",
        "icon": "mdi:speedometer",
        "state_topic": topics.diagnostics,
        "value_template": "{{ value_json.fps }}",
        "unit_of_measurement": "fps",
        "state_class": "measurement",
        "entity_category": "diagnostic",
    }
    camera = {
        "name": "Camera",
        "device_class": "connectivity",
        "state_topic": topics.diagnostics,
        "value_template": "{{ 'ON' if value_json.fps > 0 else 'OFF' }}",
        "entity_category": "diagnostic",
    }
    entities = (("sensor", "reading", reading), ("sensor", "fps", fps))
    return {
        f"{prefix}/{kind}/{node}/{key}/config": {**own, "unique_id": f"{node}_{key}", **common}
        for kind, key, own in (*entities, ("binary_sensor", "camera", camera))
    }
