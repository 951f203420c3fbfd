"""Committed readings to an MQTT broker, by way of a queue on disk.

:func:`edgedigits.device.mqtt.publisher.open_mqtt` does it; who does not ask for it loads neither
SQLite nor TLS.
"""

from edgedigits.device.mqtt.options import MqttOptions

__all__ = ["MqttOptions"]
