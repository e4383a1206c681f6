"""Message properties: a block of flags and the fields they announce.

One or more 16-bit flag words (lowest bit: another follows), then the fields present, in the order of `FIELDS`. This is AMQP
0-9-1's encoding (section 4.2.6.1), the richest of the protocols served, so its messages pass through untouched and the others map
their own headers to it. Mostly a single field is asked for or replaced; `field` and `replace_field` find it without decoding
the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from typing import Any

from menura.core import fields
from menura.core.fields import FieldError

SHORT, TABLE, OCTET, TIME = "short", "table", "octet", "time"
# Name, kind, flag.
FIELDS: tuple[tuple[str, str, int], ...] = (
    ("content_type", SHORT, 0x8000),
    ("content_encoding", SHORT, 0x4000),
    ("headers", TABLE, 0x2000),
    ("delivery_mode", OCTET, 0x1000),
    ("priority", OCTET, 0x0800),
    ("correlation_id", SHORT, 0x0400),
    ("reply_to", SHORT, 0x0200),
    ("expiration", SHORT, 0x0100),
    ("message_id", SHORT, 0x0080),
    ("timestamp", TIME, 0x0040),
    ("type", SHORT, 0x0020),
    ("user_id", SHORT, 0x0010),
    ("app_id", SHORT, 0x0008),
    ("cluster_id", SHORT, 0x0004),
)
_INDEX = {name: index for index, (name, _, _) in enumerate(FIELDS)}
NONE = b"\x00\x00"


class PropertiesError(ValueError):
    """The octets are not a properties block."""


@dataclass(slots=True)
class Properties:
    """All properties in natural form; None where absent."""

    content_type: str | None = None
    content_encoding: str | None = None
    headers: dict[str, Any] | None = None
    delivery_mode: int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = None
    message_id: str | None = None
    timestamp: datetime | None = None
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    cluster_id: str | None = None

    @classmethod
    def decode(cls, block: bytes) -> Properties:
        """From a block, which must have nothing behind it."""
        found = cls()
        end = 2
        for name, kind, start, end in _fields(block):
            setattr(found, name, _decoded(kind, block[start:end]))
        if end != len(block):
            raise PropertiesError("octets after the last property")
        return found

    def encode(self) -> bytes:
        return _join(
            {
                name: _encoded(kind, value)
                for (name, kind, _) in FIELDS
                if (value := getattr(self, name)) is not None
            }
        )


assert [each.name for each in dataclass_fields(Properties)] == [name for name, _, _ in FIELDS]


def field(block: bytes, name: str) -> Any:
    """One property in natural form, or None."""
    for found, kind, start, end in _fields(block):
        if found == name:
            return _decoded(kind, block[start:end])
    return None


def delivery_mode(block: bytes) -> int | None:
    mode: int | None = field(block, "delivery_mode")
    return mode


def headers_raw(block: bytes) -> bytes | None:
    """The encoded headers table, or None."""
    if len(block) < 2 or not block[0] & 0x20:
        return None
    for name, _, start, end in _fields(block):
        if name == "headers":
            return block[start:end]
    return None


def replace_headers(block: bytes, table: bytes | None) -> bytes:
    """The block with another encoded headers table, or without one."""
    parts = {name: block[start:end] for name, _, start, end in _fields(block)}
    parts.pop("headers", None)
    if table is not None:
        parts["headers"] = table
    return _join(parts)


def replace_field(block: bytes, name: str, value: Any) -> bytes:
    """The block with another value of one property, or without it (None); all else stays octet for octet."""
    parts = {found: block[start:end] for found, _, start, end in _fields(block)}
    parts.pop(name, None)
    if value is not None:
        parts[name] = _encoded(FIELDS[_INDEX[name]][1], value)
    return _join(parts)


def _fields(block: bytes) -> list[tuple[str, str, int, int]]:
    """Name, kind, start and end of each property present."""
    if len(block) < 2:
        raise PropertiesError("flags are cut off")
    flags = block[0] << 8 | block[1]
    if flags & 0x0003:
        raise PropertiesError("flags of unknown properties")
    at = 2
    found = []
    try:
        for name, kind, flag in FIELDS:
            if flags & flag:
                end = at + _length(kind, block, at)
                if end > len(block):
                    raise PropertiesError(f"property {name} is cut off")
                found.append((name, kind, at, end))
                at = end
    except IndexError:
        raise PropertiesError("properties are cut off") from None
    return found


def _length(kind: str, block: bytes, at: int) -> int:
    if kind == SHORT:
        return 1 + block[at]
    if kind == TABLE:
        return 4 + int.from_bytes(block[at : at + 4], "big")
    return 1 if kind == OCTET else 8


def _decoded(kind: str, data: bytes) -> Any:
    if kind == SHORT:
        try:
            return data[1:].decode()
        except UnicodeDecodeError:
            raise PropertiesError("a property is not UTF-8") from None
    if kind == OCTET:
        return data[0]
    if kind == TIME:
        try:
            return datetime.fromtimestamp(int.from_bytes(data, "big"), UTC)
        except (OverflowError, ValueError, OSError):
            return None
    try:
        return fields.decode_table(data)[0]
    except FieldError as error:
        raise PropertiesError(f"headers: {error}") from None


def _encoded(kind: str, value: Any) -> bytes:
    if kind == SHORT:
        data = value.encode()
        if len(data) > 255:
            raise PropertiesError("a property is longer than 255 octets")
        return bytes((len(data),)) + data
    if kind == OCTET:
        return bytes((value,))
    if kind == TIME:
        return int(value.timestamp()).to_bytes(8, "big")
    return fields.encode_table(value)


def _join(parts: dict[str, bytes]) -> bytes:
    flags = 0
    data = [b""]
    for name, _, flag in FIELDS:
        if name in parts:
            flags |= flag
            data.append(parts[name])
    data[0] = flags.to_bytes(2, "big")
    return b"".join(data)
