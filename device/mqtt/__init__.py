"""Committed readings to an MQTT broker, by way of a queue on disk."""

from edgedigits.device.mqtt.options import MqttOptions
from edgedigits.device.mqtt.publisher import open_mqtt

__all__ = ["MqttOptions", "open_mqtt"]
