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

STANDARD_PORTS = {"amqp": 5672, "amqps": 5671}
TLS_SCHEMES = frozenset(("amqps",))


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


_MAKERS: dict[str, Callable[[Surroundings], Session]] = {"amqp": _amqp, "amqps": _amqp}
