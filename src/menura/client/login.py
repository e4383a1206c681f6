"""Who connects, and a client's part of the handshake: what it says of itself, and what is agreed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from menura.protocols.amqp import wire

FRAME_BYTES_MAX = 131072
CAPABILITIES = (
    "publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked", "authentication_failure_close"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects, and what to ask for; None takes what the server offers."""

    user: str = "guest"
    password: str = "guest"
    vhost: str = "/"
    mechanism: str = "PLAIN"
    name: str = ""
    heartbeat_seconds: int | None = None
    channels_max: int | None = None
    frame_bytes_max: int | None = None

    def __repr__(self) -> str:
        return f"Login({self.user!r}, {self.vhost!r})"

    @property
    def response(self) -> bytes:
        return b"" if self.mechanism == "EXTERNAL" else f"\0{self.user}\0{self.password}".encode()


def greeting(login: Login) -> bytes:
    """The answer to connection.start."""
    properties: dict[str, Any] = {
        "product": "Menura",
        "platform": "Python",
        "capabilities": dict.fromkeys(CAPABILITIES, True),
    }
    if login.name:
        properties["connection_name"] = login.name
    return wire.frame(
        0,
        "connection.start-ok",
        client_properties=properties,
        mechanism=login.mechanism,
        response=login.response,
        locale="en_US",
    )


def tuned(login: Login, offered: Any) -> tuple[bytes, int, int]:
    """The answer to connection.tune and connection.open behind it; the longest frame, and the heartbeat in seconds."""
    frame_bytes_max = _lower(offered.frame_max, login.frame_bytes_max or FRAME_BYTES_MAX)
    heartbeat = offered.heartbeat if login.heartbeat_seconds is None else login.heartbeat_seconds
    agreed = {
        "channel_max": _lower(offered.channel_max, login.channels_max or 0),
        "frame_max": frame_bytes_max,
        "heartbeat": heartbeat,
    }
    opening = wire.frame(0, "connection.open", virtual_host=login.vhost)
    return wire.frame(0, "connection.tune-ok", **agreed) + opening, frame_bytes_max, heartbeat


def _lower(offered: int, asked: int) -> int:
    """The lower of two limits; 0 is none."""
    return min(offered, asked) if offered and asked else offered or asked
