"""Field tables: the canonical encoding of typed key-value tables (queue arguments, message headers, ...).

A table is a uint32 length in octets and then fields; a field is a key (one octet of length, UTF-8), an octet naming
its type and the value; `field_types` lists the types. An array is the same without keys.

There are two views of a table. The natural one (`decode_table`, `encode_table`) speaks Python values, and forgets
which width an integer had. The raw one (`raw_table`, `pack_raw_table`) keeps each value as its encoded bytes, type
octet first, for callers that must hand a value on untouched or tell a `short` from a `long`; `type_name` and
`decode_value` look into such bytes.

The bytes come from a peer, so nothing in them is trusted: each length is checked against the end of what encloses it,
nesting stops at DEPTH_MAX, and each octet is looked at once, so time and memory are linear in the input. All that can
be raised is FieldError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from struct import Struct

from .field_types import FIELD_TYPES, FieldError, Value

__all__ = [
    "DEPTH_MAX",
    "EMPTY_TABLE",
    "FieldError",
    "Value",
    "decode_table",
    "decode_value",
    "encode_table",
    "encode_value",
    "known_table",
    "pack_raw_items",
    "pack_raw_table",
    "raw_items",
    "raw_table",
    "type_name",
]

DEPTH_MAX = 64
"""How many tables and arrays may lie within one another, the outermost table included."""

EMPTY_TABLE = b"\x00\x00\x00\x00"

_KEY_OCTETS_MAX = 255
_KNOWN_OCTETS_MAX = 512
_UINT32_MAX = 0xFFFF_FFFF
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_SCALE_MAX = 255
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

_UINT32 = Struct(">I")
_DOUBLE = Struct(">d")
_LAYOUTS = {kind.tag[0]: kind.layout for kind in FIELD_TYPES}
_NAMES = {kind.tag[0]: kind.name for kind in FIELD_TYPES}


# Decoding, natural view


def decode_table(data: bytes, pos: int = 0) -> tuple[dict[str, Value], int]:
    """The table whose uint32 length stands at `pos`, and the position after it. Of equal keys the last one counts."""
    start, stop = _extent(data, pos, len(data))
    return _decode_fields(data, start, stop, 1), stop


def known_table(raw: bytes) -> Mapping[str, Value]:
    """The table with its length, not to be changed: the last ones are remembered, since many who read them follow one
    another, and many messages bear the same."""
    return _known_table(raw) if len(raw) <= _KNOWN_OCTETS_MAX else decode_table(raw)[0]


@lru_cache(maxsize=2048)
def _known_table(raw: bytes) -> Mapping[str, Value]:
    return decode_table(raw)[0]


def decode_value(raw: bytes) -> Value:
    """The Python value of one encoded value with its type octet.

    `S` gives str where it is UTF-8, else bytes; `T` gives an aware datetime, or the plain seconds beyond the year
    9999.
    """
    value, pos = _decode_value(raw, 0, len(raw), 1)
    if pos != len(raw):
        raise FieldError(f"{len(raw) - pos} octets after the value")
    return value


def _decode_fields(data: bytes, pos: int, stop: int, depth: int) -> dict[str, Value]:
    table: dict[str, Value] = {}
    while pos < stop:
        key, pos = _decode_key(data, pos, stop)
        table[key], pos = _decode_value(data, pos, stop, depth)
    return table


def _decode_items(data: bytes, pos: int, stop: int, depth: int) -> list[Value]:
    items: list[Value] = []
    while pos < stop:
        item, pos = _decode_value(data, pos, stop, depth)
        items.append(item)
    return items


def _decode_key(data: bytes, pos: int, stop: int) -> tuple[str, int]:
    end = pos + 1 + data[pos]
    if end > stop:
        raise FieldError(f"key at {pos} runs past the end of its table")
    try:
        return data[pos + 1 : end].decode(), end
    except UnicodeDecodeError:
        raise FieldError(f"key at {pos} is not UTF-8") from None


def _decode_value(data: bytes, pos: int, stop: int, depth: int) -> tuple[Value, int]:
    layout, pos = _layout_at(data, pos, stop)
    tag = data[pos - 1]
    if layout is not None:
        end = pos + layout.size
        if end > stop:
            raise FieldError(f"value at {pos} is cut short")
        convert = _CONVERTED.get(tag)
        numbers = layout.unpack_from(data, pos)
        return (numbers[0] if convert is None else convert(*numbers)), end
    start, end = _extent(data, pos, stop)
    if tag == 0x53:  # S
        return _text(data[start:end]), end
    if tag == 0x78:  # x
        return data[start:end], end
    if depth >= DEPTH_MAX:
        raise FieldError(f"tables nested more than {DEPTH_MAX} deep")
    decode = _decode_fields if tag == 0x46 else _decode_items
    return decode(data, start, end, depth + 1), end


def _layout_at(data: bytes, pos: int, stop: int) -> tuple[Struct | None, int]:
    """The layout that the type octet at `pos` calls for, and the position after that octet."""
    if pos >= stop:
        raise FieldError(f"no type octet at {pos}")
    try:
        return _LAYOUTS[data[pos]], pos + 1
    except KeyError:
        raise FieldError(f"unknown field type {data[pos : pos + 1]!r} at {pos}") from None


def _extent(data: bytes, pos: int, stop: int) -> tuple[int, int]:
    """Begin and end of what follows the uint32 length at `pos`, within `stop`."""
    start = pos + 4
    if start > stop:
        raise FieldError(f"length at {pos} is cut short")
    end: int = start + _UINT32.unpack_from(data, pos)[0]
    if end > stop:
        raise FieldError(f"length at {pos} claims {end - start} octets where {stop - start} are left")
    return start, end


def _text(octets: bytes) -> str | bytes:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets


def _decimal(scale: int, unscaled: int) -> Decimal:
    # Built from digits: arithmetic would round to the context's precision.
    return Decimal((unscaled < 0, tuple(map(int, str(abs(unscaled)))), -scale))


def _timestamp(seconds: int) -> datetime | int:
    # Some clients send milliseconds, far beyond datetime's range: not a reason to refuse their messages.
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return seconds


def _nothing() -> None:
    return None


_CONVERTED: dict[int, Callable[..., Value]] = {ord("D"): _decimal, ord("T"): _timestamp, ord("V"): _nothing}


# Encoding, natural view


def encode_table(table: Mapping[str, Value]) -> bytes:
    """The table with its length. The natural types: bool t, int I or l, float d, Decimal D, str and bytes S,
    datetime T (a naive one is UTC), mapping F, sequence A, None V."""
    return _encode_fields(table, 1)


def encode_value(value: Value) -> bytes:
    """One value with its type octet, as `encode_table` would write it."""
    return _encode_value(value, 1)


def _encode_fields(table: Mapping[str, Value], depth: int) -> bytes:
    return _sized(b"".join([_encode_key(key) + _encode_value(value, depth) for key, value in table.items()]))


def _encode_key(key: str) -> bytes:
    octets = _utf8(key)
    if len(octets) > _KEY_OCTETS_MAX:
        raise FieldError(f"key of {len(octets)} octets, at most {_KEY_OCTETS_MAX} fit")
    return bytes((len(octets),)) + octets


def _encode_value(value: Value, depth: int) -> bytes:
    # Ordered by frequency; bool before int, of which it is a subclass, and text before Sequence.
    if isinstance(value, str):
        return b"S" + _sized(_utf8(value))
    if isinstance(value, bool):
        return b"t\x01" if value else b"t\x00"
    if isinstance(value, int):
        return _encode_int(value)
    if isinstance(value, (bytes, bytearray)):
        return b"S" + _sized(bytes(value))
    if value is None:
        return b"V"
    if isinstance(value, float):
        return b"d" + _DOUBLE.pack(value)
    if isinstance(value, datetime):
        return b"T" + _encode_timestamp(value)
    if isinstance(value, Decimal):
        return b"D" + _encode_decimal(value)
    if depth >= DEPTH_MAX:
        raise FieldError(f"tables nested more than {DEPTH_MAX} deep")
    if isinstance(value, Mapping):
        return b"F" + _encode_fields(value, depth + 1)
    if isinstance(value, Sequence):
        return b"A" + _sized(b"".join([_encode_value(item, depth + 1) for item in value]))
    raise FieldError(f"no field type for {type(value).__name__}")


def _encode_int(value: int) -> bytes:
    if value in _INT32:
        return b"I" + value.to_bytes(4, "big", signed=True)
    if value in _INT64:
        return b"l" + value.to_bytes(8, "big", signed=True)
    raise FieldError("integer beyond signed 64 bits")


def _encode_timestamp(value: datetime) -> bytes:
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    seconds: int = (aware - _EPOCH) // _SECOND
    if seconds < 0:
        raise FieldError("timestamp before 1970")
    return seconds.to_bytes(8, "big")


def _encode_decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    # Eleven digits never fit 32 bits; refused first, so that a huge exponent is not written out.
    if not isinstance(exponent, int) or len(digits) + max(exponent, 0) > 10 or -exponent > _SCALE_MAX:
        raise FieldError(f"decimal {value} does not fit 32 bits and a scale of {_SCALE_MAX}")
    unscaled: int = int("".join(map(str, digits))) * 10 ** max(exponent, 0) * (-1 if sign else 1)
    if unscaled not in _INT32:
        raise FieldError(f"decimal {value} does not fit 32 bits")
    return bytes((max(-exponent, 0),)) + unscaled.to_bytes(4, "big", signed=True)


def _utf8(text: str) -> bytes:
    if not isinstance(text, str):
        raise FieldError(f"a key must be a string, not {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise FieldError("text with lone surrogates") from None


def _sized(octets: bytes) -> bytes:
    if len(octets) > _UINT32_MAX:
        raise FieldError("longer than a 32-bit length can say")
    return _UINT32.pack(len(octets)) + octets


# Raw view


def raw_table(data: bytes, pos: int = 0) -> dict[str, bytes]:
    """Key to encoded value, type octet first, of the table whose length stands at `pos`; the order is kept, of equal
    keys the last one counts. Lengths and types are checked at this level only; what lies in a nested table is not."""
    pos, stop = _extent(data, pos, len(data))
    table: dict[str, bytes] = {}
    while pos < stop:
        key, start = _decode_key(data, pos, stop)
        pos = _value_end(data, start, stop)
        table[key] = data[start:pos]
    return table


def pack_raw_table(table: Mapping[str, bytes]) -> bytes:
    """The table, with its length, of values encoded with their type octet."""
    return _sized(b"".join([_encode_key(key) + raw for key, raw in table.items()]))


def raw_items(raw: bytes) -> list[bytes]:
    """The encoded values, type octets first, of an encoded array with its type octet; none if it is something else."""
    if not raw.startswith(b"A"):
        return []
    pos, stop = _extent(raw, 1, len(raw))
    items = []
    while pos < stop:
        end = _value_end(raw, pos, stop)
        items.append(raw[pos:end])
        pos = end
    return items


def pack_raw_items(items: Iterable[bytes]) -> bytes:
    """The array, with its type octet, of values encoded with theirs."""
    return b"A" + _sized(b"".join(items))


def type_name(raw: bytes) -> str:
    """The name of an encoded value's type: longstr, signedint, table, ..."""
    _layout_at(raw, 0, len(raw))
    return _NAMES[raw[0]]


def _value_end(data: bytes, pos: int, stop: int) -> int:
    layout, pos = _layout_at(data, pos, stop)
    if layout is None:
        return _extent(data, pos, stop)[1]
    if pos + layout.size > stop:
        raise FieldError(f"value at {pos} is cut short")
    return pos + layout.size
