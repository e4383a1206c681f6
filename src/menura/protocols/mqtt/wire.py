"""Packets: octets to values and back.

A packet is its first octet (type and flags), its length as a varint, and a body. Bodies are decoded here by functions
of (body, version), each of which raises MqttError and looks at each octet once. PUBLISH, being most of the traffic, is
cut in `receiving` and put together in `delivery`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from menura.protocols.mqtt import spec
from menura.protocols.mqtt.errors import MqttError, malformed, violation

Properties = dict[str, Any]
"""By name; `user_property` is a list of pairs, `subscription_identifier` a list of numbers."""
REPEATABLE = frozenset(("user_property", "subscription_identifier"))
NO_PROPERTIES: Properties = {}


# -- elements ------------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    """A variable byte integer (section 1.5.5)."""
    if number < 128:
        return bytes((number,))
    octets = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        if not number:
            octets.append(low)
            return bytes(octets)
        octets.append(low | 0x80)


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number and the position after it."""
    number = 0
    for shift in (0, 7, 14, 21):
        if at >= end:
            raise malformed("a variable byte integer is cut short")
        octet = data[at]
        at += 1
        number |= (octet & 0x7F) << shift
        if octet < 128:
            if not octet and shift:
                raise malformed("a variable byte integer is longer than it has to be")
            return number, at
    raise malformed("a variable byte integer of more than four octets")


def read_number(data: bytes, at: int, end: int, size: int) -> tuple[int, int]:
    if at + size > end:
        raise malformed("a number is cut short")
    return int.from_bytes(data[at : at + size], "big"), at + size


def read_binary(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    size, at = read_number(data, at, end, 2)
    if at + size > end:
        raise malformed("a string is cut short")
    return data[at : at + size], at + size


def read_text(data: bytes, at: int, end: int) -> tuple[str, int]:
    octets, at = read_binary(data, at, end)
    return text_of(octets), at


def text_of(octets: bytes) -> str:
    """UTF-8 without surrogates and U+0000 (section 1.5.4)."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise malformed("text that is not UTF-8") from None
    if "\0" in text:
        raise malformed("text with U+0000")
    return text


def binary(octets: bytes) -> bytes:
    return len(octets).to_bytes(2, "big") + octets


# -- properties ----------------------------------------------------------------------------------------------


def read_properties(data: bytes, at: int, end: int, packet: int) -> tuple[Properties, int]:
    """The properties whose length stands at `at`, and the position after them."""
    size, at = read_varint(data, at, end)
    stop = at + size
    if stop > end:
        raise malformed("properties are cut short")
    if not size:
        return NO_PROPERTIES, stop
    found: Properties = {}
    while at < stop:
        id, at = read_varint(data, at, stop)
        row = spec.PROPERTY_BY_ID.get(id)
        if row is None or packet not in row.packets:
            raise malformed(f"property {id:#04x} has no place in this packet")
        value, at = _read_value(row.kind, data, at, stop)
        _check_value(row.name, value)
        if row.name in REPEATABLE:
            found.setdefault(row.name, []).append(value)
        elif row.name in found:
            raise violation(f"{row.name} stands there twice")
        else:
            found[row.name] = value
    return found, stop


def _read_value(kind: str, data: bytes, at: int, end: int) -> tuple[Any, int]:
    if kind == spec.BYTE:
        return read_number(data, at, end, 1)
    if kind == spec.TWO:
        return read_number(data, at, end, 2)
    if kind == spec.FOUR:
        return read_number(data, at, end, 4)
    if kind == spec.VARINT:
        return read_varint(data, at, end)
    if kind == spec.TEXT:
        return read_text(data, at, end)
    if kind == spec.BINARY:
        return read_binary(data, at, end)
    name, at = read_text(data, at, end)
    value, at = read_text(data, at, end)
    return (name, value), at


def _check_value(name: str, value: Any) -> None:
    if name in spec.FLAG_PROPERTIES and value > 1:
        raise violation(f"{name} is {value}, not 0 or 1")
    if name in spec.POSITIVE_PROPERTIES and not value:
        raise violation(f"{name} is 0")


def properties(values: Properties) -> bytes:
    """Encoded, with their length in front."""
    octets = encode_properties(values)
    return varint(len(octets)) + octets


def encode_properties(values: Properties) -> bytes:
    """Encoded, without their length."""
    parts: list[bytes] = []
    for name, value in values.items():
        row = spec.PROPERTY_BY_NAME[name]
        for each in value if name in REPEATABLE else (value,):
            parts += (bytes((row.id,)), _value(row.kind, each))
    return b"".join(parts)


def _value(kind: str, value: Any) -> bytes:
    if kind == spec.BYTE:
        return bytes((value,))
    if kind == spec.TWO:
        return int(value).to_bytes(2, "big")
    if kind == spec.FOUR:
        return int(value).to_bytes(4, "big")
    if kind == spec.VARINT:
        return varint(value)
    if kind == spec.TEXT:
        return binary(value.encode())
    if kind == spec.BINARY:
        return binary(value)
    return binary(value[0].encode()) + binary(value[1].encode())


# -- packets from the client ---------------------------------------------------------------------------------


class Will(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Properties


class Connect(NamedTuple):
    version: int
    clean: bool
    keep_alive_seconds: int
    client_id: str
    will: Will | None
    user: str | None
    password: bytes | None
    properties: Properties


def version_of(data: bytes) -> int:
    """The version of a CONNECT whose rest may be wrong; 0 if there is no such version."""
    end = 2 + (data[0] << 8 | data[1]) if len(data) > 2 else 0
    return spec.LEVELS.get((data[2:end], data[end]), 0) if end < len(data) else 0


def read_connect(data: bytes) -> Connect:
    """Section 3.1. An unknown protocol name is answered with nothing: whoever it is does not speak this."""
    end = len(data)
    name, at = read_binary(data, 0, end)
    if name not in spec.NAMES:
        raise MqttError(spec.UNSPECIFIED_ERROR, f"unknown protocol {name[:20]!r}")
    level, at = read_number(data, at, end, 1)
    version = spec.LEVELS.get((name, level))
    if version is None:
        raise MqttError(spec.UNSUPPORTED_PROTOCOL_VERSION, f"protocol level {level} of {name!r}")
    flags, at = read_number(data, at, end, 1)
    qos = flags >> 3 & 3
    if version == spec.V3_1 and not flags & 4:
        flags, qos = flags & ~0x38, 0  # version 3.1 has nothing against flags that are not used
    if (flags & 1 and version != spec.V3_1) or qos == 3 or (not flags & 4 and flags & 0x38):
        raise malformed(f"connect flags {flags:#04x}")
    if version != spec.V5 and flags & 0x40 and not flags & 0x80:
        raise malformed("a password without a user name")
    keep_alive, at = read_number(data, at, end, 2)
    found, will_properties = NO_PROPERTIES, NO_PROPERTIES
    if version == spec.V5:
        found, at = read_properties(data, at, end, spec.CONNECT)
    client_id, at = read_text(data, at, end)
    will = user = password = None
    if flags & 4:
        if version == spec.V5:
            will_properties, at = read_properties(data, at, end, spec.WILL)
        topic, at = read_text(data, at, end)
        payload, at = read_binary(data, at, end)
        will = Will(topic, payload, qos, bool(flags & 0x20), will_properties)
    if flags & 0x80:
        user, at = read_text(data, at, end)
    if flags & 0x40:
        password, at = read_binary(data, at, end)
    _check_end(at, end)
    return Connect(version, bool(flags & 2), keep_alive, client_id, will, user, password, found)


class Subscribe(NamedTuple):
    """`filters` are pairs of a filter and its octet of options."""

    id: int
    filters: list[tuple[str, int]]
    properties: Properties


def read_subscribe(data: bytes, version: int) -> Subscribe:
    """Section 3.8."""
    id, found, at = _read_head(data, version, spec.SUBSCRIBE)
    end = len(data)
    filters = []
    options_mask = 0x3F if version == spec.V5 else 0x03
    while at < end:
        filter, at = read_text(data, at, end)
        options, at = read_number(data, at, end, 1)
        if options & ~options_mask:
            raise malformed(f"subscription options {options:#04x}")
        if options & 3 == 3 or options >> 4 & 3 == 3:
            raise violation("QoS or retain handling 3")
        filters.append((filter, options))
    if not filters:
        raise violation("a subscription to nothing")
    return Subscribe(id, filters, found)


class Unsubscribe(NamedTuple):
    id: int
    filters: list[str]


def read_unsubscribe(data: bytes, version: int) -> Unsubscribe:
    """Section 3.10."""
    id, _, at = _read_head(data, version, spec.UNSUBSCRIBE)
    filters = []
    while at < len(data):
        filter, at = read_text(data, at, len(data))
        filters.append(filter)
    if not filters:
        raise violation("nothing to unsubscribe from")
    return Unsubscribe(id, filters)


def _read_head(data: bytes, version: int, packet: int) -> tuple[int, Properties, int]:
    id, at = read_number(data, 0, len(data), 2)
    if not id:
        raise violation("packet identifier 0")
    found = NO_PROPERTIES
    if version == spec.V5:
        found, at = read_properties(data, at, len(data), packet)
    if len(found.get("subscription_identifier", ())) > 1:
        raise violation("subscription_identifier stands there twice")
    return id, found, at


def read_answer(data: bytes, version: int, packet: int) -> tuple[int, int]:
    """Packet identifier and reason code of PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4 to 3.7)."""
    end = len(data)
    id, at = read_number(data, 0, end, 2)
    code = 0
    if version == spec.V5 and at < end:
        code, at = read_number(data, at, end, 1)
        if at < end:
            _, at = read_properties(data, at, end, packet)
    _check_end(at, end)
    if not id:
        raise violation("packet identifier 0")
    _check_code(code, packet)
    return id, code


def read_disconnect(data: bytes, version: int, packet: int = spec.DISCONNECT) -> tuple[int, Properties]:
    """Reason code and properties of DISCONNECT or AUTH (sections 3.14 and 3.15)."""
    if version != spec.V5:
        _check_end(0, len(data))
    if not data:
        return 0, NO_PROPERTIES
    _check_code(data[0], packet)
    if len(data) == 1:
        return data[0], NO_PROPERTIES
    found, at = read_properties(data, 1, len(data), packet)
    _check_end(at, len(data))
    return data[0], found


def _check_code(code: int, packet: int) -> None:
    if code not in spec.CODES[packet]:
        raise violation(f"reason code {code:#04x}")


def _check_end(at: int, end: int) -> None:
    if at != end:
        raise malformed(f"{end - at} octets too many")


# -- packets from the broker ---------------------------------------------------------------------------------


def packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return b"".join((bytes((first,)), varint(len(body)), body))


def connack(version: int, code: int, present: bool, found: Properties) -> bytes:
    """`code` is of the version."""
    if version == spec.V5:
        return packet(0x20, bytes((present, code)), properties(found))
    return bytes((0x20, 2, present and version == spec.V3_1_1, code))


def answer(kind: int, id: int, code: int = 0) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP; a code is for version 5 only."""
    first = kind << 4 | (2 if kind == spec.PUBREL else 0)
    if code:
        return bytes((first, 3, id >> 8, id & 0xFF, code))
    return bytes((first, 2, id >> 8, id & 0xFF))


def suback(version: int, id: int, codes: list[int]) -> bytes:
    if version == spec.V5:
        return packet(0x90, id.to_bytes(2, "big"), b"\0", bytes(codes))
    return packet(0x90, id.to_bytes(2, "big"), bytes(code if code < 3 else 0x80 for code in codes))


def unsuback(version: int, id: int, codes: list[int]) -> bytes:
    if version == spec.V5:
        return packet(0xB0, id.to_bytes(2, "big"), b"\0", bytes(codes))
    return packet(0xB0, id.to_bytes(2, "big"))


def disconnect(code: int, text: str = "") -> bytes:
    if not text:
        return packet(0xE0, bytes((code,)))
    return packet(0xE0, bytes((code,)), properties({"reason_string": text}))


PINGRESP = b"\xd0\x00"
