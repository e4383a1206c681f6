"""MQTT 3.1.1 as a load generator needs it: whole packets, encoded ahead.

A client's codec, apart from the broker's own on purpose, as `wire` is. Decoding is limited to where a packet of the
handshake ends; what a subscriber gets is compared with what was sent, octet by octet, instead of being parsed.
"""

import struct
from collections.abc import Sequence

CONNACK, SUBACK = 0x20, 0x90
PUBACK_BYTES = 4
PUBACK_HEAD = b"\x40\x02"
DISCONNECT = b"\xe0\x00"
REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it refuses the client identifier",
    3: "it is unavailable",
    4: "wrong user name or password",
    5: "not authorized",
}


def varint(value: int) -> bytes:
    """A remaining length (section 2.2.3)."""
    octets = bytearray()
    while value > 127:
        octets.append(value & 127 | 128)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + varint(len(body)) + body


def text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def connect(client_id: str, user: str, password: str, *, clean: bool = True) -> bytes:
    """Without keep alive: a silent connection stays."""
    flags = 0xC0 | clean << 1
    body = text("MQTT") + bytes((4, flags, 0, 0)) + text(client_id) + text(user) + text(password)
    return packet(0x10, body)


def subscribe(filter: str, qos: int, id: int = 1) -> bytes:
    return packet(0x82, id.to_bytes(2, "big") + text(filter) + bytes((qos,)))


def publish(topic: str, body: bytes, qos: int = 0, id: int = 0) -> bytes:
    return packet(0x30 | qos << 1, text(topic) + (id.to_bytes(2, "big") if qos else b"") + body)


def id_offset(topic: str, body_bytes: int) -> int:
    """Where the packet identifier stands in a PUBLISH of QoS 1 or 2."""
    named = len(text(topic))
    return 1 + len(varint(named + 2 + body_bytes)) + named


def pubacks(ids: Sequence[bytes]) -> bytes:
    """A PUBACK for each encoded identifier."""
    return PUBACK_HEAD + PUBACK_HEAD.join(ids) if ids else b""


def size_of(head: bytes) -> int | None:
    """How long the packet is that begins with `head`; None if its length is cut short."""
    value = shift = 0
    for at, octet in enumerate(head[1:5], 2):
        value |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            return at + value
    return None


def numbered(body_bytes: int, count: int) -> list[bytes]:
    """Bodies of one length, each with its own number."""
    return [(b"%08d" % number).ljust(body_bytes, b"x")[:body_bytes] for number in range(count)]


def delivery_layout(topic: str, body_bytes: int) -> struct.Struct:
    """A delivery of QoS 1 as its three parts: what stands before the identifier, that, and the body."""
    return struct.Struct(f">{id_offset(topic, body_bytes)}s2s{body_bytes}s")
