"""The hot loop in: octets of one connection to runs of messages and ranges of answers.

Publishers repeat themselves. What stands before the body of a PUBLISH, less its packet identifier, is a key of
`session.learned`: what it means is worked out once. Messages one behind the other for which it is the same become one
run, found by one comparison each. PUBACK packets in a row are one settlement. All else falls through to `packets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.content import END, opening, pack
from menura.protocols.mqtt import spec
from menura.protocols.mqtt.answering import pubacks
from menura.protocols.mqtt.errors import MqttError, malformed, violation
from menura.protocols.mqtt.packets import take_packet
from menura.protocols.mqtt.publishing import aliased, block_for, publish, resolve
from menura.protocols.mqtt.wire import read_varint

if TYPE_CHECKING:
    from menura.protocols.mqtt.publishing import Target
    from menura.protocols.mqtt.session import Session

_PUBACK = b"\x40\x02"


def receive_packets(session: Session, data: bytes) -> int:
    """Carry out the whole packets at the start of `data`; the number of octets used up. Raises MqttError."""
    at = 0
    end = len(data)
    while end - at >= 2:
        if session.closing or session.shunned or session.leaving:
            return end
        first = data[at]
        body = at + 2
        stop = body + data[at + 1]
        if stop - at > session.short_bytes_max or stop > end:
            body, stop = _extent(session, data, at, end)
        if not session.connected and first != 0x10:
            raise violation(f"a first packet of {first:#04x}, not CONNECT")
        if stop > end:
            session.needed_bytes = (stop if body else end + 1) - at
            return at
        if first >> 4 == spec.PUBLISH:
            at = _publishes(session, data, at, body, stop, end)
        elif data.startswith(_PUBACK, at):
            at = _pubacks(session, data, at, end)
        else:
            take_packet(session, first, data[body:stop])
            at = stop
    session.needed_bytes = 2
    return at


def _extent(session: Session, data: bytes, at: int, end: int) -> tuple[int, int]:
    """Where the body of the packet at `at` begins and ends; (0, beyond the end) if its length has not arrived."""
    size = data[at + 1]
    body = at + 2
    if size > 127:
        shift = 0
        size = 0
        body = at + 1
        while True:
            if shift > 21:
                raise malformed("a length of more than four octets")
            if body >= end:
                return 0, end + 1
            octet = data[body]
            body += 1
            size |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                break
        if not octet:
            raise malformed("a length longer than it has to be")
    if size + body - at > session.packet_bytes_max:
        raise MqttError(spec.PACKET_TOO_LARGE, f"a packet of {size + body - at} octets")
    return body, body + size


def _pubacks(session: Session, data: bytes, at: int, end: int) -> int:
    """Take the successful PUBACKs that begin at `at`; where they end."""
    ids = []
    while at + 4 <= end and data.startswith(_PUBACK, at):
        ids.append(data[at + 2] << 8 | data[at + 3])
        at += 4
    if 0 in ids:
        raise violation("packet identifier 0")
    pubacks(session, ids)
    return at


def _publishes(session: Session, data: bytes, at: int, body: int, stop: int, end: int) -> int:
    """Take the PUBLISH packets that begin at `at`, for as long as they are of one run; where they end.

    The first one has arrived, and its body lies from `body` to `stop`.
    """
    first = data[at]
    qos = first >> 1 & 3
    if qos == 3 or (not qos and first & 8):
        raise malformed(f"flags {first & 15:#x} of PUBLISH")
    topic_end = body + 2 + (data[body] << 8 | data[body + 1]) if stop - body >= 2 else stop + 1
    rest = topic_end + (2 if qos else 0)
    if rest > stop:
        raise malformed("a PUBLISH is cut short")
    payload = rest
    if session.version == spec.V5:
        size, payload = read_varint(data, rest, stop)
        payload += size
        if payload > stop:
            raise malformed("properties are cut short")
        if size > session.limits.properties_bytes_max:
            raise MqttError(spec.QUOTA_EXCEEDED, f"{size} octets of properties")

    lead, between = data[at:topic_end], data[rest:payload]
    learned = session.learned.get(lead + between)
    if learned is None or learned[0].version != session.access.version:
        learned = _learn(session, lead, between, data[body + 2 : topic_end], stop - payload)
    target, beginning = learned
    closing = END if payload < stop else b""
    contents = [b"".join((beginning, data[payload:stop], closing))]
    ids = [data[topic_end] << 8 | data[topic_end + 1]] if qos else []

    # The packets that repeat this one but for identifier and payload.
    length = stop - at
    last = end - length
    if stop <= last:
        startswith = data.startswith
        while stop <= last and startswith(lead, stop) and startswith(between, stop + rest - at):
            topic_end += length
            payload += length
            stop += length
            contents.append(b"".join((beginning, data[payload:stop], closing)))
            if qos:
                ids.append(data[topic_end] << 8 | data[topic_end + 1])
    if 0 in ids:
        raise violation("packet identifier 0")
    publish(session, target, first & 7, contents, ids)
    return stop


def _learn(session: Session, lead: bytes, between: bytes, octets: bytes, body_bytes: int) -> tuple[Target, bytes]:
    """Where messages go that begin like this, and how they begin packed; remembered, if it will be the same again.

    `octets` is the topic as it came.
    """
    meant, raw = octets, between
    if not octets or b"\x23" in raw:
        meant, raw = _meaning(session, octets, raw)
    target = session.targets.get(meant)
    if target is None or target.version != session.access.version:
        target = resolve(session, meant)
    flags = lead[0] & 7
    block = block_for(session, target, flags, raw)
    learned = target, opening(block, body_bytes) if body_bytes else pack(block, b"")
    if raw is between and (flags, raw) in target.blocks and meant in session.targets:
        if len(session.learned) >= session.limits.topics_max:
            session.learned.clear()
        session.learned[lead + between] = learned
    return learned


def _meaning(session: Session, octets: bytes, raw: bytes) -> tuple[bytes, bytes]:
    """The topic and properties of a PUBLISH that may have an alias."""
    if not raw:
        raise MqttError(spec.TOPIC_NAME_INVALID, "an empty topic")
    return aliased(session, octets, raw)
