"""The protocols the broker speaks: the schemes of their addresses, and how a session of each is made.

A protocol's code is loaded when somebody connects to a listener of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from menura.config import Config
from menura.core.node import Node
from menura.core.peers import Peer
from menura.net.port import Session

STANDARD_PORTS = {"amqp": 5672, "amqps": 5671, "mqtt": 1883, "mqtts": 8883, "stomp": 61613, "stomps": 61614}
TLS_SCHEMES = frozenset(("amqps", "mqtts", "stomps"))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a session of any protocol is given."""

    node: Node
    peer: Peer
    log: Callable[[str, str], None]
    wake: Callable[[], None]
    config: Config
    now: float


def session(scheme: str, around: Surroundings) -> Session:
    """A session for a connection to a listener of this scheme."""
    return _MAKERS[scheme](around)


def _amqp(around: Surroundings) -> Session:
    from menura.protocols.amqp.limits import AmqpLimits, Identity
    from menura.protocols.amqp.session import Session as AmqpSession

    config = around.config
    limits = AmqpLimits(
        channels_max=config.channels_max,
        frame_bytes_max=config.frame_bytes_max,
        heartbeat_seconds=config.heartbeat_seconds,
        message_bytes_max=config.message_bytes_max,
    )
    identity = Identity(product=config.product, version=config.product_version, anonymous=config.allow_anonymous)
    return AmqpSession(around.node, around.peer, around.log, around.wake, limits, identity, around.now)


def _mqtt(around: Surroundings) -> Session:
    from menura.protocols.mqtt.limits import MqttLimits
    from menura.protocols.mqtt.session import Session as MqttSession

    limits = MqttLimits(packet_bytes_max=around.config.message_bytes_max)
    return MqttSession(around.node, around.peer, around.log, around.wake, limits, around.now)


def take_up(node: Node) -> None:
    """What outlived the last process and has a life without a connection: sessions that end by themselves."""
    for vhost in node.vhosts.values():
        if any(name.startswith("mqtt-") for name in vhost.queues):
            from menura.protocols.mqtt.client import clients_of

            clients_of(node, vhost)


def _stomp(around: Surroundings) -> Session:
    from menura.protocols.stomp.limits import Identity, StompLimits
    from menura.protocols.stomp.session import Session as StompSession

    config = around.config
    identity = Identity(server=f"{config.product}/{config.product_version}", anonymous=config.allow_anonymous)
    return StompSession(around.node, around.peer, around.log, around.wake, StompLimits(), around.now, identity)


_MAKERS: dict[str, Callable[[Surroundings], Session]] = {
    "amqp": _amqp,
    "amqps": _amqp,
    "mqtt": _mqtt,
    "mqtts": _mqtt,
    "stomp": _stomp,
    "stomps": _stomp,
}
