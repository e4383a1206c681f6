"""What one connection may take, each with its unit in the name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StompLimits:
    """Held against clients; nothing of this is negotiated."""

    # Command, headers and body together.
    frame_bytes_max: int = 4 * 1024 * 1024
    # Command and headers, up to the blank line; and the same before the login.
    head_bytes_max: int = 65536
    connect_bytes_max: int = 8192
    header_count_max: int = 256
    # One line: name, colon and value.
    header_bytes_max: int = 16384
    handshake_seconds_max: int = 10
    # Longest heart-beat interval that is kept; what a client asks beyond it is cut to it.
    heartbeat_seconds_max: int = 24 * 3600
    subscriptions_max: int = 4096
    transactions_max: int = 256
    # SEND, ACK and NACK frames in one transaction.
    transaction_frames_max: int = 65536
    # Undelivered output of one connection above which its subscriptions are not served.
    output_bytes_max: int = 1024 * 1024
    # Distinct SEND heads a connection's parser remembers, and the longest of them.
    sends_max: int = 2048
    remembered_bytes_max: int = 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """What the broker calls itself, and whom it lets in without a login."""

    server: str = "RabbitMQ/4.2.0"
    vhost: str = "/"
    """The virtual host of a client that names none."""
    anonymous: bool = False
    """A client without `login`, from this machine, is the user guest."""
