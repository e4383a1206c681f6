"""Under which names people ask for the listeners of a protocol."""

from __future__ import annotations

_SPELLINGS = {
    "amqp": ("amqp091", "amqp0.9.1", "amqp0-9-1", "amqp0_9_1", "amqp10", "amqp1.0", "amqp1-0", "amqp1_0"),
    "amqp/ssl": ("amqps", "amqp+tls", "amqp+ssl"),
    "mqtt": ("mqtt3.1", "mqtt3.1.1", "mqtt31", "mqtt311", "mqtt3_1", "mqtt3_1_1", "mqtt5", "mqtt5.0", "mqtt50"),
    "mqtt/ssl": ("mqtts", "mqtt+tls", "mqtt+ssl"),
    "stomp": ("stomp1.0", "stomp1.1", "stomp1.2", "stomp10", "stomp11", "stomp12", "stomp1_0", "stomp1_1", "stomp1_2"),
    "stomp/ssl": ("stomps", "stomp+tls", "stomp+ssl"),
    "http": ("http1", "http1.1", "http_api", "management", "management_ui", "ui"),
    "http/web-mqtt": ("webmqtt", "web-mqtt", "web_mqtt"),
    "http/web-stomp": ("webstomp", "web-stomp", "web_stomp"),
    "https/web-mqtt": ("webmqtt/tls", "web-mqtt/tls", "webmqtt/ssl", "web-mqtt/ssl", "webmqtt+tls", "web-mqtt+tls"),
    "https/web-stomp": ("webstomp/tls", "web-stomp/tls", "webstomp/ssl", "web-stomp/ssl", "webstomp+tls"),
}
_NAMES = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}


def listener_name(spelling: str) -> str:
    """As listeners are called here; what is not known stays as it is."""
    lower = spelling.strip().lower()
    return _NAMES.get(lower, lower)
