"""What one connection may take, each with its unit in the name."""

from __future__ import annotations

from dataclasses import dataclass

# RabbitMQ lets a frame be this much longer than negotiated: some clients count the frame's own octets
# differently.
FRAME_BYTES_TOLERANCE = 8


@dataclass(frozen=True, slots=True)
class AmqpLimits:
    """Offered to clients in the handshake, or held against them."""

    channels_max: int = 2047
    frame_bytes_max: int = 131072
    heartbeat_seconds: int = 60
    handshake_seconds_max: int = 10
    # How long a delivery may be unacknowledged whose queue says nothing of that; 0: no limit.
    consumer_timeout_ms: int = 0
    message_bytes_max: int = 128 * 1024 * 1024
    # Undelivered output of one connection above which its consumers are not served.
    output_bytes_max: int = 1024 * 1024
    # Distinct publish methods a connection's parser remembers.
    publishes_max: int = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """What the broker calls itself. Clients choose behaviour by `product` and `version`."""

    product: str = "RabbitMQ"
    version: str = "4.2.0"
    platform: str = "Menura"
    copyright: str = "The Menura authors"
    information: str = "Menura, a message broker in Python"
    cluster_name: str = "menura@localhost"
    anonymous: bool = False
