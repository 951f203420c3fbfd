"""Options of ``edgedigits camera`` that are about an MQTT broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgedigits.errors import UsageError

if TYPE_CHECKING:
    from edgedigits.device.mqtt import MqttOptions

BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--mqtt",
        metavar="HOST[:PORT]",
        help="Publish each committed reading to this broker; what it cannot take waits on disk.",
    ),
]
MqttTopicOption = Annotated[
    str | None,
    typer.Option(metavar="TOPIC", help="In front of all topics. Default: edgedigits."),
]
MqttNameOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="This device in topics. Default: the host's name."),
]
MqttConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="TLS, user and password of the broker; only the owner may read it."
    ),
]
QueueOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where readings wait for the broker. Default: the service's or user's state folder.",
    ),
]


def mqtt_options(
    broker: str | None,
    topic: str | None,
    name: str | None,
    config: Path | None,
    queue: Path | None,
) -> MqttOptions | None:
    """What was asked for; None without ``--mqtt``.

    Raises:
        UsageError: the other options without it.
    """
    from edgedigits.device.mqtt.options import TOPIC, MqttOptions

    if broker is None:
        others = {
            "--mqtt-topic": topic,
            "--mqtt-name": name,
            "--mqtt-config": config,
            "--queue": queue,
        }
        for option, value in others.items():
            if value is not None:
                raise UsageError(f"{option} is for --mqtt HOST; add it, or leave {option} out")
        return None
    return MqttOptions(broker, TOPIC if topic is None else topic, name, config, queue)
