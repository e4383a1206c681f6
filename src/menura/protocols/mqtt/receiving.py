"""The hot loop in: octets of one connection to runs of messages and ranges of answers.

Publishers repeat themselves. Messages one behind the other with the same flags, topic and properties become one run;
those that have the same length, too, are found by one comparison each. PUBACK packets in a row are one settlement. All
else falls through to `packets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core.content import END
from menura.protocols.mqtt import spec
from menura.protocols.mqtt.answering import pubacks
from menura.protocols.mqtt.errors import MqttError, malformed, violation
from menura.protocols.mqtt.packets import take_packet
from menura.protocols.mqtt.publishing import aliased, block_for, publish, resolve
from menura.protocols.mqtt.wire import read_varint

if TYPE_CHECKING:
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
    octets = data[body + 2 : topic_end]
    raw = b""
    payload = rest
    if session.version == spec.V5:
        size, payload = read_varint(data, rest, stop)
        payload += size
        if payload > stop:
            raise malformed("properties are cut short")
        if size > session.limits.properties_bytes_max:
            raise MqttError(spec.QUOTA_EXCEEDED, f"{size} octets of properties")
        raw = data[rest:payload]
    meant = octets
    if not octets or b"\x23" in raw:
        meant, raw = _meaning(session, octets, raw)
    target = session.targets.get(meant)
    if target is None or target.version != session.access.version:
        target = resolve(session, meant)
    block = block_for(session, target, first & 7, raw)

    # The packets that repeat this one but for identifier and payload.
    length = stop - at
    lead, between = data[at:topic_end], data[rest:payload]
    last = end - length
    startswith = data.startswith
    starts = [at]
    at = stop
    while at <= last and startswith(lead, at) and startswith(between, at + rest - starts[0]):
        starts.append(at)
        at += length
    ids: list[int] = []
    if qos:
        offset = topic_end - starts[0]
        ids = [data[start + offset] << 8 | data[start + offset + 1] for start in starts]
        if 0 in ids:
            raise violation("packet identifier 0")
    publish(session, target, first & 7, _contents(block, data, starts, payload - starts[0], length), ids)
    return at


def _meaning(session: Session, octets: bytes, raw: bytes) -> tuple[bytes, bytes]:
    """The topic and properties of a PUBLISH that may have an alias."""
    if not raw:
        raise MqttError(spec.TOPIC_NAME_INVALID, "an empty topic")
    return aliased(session, octets, raw)


def _contents(block: bytes, data: bytes, starts: list[int], offset: int, length: int) -> list[bytes]:
    """Packed messages (core.content) with payloads of one length, each at `offset` from its start."""
    size = length - offset
    header = b"".join(
        (b"\x02\x00\x01", (12 + len(block)).to_bytes(4, "big"), b"\x00\x3c\x00\x00", size.to_bytes(8, "big"), block)
    )
    if not size:
        return [header + END] * len(starts)
    header = b"".join((header, b"\xce\x03\x00\x01", size.to_bytes(4, "big")))
    return [b"".join((header, data[start + offset : start + length], END)) for start in starts]
