"""The protocols the broker speaks: the schemes of their addresses, and how a session of each is made.

A protocol's code is loaded when somebody connects to a listener of its own. A scheme with a plus sign is a protocol
inside a WebSocket, plain (`ws`) or over TLS (`wss`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from menura.core.node import Node
from menura.core.peers import Surroundings
from menura.net.listener import UNIX, Address
from menura.net.port import Session, WebSocketRules

if TYPE_CHECKING:
    from menura.broker import Broker


def _amqp(around: Surroundings, broker: Broker, address: Address) -> Session:
    from menura.protocols.amqp.limits import AmqpLimits, Identity
    from menura.protocols.amqp.session import Session as AmqpSession

    config = broker.config
    limits = AmqpLimits(
        channels_max=config.channels_max,
        frame_bytes_max=config.frame_bytes_max,
        heartbeat_seconds=config.heartbeat_seconds,
        consumer_timeout_ms=round(config.consumer_timeout_seconds * 1000),
        message_bytes_max=config.message_bytes_max,
    )
    identity = Identity(product=config.product, version=config.product_version, anonymous=config.allow_anonymous)
    return AmqpSession(around, limits, identity)


def _mqtt(around: Surroundings, broker: Broker, address: Address) -> Session:
    from menura.protocols.mqtt.limits import MqttLimits
    from menura.protocols.mqtt.session import Session as MqttSession

    config = broker.config
    limits = MqttLimits(packet_bytes_max=config.message_bytes_max, anonymous_user=config.mqtt_anonymous_user)
    return MqttSession(around, limits)


def take_up(node: Node) -> None:
    """What outlived the last process and has a life without a connection: sessions that end by themselves."""
    for vhost in node.vhosts.values():
        if any(name.startswith("mqtt-") for name in vhost.queues):
            from menura.protocols.mqtt.client import clients_of

            clients_of(node, vhost)


def _stomp(around: Surroundings, broker: Broker, address: Address) -> Session:
    from menura.protocols.stomp.limits import Identity, StompLimits
    from menura.protocols.stomp.session import Session as StompSession

    config = broker.config
    identity = Identity(server=f"{config.product}/{config.product_version}", anonymous=config.allow_anonymous)
    return StompSession(around, StompLimits(), identity)


def _http(around: Surroundings, broker: Broker, address: Address) -> Session:
    return broker.application.session(around, address.origins)


class Voice(NamedTuple):
    """What a scheme stands for. `rules`: inside a WebSocket, in this way."""

    port: int
    session: Callable[[Surroundings, Broker, Address], Session]
    tls: bool = False
    rules: Callable[[], WebSocketRules] | None = None


def _mqtt_rules() -> WebSocketRules:
    # MQTT 3.1.1 and 5.0, section 6; the other name is what clients of 3.1 say.
    return WebSocketRules(("mqtt", "mqttv3.1"), required=True)


def _stomp_rules() -> WebSocketRules:
    from menura.protocols.stomp.cutting import cut

    return WebSocketRules(("v12.stomp", "v11.stomp", "v10.stomp"), required=False, cut=cut)


VOICES = {
    "amqp": Voice(5672, _amqp),
    "amqps": Voice(5671, _amqp, tls=True),
    "http": Voice(15672, _http),
    "https": Voice(15671, _http, tls=True),
    UNIX: Voice(0, _http),
    "mqtt": Voice(1883, _mqtt),
    "mqtts": Voice(8883, _mqtt, tls=True),
    "mqtt+ws": Voice(15675, _mqtt, rules=_mqtt_rules),
    "mqtt+wss": Voice(15676, _mqtt, tls=True, rules=_mqtt_rules),
    "stomp": Voice(61613, _stomp),
    "stomps": Voice(61614, _stomp, tls=True),
    "stomp+ws": Voice(15674, _stomp, rules=_stomp_rules),
    "stomp+wss": Voice(15673, _stomp, tls=True, rules=_stomp_rules),
}
STANDARD_PORTS = {scheme: voice.port for scheme, voice in VOICES.items()}
