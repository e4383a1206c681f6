"""Field tables: the broker's encoding of named, typed values (message headers, arguments).

The encoding is AMQP 0-9-1's (section 4.2.5.5) with the type letters that RabbitMQ and Qpid agree on; the table `_TYPES`
below is the whole of it. A value can be had in two forms: natural Python, or *raw*, its octets with the type letter in
front. Raw values keep the exact type, which counts when two declarations are compared, and cost nothing to pass on.

Malformed input raises FieldError. Nesting is bounded by DEPTH_MAX; lengths that reach beyond the data are refused before
anything is read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

DEPTH_MAX = 64
Value = Any
_Decoder = Callable[[bytes, int, int, int], tuple[Value, int]]
_U32 = struct.Struct(">I")


class FieldError(ValueError):
    """The octets are not a field table."""


# -- decoding -------------------------------------------------------------------------------------------------------


def decode_table(data: bytes, pos: int = 0) -> tuple[dict[str, Value], int]:
    """The table whose length field stands at `pos`, and the position behind it."""
    return _table(data, pos, len(data), DEPTH_MAX)


def decode_value(raw: bytes) -> Value:
    """The value of a raw form."""
    value, end = _value(raw, 0, len(raw), DEPTH_MAX)
    if end != len(raw):
        raise FieldError("octets after the value")
    return value


def raw_table(data: bytes, pos: int = 0) -> dict[str, bytes]:
    """The table at `pos` with its values left raw."""
    table: dict[str, bytes] = {}
    at, end = _extent(data, pos, len(data))
    while at < end:
        key, at = _key(data, at, end)
        _, after = _value(data, at, end, DEPTH_MAX)
        table[key] = data[at:after]
        at = after
    return table


def _extent(data: bytes, pos: int, limit: int) -> tuple[int, int]:
    """Start and end of what a 32-bit length at `pos` announces."""
    if pos + 4 > limit:
        raise FieldError("length is cut off")
    start = pos + 4
    end = start + _U32.unpack_from(data, pos)[0]
    if end > limit:
        raise FieldError("length reaches beyond the data")
    return start, end


def _key(data: bytes, at: int, end: int) -> tuple[str, int]:
    start = at + 1
    stop = start + data[at]
    if stop >= end:
        raise FieldError("field name reaches beyond its table")
    try:
        return data[start:stop].decode(), stop
    except UnicodeDecodeError:
        raise FieldError("field name is not UTF-8") from None


def _value(data: bytes, at: int, end: int, depth: int) -> tuple[Value, int]:
    if at >= end:
        raise FieldError("value is missing")
    kind = _TYPES.get(data[at])
    if kind is None:
        raise FieldError(f"unknown field type {data[at : at + 1]!r}")
    return kind[1](data, at + 1, end, depth)


def _table(data: bytes, pos: int, limit: int, depth: int) -> tuple[dict[str, Value], int]:
    if not depth:
        raise FieldError("nested too deep")
    at, end = _extent(data, pos, limit)
    table: dict[str, Value] = {}
    while at < end:
        key, at = _key(data, at, end)
        table[key], at = _value(data, at, end, depth - 1)
    return table, end


def _array(data: bytes, pos: int, limit: int, depth: int) -> tuple[list[Value], int]:
    if not depth:
        raise FieldError("nested too deep")
    at, end = _extent(data, pos, limit)
    values: list[Value] = []
    while at < end:
        value, at = _value(data, at, end, depth - 1)
        values.append(value)
    return values, end


def _fixed(form: str, convert: Callable[[Any], Value] | None = None) -> _Decoder:
    layout = struct.Struct(form)

    def decode(data: bytes, at: int, end: int, depth: int) -> tuple[Value, int]:
        stop = at + layout.size
        if stop > end:
            raise FieldError("value is cut off")
        value = layout.unpack_from(data, at)[0]
        return (value if convert is None else convert(value)), stop

    return decode


def _string(data: bytes, pos: int, limit: int, depth: int) -> tuple[str | bytes, int]:
    start, end = _extent(data, pos, limit)
    octets = data[start:end]
    try:
        return octets.decode(), end
    except UnicodeDecodeError:
        return octets, end


def _binary(data: bytes, pos: int, limit: int, depth: int) -> tuple[bytes, int]:
    start, end = _extent(data, pos, limit)
    return data[start:end], end


def _decimal(data: bytes, at: int, end: int, depth: int) -> tuple[Decimal, int]:
    if at + 5 > end:
        raise FieldError("value is cut off")
    return Decimal(int.from_bytes(data[at + 1 : at + 5], "big", signed=True)).scaleb(-data[at]), at + 5


def _timestamp(seconds: int) -> datetime | int:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return seconds


# Type letter -> name in messages, decoder.
_TYPES: dict[int, tuple[str, _Decoder]] = {
    ord("t"): ("bool", _fixed(">B", bool)),
    ord("b"): ("byte", _fixed(">b")),
    ord("B"): ("unsignedbyte", _fixed(">B")),
    ord("s"): ("short", _fixed(">h")),
    ord("u"): ("unsignedshort", _fixed(">H")),
    ord("I"): ("signedint", _fixed(">i")),
    ord("i"): ("unsignedint", _fixed(">I")),
    ord("l"): ("long", _fixed(">q")),
    ord("L"): ("long", _fixed(">q")),
    ord("f"): ("float", _fixed(">f")),
    ord("d"): ("double", _fixed(">d")),
    ord("D"): ("decimal", _decimal),
    ord("S"): ("longstr", _string),
    ord("A"): ("array", _array),
    ord("T"): ("timestamp", _fixed(">Q", _timestamp)),
    ord("F"): ("table", _table),
    ord("V"): ("void", lambda data, at, end, depth: (None, at)),
    ord("x"): ("binary", _binary),
}


def type_name(raw: bytes) -> str:
    """The name of a raw value's type, as error texts use it."""
    return _TYPES[raw[0]][0]


# -- encoding -------------------------------------------------------------------------------------------------------


def encode_table(table: Mapping[str, Value]) -> bytes:
    """A table with its length in front. Integers take 32 bits where they fit, otherwise 64; bytes become strings."""
    return pack_raw_table({key: encode_value(value) for key, value in table.items()})


def pack_raw_table(table: Mapping[str, bytes]) -> bytes:
    """A table of raw values with its length in front."""
    parts = [b""]
    for key, raw in table.items():
        name = key.encode()
        if len(name) > 255:
            raise FieldError("field name is longer than 255 octets")
        parts += (bytes((len(name),)), name, raw)
    parts[0] = _U32.pack(sum(map(len, parts)))
    return b"".join(parts)


def encode_value(value: Value) -> bytes:
    """The raw form of a Python value."""
    if value is None:
        return b"V"
    if isinstance(value, bool):
        return b"t\x01" if value else b"t\x00"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, str):
        return _prefixed(b"S", value.encode())
    if isinstance(value, bytes):
        return _prefixed(b"S", value)
    if isinstance(value, float):
        return struct.pack(">cd", b"d", value)
    if isinstance(value, datetime):
        return struct.pack(">cQ", b"T", int(value.timestamp()))
    if isinstance(value, Decimal):
        return _scaled(value)
    if isinstance(value, Mapping):
        return b"F" + encode_table(value)
    if isinstance(value, list | tuple):
        return _prefixed(b"A", b"".join(map(encode_value, value)))
    raise FieldError(f"no field type for {type(value).__name__}")


def _integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return struct.pack(">ci", b"I", value)
    if -(1 << 63) <= value < 1 << 63:
        return struct.pack(">cq", b"l", value)
    raise FieldError(f"{value} does not fit 64 bits")


def _prefixed(letter: bytes, data: bytes) -> bytes:
    return b"".join((letter, _U32.pack(len(data)), data))


def _scaled(value: Decimal) -> bytes:
    exponent = value.as_tuple().exponent
    scale = max(-exponent, 0) if isinstance(exponent, int) else 256
    if scale > 255:
        raise FieldError(f"{value} has no decimal form")
    number = int(value.scaleb(scale))
    if not -(1 << 31) <= number < 1 << 31:
        raise FieldError(f"{value} does not fit 32 bits")
    return struct.pack(">cBi", b"D", scale, number)
