"""Random conversations over MQTT, and ways to spoil them. Everything follows from the `Random` that is handed in.

Packets are valid one by one, in an order that often makes sense. The clients share a few identifiers, so that they take
each other over, and a few topics. A `quiet` conversation does not subscribe to what it publishes.
"""

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
    read_varint,
    subscribe,
    text,
    unsubscribe,
    varint,
    will,
)

TOPICS = ("a", "a", "a/b", "a//b", "/", "a.b/c", "*", "$x/y", "long/" * 40 + "end")
FILTERS = (
    *TOPICS, "#", "#", "+", "a/#", "+/b", "a/+/b", "$x/#", "$share/g/a/#", "$share/g/a/#", "$share/h/+", "a/#/b", "a+",
    "$share/g",
)  # fmt: skip
QUIET = ("own/a", "own/+", "own/#", "own//", "$share/g/own/#", "own/#/b", "o+", "$share/g", "own." * 30)
ONE = b"\x00\x01"
PROPERTIES = (
    b"", b"", b"", b"\x01\x01", b"\x02\x00\x00\x00\x02", b"\x03" + text("t"), b"\x08" + text("reply"),
    b"\x09" + text(b"\xff"), b"\x26" + text("n") + text("v"), (b"\x26" + text("n") + text("v")) * 40,
    b"\x26" + text("x-mqtt-qos") + text("9"), b"\x23\x00\x01", b"\x23\x00\x02", b"\x23\x00\x21", b"\x0b\x01",
)  # fmt: skip
EXPIRIES = (b"\x11\x00\x00\x00\x00", b"\x11\x00\x00\x00\x02", b"\x11\x00\x00\x00\x64", b"\x11\xff\xff\xff\xff")
CONNECTING = (
    b"\x21\x00\x03", b"\x22\x00\x02", b"\x27\x00\x00\x00\x28", b"\x17\x00", b"\x19\x01",
    b"\x26\x00\x01a\x00\x01b",
)  # fmt: skip
LASTING = (b"", b"", b"\x18\x00\x00\x00\x01", b"\x18\x00\x00\x00\x64", b"\x02\x00\x00\x00\x01", b"\x01\x01")
ENDINGS = (b"", b"\x00", b"\x04", b"\x00\x05\x11\x00\x00\x00\x02", b"\x00\x05\x11\x00\x00\x00\x00", b"\x80\x00")


def conversation(chance: Random, version: int, quiet: bool = False) -> list[bytes]:
    """Packets, the first of which is CONNECT."""
    most = chance.choice((3, 10, 40))
    return [_opening(chance, version), *[_said(chance, version, quiet) for _ in range(chance.randrange(most))]]


def _opening(chance: Random, version: int) -> bytes:
    v5 = version == V5
    found = b"".join(each for each in CONNECTING if chance.random() < 0.15)
    if chance.random() < 0.6:
        found += chance.choice(EXPIRIES)
    last = will(
        chance.choice(TOPICS), chance.randbytes(chance.choice((0, 3))), chance.randrange(3), chance.random() < 0.5,
        chance.choice(LASTING) if v5 else b"",
    )  # fmt: skip
    return connect(
        chance.choice("xyz") if chance.random() < 0.95 else "",
        version,
        clean=chance.random() < 0.4,
        keep_alive=chance.choice((0, 0, 2)),
        last=last if chance.random() < 0.5 else None,
        properties=found if v5 else b"",
    )


def _said(chance: Random, version: int, quiet: bool) -> bytes:
    """One thing a client may say."""
    v5 = version == V5
    id = chance.choice((1, 2, 3, 4, 5, 32768, 32769, 65535))
    kind = chance.random()
    if kind < 0.4:
        one = publish(
            chance.choice(TOPICS) if chance.random() < 0.95 else "",
            chance.randbytes(chance.choice((0, 1, 10, 200, 3000))),
            chance.randrange(3),
            id,
            retain=chance.random() < 0.3,
            version=version,
            properties=chance.choice(PROPERTIES) if v5 else b"",
        )
        return one * chance.choice((1, 1, 3))
    if kind < 0.55:
        options = [0, 1, 2] + ([0x05, 0x0A, 0x11, 0x22, 0x2E] if v5 else [])
        names = QUIET if quiet else FILTERS
        filters = [(chance.choice(names), chance.choice(options)) for _ in range(chance.choice((1, 1, 3)))]
        found = b"\x0b\x07" if v5 and chance.random() < 0.3 else b""
        return subscribe(*filters, id=id, version=version, properties=found)
    if kind < 0.62:
        return unsubscribe(chance.choice(QUIET if quiet else FILTERS), id=id, version=version)
    if kind < 0.78:
        ids = range(1, 1 + chance.choice((1, 3, 8)))
        steps = chance.choice(((puback,), (pubrec,), (pubcomp,), (pubrec, pubcomp)))
        return b"".join(step(id) for id in ids for step in steps)
    if kind < 0.95:
        answer = chance.choice((puback, pubrec, pubrel, pubcomp))
        ids = range(id, min(id + chance.choice((1, 1, 5)), 65536))
        code = pubrec(id, chance.choice((b"\x00", b"\x10", b"\x80", b"\x00\x00"))) if v5 else b""
        return code if code and chance.random() < 0.2 else b"".join(map(answer, ids))
    if kind < 0.98:
        return PINGREQ
    if kind < 0.99:
        return packet(0xE0, chance.choice(ENDINGS) if v5 else b"")
    return chance.choice((packet(0xF0), packet(0x20, b"\0\0"), _opening(chance, version), b"GET / HTTP/1.1\r\n\r\n"))


# -- spoiling ------------------------------------------------------------------------------------------------


def _flip(chance: Random, one: bytes) -> bytes:
    data = bytearray(one)
    for _ in range(chance.choice((1, 1, 2, 8))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _overwrite(chance: Random, one: bytes) -> bytes:
    at = chance.randrange(len(one))
    return one[:at] + chance.choice((b"\x00", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\x7f")) + one[at + 1 :]


def _cut(chance: Random, one: bytes) -> bytes:
    return one[: chance.randrange(len(one))]


def _split(one: bytes) -> tuple[bytes, bytes]:
    """The first octet, and what follows the length."""
    try:
        return one[:1], one[read_varint(one, 1)[1] :]
    except IndexError:
        return one[:1], b""


def _lie(chance: Random, one: bytes) -> bytes:
    """Another length than the true one."""
    first, body = _split(one)
    said = chance.choice((0, 1, len(body) - 1, len(body) + 1, len(body) + 2, 127, 128, 30_000, (1 << 28) - 1))
    return first + varint(max(said, 0)) + body


def _resize(chance: Random, one: bytes) -> bytes:
    """Other content, with a true length."""
    first, body = _split(one)
    data = bytearray(body)
    at = chance.randrange(len(data) + 1)
    if chance.random() < 0.5:
        del data[at : at + chance.choice((1, 2, 4, 100))]
    else:
        data[at:at] = chance.randbytes(chance.choice((1, 2, 4, 100)))
    return packet(first[0], bytes(data))


def _retype(chance: Random, one: bytes) -> bytes:
    return bytes((chance.randrange(256),)) + one[1:]


SPOIL = (_flip, _flip, _flip, _overwrite, _cut, _lie, _resize, _resize, _resize, _retype)


def spoiled(chance: Random, packets: list[bytes], first: int) -> list[bytes]:
    """The conversation with a few changes, none of them before packet `first`."""
    packets = list(packets)
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        if len(packets) <= first:
            break
        at, other = (chance.randrange(first, len(packets)) for _ in range(2))
        kind = chance.random()
        if kind < 0.75:
            if len(packets[at]) >= 2:
                packets[at] = chance.choice(SPOIL)(chance, packets[at])
        elif kind < 0.8:
            packets.insert(at, packets[other])
        elif kind < 0.85:
            packets[at], packets[other] = packets[other], packets[at]
        elif kind < 0.95:
            left, right = packets[at], packets[other]
            packets[at] = left[: chance.randrange(len(left) + 1)] + right[chance.randrange(len(right) + 1) :]
        else:
            packets.insert(at, chance.randbytes(chance.choice((1, 2, 7, 100, 5000))))
    return packets
