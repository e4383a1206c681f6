"""What one connection or client may take, each with its unit in the name."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_BYTES = 129
"""The longest packet whose length is one octet: nothing more has to be looked at, if a packet may be so long."""


@dataclass(frozen=True, slots=True)
class MqttLimits:
    """Told to clients of version 5, or held against all of them."""

    handshake_seconds_max: int = 10
    # The first packet, before anybody is known.
    connect_bytes_max: int = 262144
    packet_bytes_max: int = 128 * 1024 * 1024
    # Any packet but CONNECT and PUBLISH: enough for thousands of filters.
    control_bytes_max: int = 1024 * 1024
    # Of a message: they have to fit, twice in the worst case, into what clients of other protocols take.
    properties_bytes_max: int = 32768
    # Both become names in the core, which have at most 255 octets.
    topic_bytes_max: int = 255
    client_id_bytes_max: int = 200
    # Clients of version 5 that ask for more are told this; 0 leaves them what they ask for.
    keep_alive_seconds_max: int = 60
    # Messages of QoS 2 that a client may have begun and not finished, and for version 5 those of QoS 1 too.
    receive_max: int = 1024
    # Messages of QoS 1 and 2 sent to a client and not finished, whatever more it would take.
    inflight_max: int = 2048
    topic_aliases_max: int = 32
    subscriptions_max: int = 10000
    # Retained messages, which are copied, that a client has asked for and not taken yet when it asks for more.
    retained_bytes_max: int = 128 * 1024 * 1024
    # Undelivered output of one connection above which its queues are not served.
    output_bytes_max: int = 1024 * 1024
    # Distinct topics a connection remembers.
    topics_max: int = 1024
    # Who comes without a name; empty: nobody may. Like any guest it must come from a loopback address.
    anonymous_user: str = "guest"
