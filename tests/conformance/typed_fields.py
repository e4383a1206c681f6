"""Field tables whose values have the types a test gives them, and what a broker's own tables say, types and all.

A value is a pair of its type's letter on the wire and what it holds: `("I", 5)` is the integer 5 in 32 bits, `("l", 5)`
the same in 64. A codec that chooses the width of a number by its size cannot say the difference, and clients differ in
what they choose. Letters and layouts are those of RabbitMQ (https://www.rabbitmq.com/amqp-0-9-1-errata#section_3).
"""

from __future__ import annotations

import struct
from typing import Any

from pamqp import base, encode

Value = tuple[str, Any]
Table = dict[str, Value]

_PACKED = {
    "t": ">?", "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "f": ">f", "d": ">d",
    "T": ">Q", "D": ">Bi",
}  # fmt: skip
_LONG = "SxAF"


def encode_table(table: Table) -> bytes:
    """The entries of a table with their length."""
    entries = b"".join(bytes([len(name.encode())]) + name.encode() + _encode(*value) for name, value in table.items())
    return struct.pack(">I", len(entries)) + entries


def _encode(kind: str, value: Any) -> bytes:
    if kind in _PACKED:
        data = struct.pack(_PACKED[kind], *(value if kind == "D" else (value,)))
    elif kind == "V":
        data = b""
    elif kind == "F":
        data = encode_table(value)
    else:
        if kind == "A":
            value = b"".join(_encode(*item) for item in value)
        data = value if isinstance(value, bytes) else value.encode()
        data = struct.pack(">I", len(data)) + data
    return kind.encode() + data


def decode_table(data: bytes) -> Table:
    """A table given by its entries, without their length."""
    table: Table = {}
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        name = data[at + 1 : end].decode()
        table[name], at = _decode(data, end)
    return table


def _decode(data: bytes, at: int) -> tuple[Value, int]:
    kind, at = chr(data[at]), at + 1
    if kind in _PACKED:
        end = at + struct.calcsize(_PACKED[kind])
        values = struct.unpack(_PACKED[kind], data[at:end])
        return (kind, values if kind == "D" else values[0]), end
    if kind == "V":
        return (kind, None), at
    assert kind in _LONG, f"a field of type {kind!r}"
    start = at + 4
    end = start + int(struct.unpack_from(">I", data, at)[0])
    inside = data[start:end]
    if kind == "F":
        return (kind, decode_table(inside)), end
    if kind == "A":
        items, within = [], 0
        while within < len(inside):
            item, within = _decode(inside, within)
            items.append(item)
        return (kind, items), end
    return (kind, inside), end


def method_frame(channel: int, method: base.Frame) -> bytes:
    """A method's frame; its tables are typed."""
    data = struct.pack(">I", method.index)
    bits: list[bool] = []
    for name in method.__slots__:
        kind, value = method.amqp_type(name), getattr(method, name)
        if kind == "bit":
            bits.append(bool(value))
            continue
        data += _octets(bits)
        bits = []
        data += encode_table(value or {}) if kind == "table" else encode.by_type(value, kind)
    data += _octets(bits)
    return struct.pack(">BHI", 1, channel, len(data)) + data + b"\xce"


def _octets(bits: list[bool]) -> bytes:
    return bytes([sum(bit << at for at, bit in enumerate(bits))]) if bits else b""


# The properties of a message in the order of their flags, the highest first, with their types.
PROPERTIES = {
    "content_type": "short", "content_encoding": "short", "headers": "table", "delivery_mode": ">B", "priority": ">B",
    "correlation_id": "short", "reply_to": "short", "expiration": "short", "message_id": "short", "timestamp": ">Q",
    "message_type": "short", "user_id": "short", "app_id": "short", "cluster_id": "short",
}  # fmt: skip


def encode_properties(properties: dict[str, Any]) -> bytes:
    """Flags and values, as a content header has them."""
    flags, data = 0, b""
    for at, (name, kind) in enumerate(PROPERTIES.items()):
        if name not in properties:
            continue
        flags |= 0x8000 >> at
        value = properties[name]
        if kind == "table":
            data += encode_table(value)
        elif kind == "short":
            text = value.encode()
            data += bytes([len(text)]) + text
        else:
            data += struct.pack(kind, value)
    return struct.pack(">H", flags) + data


def decode_properties(data: bytes) -> dict[str, Any]:
    flags, at = struct.unpack_from(">H", data)[0], 2
    properties: dict[str, Any] = {}
    for index, (name, kind) in enumerate(PROPERTIES.items()):
        if not flags & 0x8000 >> index:
            continue
        if kind == "table":
            end = at + 4 + int(struct.unpack_from(">I", data, at)[0])
            properties[name] = decode_table(data[at + 4 : end])
        elif kind == "short":
            end = at + 1 + data[at]
            properties[name] = data[at + 1 : end].decode()
        else:
            end = at + struct.calcsize(kind)
            properties[name] = struct.unpack_from(kind, data, at)[0]
        at = end
    return properties
