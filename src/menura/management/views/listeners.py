"""Listeners in JSON, under the names that protocols have there."""

from __future__ import annotations

from typing import Any

from menura.core.node import NAME
from menura.net.listener import BACKLOG, UNIX, Listener

PROTOCOLS = {
    "amqp": "amqp",
    "amqps": "amqp/ssl",
    "http": "http",
    "https": "https",
    UNIX: "http/local",
    "mqtt": "mqtt",
    "mqtts": "mqtt/ssl",
    "mqtt+ws": "http/web-mqtt",
    "mqtt+wss": "https/web-mqtt",
    "stomp": "stomp",
    "stomps": "stomp/ssl",
    "stomp+ws": "http/web-stomp",
    "stomp+wss": "https/web-stomp",
}


def is_open(listener: Listener) -> bool:
    return listener.server.is_serving()


def protocol(listener: Listener) -> str:
    return PROTOCOLS.get(listener.address.scheme, listener.address.scheme)


def has_tls(listener: Listener) -> bool:
    return listener.certificates is not None


def listener_view(listener: Listener) -> dict[str, Any]:
    address = listener.address
    return {
        "node": NAME,
        "protocol": protocol(listener),
        "ip_address": address.path if address.scheme == UNIX else address.host,
        "port": listener.port,
        "socket_opts": {"backlog": BACKLOG, "nodelay": True},
        "tls": has_tls(listener),
    }


def context_view(listener: Listener) -> dict[str, Any]:
    """A listener of HTTP, as a place to find pages at."""
    return {
        "ssl_opts": [],
        "node": NAME,
        "description": "Menura management",
        "path": "/",
        "port": str(listener.port),
        "protocol": protocol(listener),
    }


def is_management(listener: Listener) -> bool:
    return listener.address.scheme in ("http", "https")
