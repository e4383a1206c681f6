"""Protocols as RabbitMQ names them: in lists of connections, and as labels of numbers."""

from __future__ import annotations

from menura.core.presence import Connected

_LABELS = {"AMQP 0-9-1": "amqp091", "MQTT 3.1": "mqtt310", "MQTT 3.1.1": "mqtt311", "MQTT 5.0": "mqtt50"}


def label(protocol: str) -> str:
    """The short form, for labels."""
    return _LABELS.get(protocol) or protocol.partition(" ")[0].lower()


def title(connected: Connected) -> str:
    """The long form, which also says whether it came in a WebSocket."""
    name, _, version = connected.protocol.partition(" ")
    if connected.peer.internal:
        name = "Direct"
    elif name == "MQTT":
        version = version.replace(".", "-")
    return f"Web {name} {version}" if connected.peer.websocket else f"{name} {version}"
