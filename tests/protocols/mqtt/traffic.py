"""Random conversations of a client, and ways to spoil them."""

from __future__ import annotations

from random import Random

from tests.protocols.mqtt.peer import (
    PINGREQ,
    V5,
    connect,
    packet,
    puback,
    pubcomp,
    publish,
    pubrec,
    pubrel,
    subscribe,
    text,
    unsubscribe,
    will,
)

TOPICS = ("a", "a/b", "a//b", "/", "a.b/c", "*", "$x/y", "long/" * 40 + "end")
FILTERS = (*TOPICS, "#", "+", "a/#", "+/b", "a/+/b", "$x/#", "$share/g/a/#", "$share/h/+", "a/#/b", "a+", "$share/g")
PROPERTIES = (
    b"",
    b"",
    b"\x01\x01",
    b"\x02\x00\x00\x00\x02",
    b"\x03" + text("t"),
    b"\x08" + text("reply"),
    b"\x09" + text(b"\xff"),
    b"\x26" + text("n") + text("v"),
    b"\x23\x00\x01",
)


def conversation(chance: Random, version: int) -> list[bytes]:
    """Packets, the first of which is CONNECT."""
    last = will(chance.choice(TOPICS), b"bye", chance.randrange(3), chance.random() < 0.5)
    found = b"\x11" + chance.choice((0, 1, 100)).to_bytes(4, "big") if chance.random() < 0.5 else b""
    if chance.random() < 0.3:
        found += b"\x21\x00\x03"
    if chance.random() < 0.3:
        found += b"\x22\x00\x02"
    opening = connect(
        chance.choice("xyz"),
        version,
        clean=chance.random() < 0.5,
        keep_alive=chance.choice((0, 2)),
        last=last if chance.random() < 0.5 else None,
        properties=found if version == V5 else b"",
    )
    return [opening, *[_packet(chance, version) for _ in range(chance.randrange(40))]]


def _packet(chance: Random, version: int) -> bytes:
    id = chance.randrange(1, 5)
    kind = chance.randrange(12)
    if kind < 5:
        qos = chance.randrange(3)
        found = chance.choice(PROPERTIES) if version == V5 else b""
        one = publish(
            chance.choice(TOPICS),
            bytes(chance.choice((0, 1, 10, 200))),
            qos,
            id,
            retain=chance.random() < 0.3,
            version=version,
            properties=found,
        )
        return one * chance.choice((1, 1, 3))
    if kind < 7:
        options = [0, 1, 2] + ([0x05, 0x0A, 0x11, 0x22] if version == V5 else [])
        return subscribe((chance.choice(FILTERS), chance.choice(options)), id=id, version=version)
    if kind == 7:
        return unsubscribe(chance.choice(FILTERS), id=id, version=version)
    if kind == 8:
        return chance.choice((puback, pubrec))(id)
    if kind == 9:
        return pubrel(id)
    if kind == 10:
        return pubcomp(id)
    return chance.choice((PINGREQ, packet(0xE0))) if chance.random() < 0.3 else PINGREQ


def spoiled(chance: Random, octets: bytes) -> bytes:
    """The same with something wrong in it."""
    data = bytearray(octets)
    for _ in range(chance.choice((0, 1, 1, 5))):
        at = chance.randrange(len(data))
        how = chance.randrange(4)
        if how == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            data[at] = chance.choice((0, 0x7F, 0x80, 0xFF))
        elif how == 2:
            del data[at : at + chance.randrange(1, 9)]
        else:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        if not data:
            return b""
    return bytes(data)


def pieces(chance: Random, octets: bytes) -> list[bytes]:
    """As reads could bring it."""
    size = chance.choice((1, 7, 64, 4096))
    return [octets[at : at + size] for at in range(0, len(octets), size)]
