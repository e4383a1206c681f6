"""A client in memory, at the other end of a `Session`: octets in, octets out, and a clock that is a number.

Packets of the client are written here, and those of the broker read here, by code of the tests' own, so that a mistake
of the broker's codec cannot cancel itself out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.protocols.memory import End, make_node

from menura.core.node import Node
from menura.core.peers import Peer as Address
from menura.protocols.mqtt.limits import MqttLimits
from menura.protocols.mqtt.session import Session
from menura.store.memory import MemoryCatalog, MemoryJournal

V3_1, V3_1_1, V5 = 3, 4, 5
NAMES = {
    1: "CONNECT", 2: "CONNACK", 3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 8: "SUBSCRIBE",
    9: "SUBACK", 10: "UNSUBSCRIBE", 11: "UNSUBACK", 12: "PINGREQ", 13: "PINGRESP", 14: "DISCONNECT", 15: "AUTH",
}  # fmt: skip
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


# -- packets of the client -----------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    octets = []
    while True:
        number, low = divmod(number, 128)
        octets.append(low | (128 if number else 0))
        if not number:
            return bytes(octets)


def text(value: str | bytes) -> bytes:
    octets = value.encode() if isinstance(value, str) else value
    return len(octets).to_bytes(2, "big") + octets


def packet(first: int, body: bytes = b"") -> bytes:
    return bytes((first,)) + varint(len(body)) + body


def props(octets: bytes = b"") -> bytes:
    return varint(len(octets)) + octets


def will(topic: str, payload: bytes = b"", qos: int = 0, retain: bool = False, properties: bytes = b"") -> Any:
    return topic, payload, qos, retain, properties


def connect(
    client_id: str = "",
    version: int = V5,
    *,
    clean: bool = True,
    keep_alive: int = 0,
    user: str | None = "guest",
    password: bytes | None = b"guest",
    last: Any = None,
    properties: bytes = b"",
) -> bytes:
    flags = clean << 1 | (user is not None) << 7 | (password is not None) << 6
    if last is not None:
        flags |= 4 | last[2] << 3 | last[3] << 5
    name = "MQIsdp" if version == V3_1 else "MQTT"
    parts = [text(name), bytes((version, flags)), keep_alive.to_bytes(2, "big")]
    if version == V5:
        parts.append(props(properties))
    parts.append(text(client_id))
    if last is not None:
        if version == V5:
            parts.append(props(last[4]))
        parts += [text(last[0]), text(last[1])]
    if user is not None:
        parts.append(text(user))
    if password is not None:
        parts.append(text(password))
    return packet(0x10, b"".join(parts))


def publish(
    topic: str,
    payload: bytes = b"x",
    qos: int = 0,
    id: int = 1,
    *,
    retain: bool = False,
    dup: bool = False,
    version: int = V5,
    properties: bytes = b"",
) -> bytes:
    parts = [text(topic)]
    if qos:
        parts.append(id.to_bytes(2, "big"))
    if version == V5:
        parts.append(props(properties))
    return packet(0x30 | dup << 3 | qos << 1 | retain, b"".join(parts) + payload)


def subscribe(*filters: tuple[str, int] | str, id: int = 1, version: int = V5, properties: bytes = b"") -> bytes:
    """Filters, each with its options (QoS 1 where there is no more than a filter)."""
    parts = [id.to_bytes(2, "big")]
    if version == V5:
        parts.append(props(properties))
    for each in filters:
        name, options = (each, 1) if isinstance(each, str) else each
        parts += [text(name), bytes((options,))]
    return packet(0x82, b"".join(parts))


def unsubscribe(*filters: str, id: int = 1, version: int = V5) -> bytes:
    head = id.to_bytes(2, "big") + (props() if version == V5 else b"")
    return packet(0xA2, head + b"".join(map(text, filters)))


def puback(id: int) -> bytes:
    return packet(0x40, id.to_bytes(2, "big"))


def pubrec(id: int, code: bytes = b"") -> bytes:
    return packet(0x50, id.to_bytes(2, "big") + code)


def pubrel(id: int) -> bytes:
    return packet(0x62, id.to_bytes(2, "big"))


def pubcomp(id: int) -> bytes:
    return packet(0x70, id.to_bytes(2, "big"))


# -- packets of the broker -----------------------------------------------------------------------------------


class Packet(NamedTuple):
    """`properties` by identifier: a list of values each, pairs as tuples. `code` is the last or only reason code."""

    name: str
    first: int
    id: int = 0
    code: int = 0
    codes: tuple[int, ...] = ()
    topic: str = ""
    payload: bytes = b""
    properties: Mapping[int, list[Any]] = MappingProxyType({})

    @property
    def qos(self) -> int:
        return self.first >> 1 & 3

    @property
    def retain(self) -> bool:
        return bool(self.first & 1)

    @property
    def dup(self) -> bool:
        return bool(self.first & 8)


def read_varint(octets: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        octet = octets[at]
        at += 1
        number |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            return number, at


_SIZES = {0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1,
          0x29: 1, 0x2A: 1}  # fmt: skip
_TEXTS = (0x03, 0x08, 0x12, 0x1A, 0x1C, 0x1F)


def read_text(octets: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(octets[at : at + 2], "big")
    assert end <= len(octets)
    return octets[at + 2 : end], end


def read_props(octets: bytes, at: int) -> tuple[dict[int, list[Any]], int]:
    size, at = read_varint(octets, at)
    end = at + size
    found: dict[int, list[Any]] = {}
    value: Any
    while at < end:
        id = octets[at]
        at += 1
        if id in _SIZES:
            value, at = int.from_bytes(octets[at : at + _SIZES[id]], "big"), at + _SIZES[id]
        elif id == 0x0B:
            value, at = read_varint(octets, at)
        elif id == 0x26:
            name, at = read_text(octets, at)
            content, at = read_text(octets, at)
            value = (name.decode(), content.decode())
        else:
            value, at = read_text(octets, at)
            value = value.decode() if id in _TEXTS else value
        found.setdefault(id, []).append(value)
    assert at == end
    return found, end


def read_packet(first: int, body: bytes, version: int) -> Packet:
    kind = first >> 4
    name = NAMES[kind]
    v5 = version == V5
    if kind == 2:
        found = read_props(body, 2)[0] if v5 and len(body) > 2 else {}
        return Packet(name, first, code=body[1], codes=(body[0],), properties=found)
    if kind == 3:
        topic, at = read_text(body, 0)
        id = 0
        if first & 6:
            id, at = int.from_bytes(body[at : at + 2], "big"), at + 2
            assert id
        found, at = read_props(body, at) if v5 else ({}, at)
        return Packet(name, first, id, topic=topic.decode(), payload=body[at:], properties=found)
    if kind in (4, 5, 6, 7):
        return Packet(name, first, int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0)
    if kind in (9, 11):
        found, at = read_props(body, 2) if v5 else ({}, 2)
        codes = tuple(body[at:])
        return Packet(name, first, int.from_bytes(body[:2], "big"), codes[-1] if codes else 0, codes, properties=found)
    if kind == 14:
        found = read_props(body, 1)[0] if len(body) > 1 else {}
        return Packet(name, first, code=body[0] if body else 0, properties=found)
    assert kind == 13, name
    assert not body
    return Packet(name, first)


class Packets:
    """Cuts what a broker says into packets."""

    def __init__(self, version: int = V5) -> None:
        self.version = version
        self.octets = b""

    def feed(self, octets: bytes) -> list[Packet]:
        octets = self.octets + octets
        found = []
        at = 0
        while len(octets) - at >= 2:
            try:
                size, body = read_varint(octets, at + 1)
            except IndexError:
                break
            if body + size > len(octets):
                break
            found.append(read_packet(octets[at], octets[body : body + size], self.version))
            at = body + size
        self.octets = octets[at:]
        return found


# -- a client ------------------------------------------------------------------------------------------------


class Peer(End):
    """One session and what it has said so far."""

    session: Session

    def __init__(self, node: Node | None = None, limits: MqttLimits | None = None, **settings: Any) -> None:
        now = settings.pop("now", 100.0)
        self.packets = Packets()
        self.version = V5
        super().__init__(node, Address("memory", **settings), now, lambda around: Session(around, limits))

    def decode(self, octets: bytes) -> list[Packet]:
        return self.packets.feed(octets)

    def open(self, client_id: str = "c", version: int = V5, **settings: Any) -> Packet:
        """Connect; the CONNACK."""
        self.version = self.packets.version = version
        answers = self.send(connect(client_id, version, **settings))
        assert answers, "no CONNACK"
        assert answers[0].name == "CONNACK"
        self.early = answers[1:]
        return answers[0]

    def connect(self, client_id: str = "c", version: int = V5, **settings: Any) -> Peer:
        assert self.open(client_id, version, **settings).code == 0
        return self

    def subscribe(self, *filters: tuple[str, int] | str, **settings: Any) -> list[Packet]:
        """Subscribe; whatever comes after the SUBACK."""
        answers = self.send(subscribe(*filters, version=self.version, **settings))
        assert answers[0].name == "SUBACK"
        assert max(answers[0].codes) < 3, answers[0]
        return answers[1:]

    def publish(self, topic: str, payload: bytes = b"x", qos: int = 0, id: int = 1, **settings: Any) -> list[Packet]:
        return self.send(publish(topic, payload, qos, id, version=self.version, **settings))

    def lose(self) -> None:
        """The socket breaks."""
        self.session.lost()

    def tick(self, seconds: float) -> list[Packet]:
        """Let time pass."""
        self.pass_time(seconds)
        return self.take()


def names(packets: list[Packet]) -> list[str]:
    return [each.name for each in packets]


def payloads(packets: list[Packet]) -> list[bytes]:
    return [each.payload for each in packets if each.name == "PUBLISH"]


class Life:
    """A node that is kept in memory, and its next lives."""

    def __init__(self, catalog: MemoryCatalog | None = None, journal: MemoryJournal | None = None) -> None:
        self.catalog = catalog or MemoryCatalog()
        self.journal = journal or MemoryJournal()
        self.node = make_node(self.journal, self.catalog)

    def flush(self) -> None:
        self.catalog.flush()
        self.journal.flush()

    def next(self) -> Life:
        """As after a crash that lost nothing that was written."""
        return Life(self.catalog, self.journal)

    def peer(self, client_id: str = "c", version: int = V5, **settings: Any) -> Peer:
        """A connected client."""
        peer = Peer(self.node)
        peer.version = peer.packets.version = version
        peer.feed(connect(client_id, version, **settings))
        self.flush()
        answers = peer.take()
        assert answers[0].name == "CONNACK", answers
        assert answers[0].code == 0
        peer.early = answers
        return peer

    def tell(self, peer: Peer, *pieces: bytes) -> list[Packet]:
        """Send, let the disk catch up, and see what comes."""
        peer.feed(*pieces)
        self.flush()
        return peer.take()
