"""What the node says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from menura.cli.ctl.client import HttpFailure
from menura.cli.ctl.errors import UNAVAILABLE, CtlError
from menura.cli.ctl.verbs import Call

# What a protocol's listener is for.
_PURPOSES = {
    "amqp": "AMQP 0-9-1",
    "amqp/ssl": "AMQP 0-9-1 over TLS",
    "http": "HTTP API",
    "http/local": "HTTP API for programs of this user",
    "https": "HTTP API over TLS (HTTPS)",
    "mqtt": "MQTT",
    "mqtt/ssl": "MQTT over TLS",
    "http/web-mqtt": "MQTT over WebSockets",
    "https/web-mqtt": "MQTT over WebSockets and TLS",
    "stomp": "STOMP",
    "stomp/ssl": "STOMP over TLS",
    "http/web-stomp": "STOMP over WebSockets",
    "https/web-stomp": "STOMP over WebSockets and TLS",
}


def node_state(call: Call) -> dict[str, Any]:
    """The state of the node, as GET /api/menura/node has it. Raises CtlError for a broker that is another program."""
    try:
        return dict(call.client.get("/menura/node"))
    except HttpFailure as failure:
        if failure.http_status != 404:
            raise
        raise CtlError(
            UNAVAILABLE, f"the broker at {call.client.place} is no Menura: it cannot tell its state"
        ) from None


def require_running(call: Call) -> dict[str, Any]:
    """The state of a node that serves clients."""
    state = node_state(call)
    if state["state"] != "running":
        raise CtlError(
            UNAVAILABLE,
            f"Error: this command requires the broker to serve clients. Start it with '{call.program} start_app'.",
            bare=True,
        )
    return state


def listeners(state: Mapping[str, Any], *, only_open: bool = False) -> list[dict[str, Any]]:
    """Listeners as RabbitMQ's tools show them; with `only_open` those that take clients now."""
    return [
        {
            "interface": "[::]" if each["host"] == "0.0.0.0" else each["host"],
            "node": state["name"],
            "port": each["port"],
            "protocol": each["protocol"],
            "purpose": _PURPOSES.get(each["protocol"], each["protocol"]),
        }
        for each in state["listeners"]
        if each["open"] or not only_open
    ]


def listener_line(listener: dict[str, Any]) -> str:
    return (
        f"interface: {listener['interface']}, port: {listener['port']}, "
        f"protocol: {listener['protocol']}, purpose: {listener['purpose']}"
    )
