"""The properties of a message: fourteen optional fields in one block of bytes.

The block begins with a 16-bit flag word: from the highest bit down, one bit for each field that follows, in the order
of PROPERTIES; the lowest bit says that another flag word follows (no field is defined there, so it must be empty). The
fields lie one after another without padding: short strings (an octet of length, UTF-8), one field table, octets, a
64-bit time.

A message keeps its block as it came, since most are only passed on. Hence the readers here that skip to a single
field, and
`replace_field`, which rewrites one and leaves every other octet alone. `Properties` is the decoded whole, for whoever
shows a message to people or speaks a protocol with other headers. Skipping checks lengths and flags but not the UTF-8
of what is skipped; reading checks what it reads. The bytes come from a peer: all that can be raised is
PropertiesError, after linear time.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from .fields import FieldError, Value, decode_table, encode_table

Field = str | int | bytes
"""A single field: text, a number, or the headers as an encoded table with its length."""

REPLY_TO_TOPIC = "x-reply-to-topic"
"""The header with the routing key of amq.topic that answers go to, where `reply_to` cannot say it."""

TEXT, TABLE, OCTET, TIME = "text", "table", "octet", "time"

PROPERTIES = {
    "content_type": TEXT,
    "content_encoding": TEXT,
    "headers": TABLE,
    "delivery_mode": OCTET,
    "priority": OCTET,
    "correlation_id": TEXT,
    "reply_to": TEXT,
    "expiration": TEXT,
    "message_id": TEXT,
    "timestamp": TIME,
    "type": TEXT,
    "user_id": TEXT,
    "app_id": TEXT,
    "cluster_id": TEXT,
}

_ROWS = [(name, kind, 0x8000 >> index) for index, (name, kind) in enumerate(PROPERTIES.items())]
_INDEX = {name: index for index, name in enumerate(PROPERTIES)}
_CONTINUED = 0x0001
_HEADERS, _BEFORE_HEADERS = 0x2000, (0x8000, 0x4000)
PRIORITY, BEFORE_PRIORITY = 0x0800, 0xE001
"""The flag of that field, and those of fields of any length before it."""
_TEXT_OCTETS_MAX = 255
_SIZE_MAX = {OCTET: 0xFF, TIME: 0xFFFF_FFFF_FFFF_FFFF}
_WIDTH = {OCTET: 1, TIME: 8}
_UINT32 = Struct(">I")


class PropertiesError(ValueError):
    """A block of properties is malformed, or a value does not fit into one."""


class Properties:
    """All properties, decoded; None where a field is absent. `timestamp` is in seconds since 1970."""

    __slots__ = tuple(PROPERTIES)

    def __init__(
        self,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: Mapping[str, Value] | None = None,
        delivery_mode: int | None = None,
        priority: int | None = None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        expiration: str | None = None,
        message_id: str | None = None,
        timestamp: int | None = None,
        type: str | None = None,
        user_id: str | None = None,
        app_id: str | None = None,
        cluster_id: str | None = None,
    ) -> None:
        self.content_type = content_type
        self.content_encoding = content_encoding
        self.headers = headers
        self.delivery_mode = delivery_mode
        self.priority = priority
        self.correlation_id = correlation_id
        self.reply_to = reply_to
        self.expiration = expiration
        self.message_id = message_id
        self.timestamp = timestamp
        self.type = type
        self.user_id = user_id
        self.app_id = app_id
        self.cluster_id = cluster_id

    @classmethod
    def decode(cls, data: bytes) -> Properties:
        flags, pos = _flags(data)
        properties = cls()
        for name, kind, bit in _ROWS:
            if flags & bit:
                end = _end(kind, data, pos)
                value = _read(kind, data, pos, end)
                setattr(properties, name, _headers(data, pos, end) if kind == TABLE else value)
                pos = end
        _check_end(data, pos)
        return properties

    def encode(self) -> bytes:
        flags, parts = 0, []
        for name, kind, bit in _ROWS:
            value = getattr(self, name)
            if value is not None:
                flags |= bit
                parts.append(_write(kind, name, value))
        return flags.to_bytes(2, "big") + b"".join(parts)

    def present(self) -> dict[str, Value]:
        """The fields that are there, in order."""
        values = {name: getattr(self, name) for name in PROPERTIES}
        return {name: value for name, value in values.items() if value is not None}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Properties) and self.present() == other.present()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Properties({', '.join(f'{name}={value!r}' for name, value in self.present().items())})"


def check(data: bytes) -> None:
    """Raise PropertiesError unless flags and lengths fit together and nothing is left over."""
    flags, pos = _flags(data)
    for _, kind, bit in _ROWS:
        if flags & bit:
            pos = _end(kind, data, pos)
    _check_end(data, pos)


def field(data: bytes, name: str) -> Field | None:
    """One field: str, int, or for `headers` the encoded table; None where it is absent."""
    index = _INDEX[name]
    if not _flag_word(data) & _ROWS[index][2]:
        return None
    _, start, end = _locate(data, index)
    return _read(_ROWS[index][1], data, start, end)


def delivery_mode(data: bytes) -> int | None:
    return _number(data, "delivery_mode")


def priority(data: bytes) -> int | None:
    return _number(data, "priority")


def expiration_ms(data: bytes) -> int | None:
    """`expiration` as a number; None where there is none, or no such number."""
    try:
        value = int(text(data, "expiration") or "")
    except ValueError:
        return None
    return value if value >= 0 else None


def timestamp(data: bytes) -> int | None:
    """Seconds since 1970."""
    return _number(data, "timestamp")


def text(data: bytes, name: str) -> str | None:
    """A field that is a short string, such as `expiration`."""
    value = field(data, name)
    assert value is None or isinstance(value, str)
    return value


def octets(data: bytes, name: str) -> bytes:
    """A field as it stands, unread, a text with its length; empty where it is absent."""
    _, start, end = _locate(data, _INDEX[name])
    return data[start:end]


def headers_raw(data: bytes) -> bytes | None:
    """The headers as an encoded table with its length."""
    flags = _flag_word(data)
    if not flags & _HEADERS:
        return None
    if flags & _CONTINUED:
        value = field(data, "headers")
        assert isinstance(value, bytes)
        return value
    pos = 2
    for bit in _BEFORE_HEADERS:
        if flags & bit:
            pos = _end(TEXT, data, pos)
    return data[pos : _end(TABLE, data, pos)]


def replace_field(data: bytes, name: str, value: Field | None) -> bytes:
    """The block with one field set, or removed where `value` is None; all other fields keep their octets."""
    index = _INDEX[name]
    flags, start, end = _locate(data, index)
    _, kind, bit = _ROWS[index]
    flags = flags & ~bit if value is None else flags | bit
    octets = b"" if value is None else _write(kind, name, value)
    return flags.to_bytes(2, "big") + data[2:start] + octets + data[end:]


def replace_headers(data: bytes, table: bytes | None) -> bytes:
    """The block with the encoded `table` (with its length) as headers, or without headers."""
    return replace_field(data, "headers", table)


def _number(data: bytes, name: str) -> int | None:
    value = field(data, name)
    assert value is None or isinstance(value, int)
    return value


def _flag_word(data: bytes) -> int:
    if len(data) < 2:
        raise PropertiesError("no flag word")
    return data[0] << 8 | data[1]


def _flags(data: bytes) -> tuple[int, int]:
    """The flag word and where the first field begins."""
    flags = word = _flag_word(data)
    pos = 2
    while word & _CONTINUED:
        if pos + 2 > len(data):
            raise PropertiesError("flag words are cut short")
        word = data[pos] << 8 | data[pos + 1]
        if word & ~_CONTINUED:
            raise PropertiesError("flag of an undefined property")
        pos += 2
    return flags, pos


def _locate(data: bytes, index: int) -> tuple[int, int, int]:
    """The flag word, and begin and end of a field; both are where it would be if it is absent."""
    flags, pos = _flags(data)
    for _, kind, bit in _ROWS[:index]:
        if flags & bit:
            pos = _end(kind, data, pos)
    _, kind, bit = _ROWS[index]
    return flags, pos, _end(kind, data, pos) if flags & bit else pos


def _end(kind: str, data: bytes, pos: int) -> int:
    left = len(data) - pos
    if kind == TEXT:
        size = 1 + data[pos] if left > 0 else 1
    elif kind == TABLE:
        size = 4 + _UINT32.unpack_from(data, pos)[0] if left >= 4 else 4
    else:
        size = _WIDTH[kind]
    if size > left:
        raise PropertiesError(f"field at {pos} is cut short")
    return pos + size


def _check_end(data: bytes, pos: int) -> None:
    if pos != len(data):
        raise PropertiesError(f"{len(data) - pos} octets after the last field")


def _read(kind: str, data: bytes, start: int, end: int) -> Field:
    if kind == TABLE:
        return data[start:end]
    if kind != TEXT:
        return int.from_bytes(data[start:end], "big")
    try:
        return data[start + 1 : end].decode()
    except UnicodeDecodeError:
        raise PropertiesError(f"text at {start} is not UTF-8") from None


def _headers(data: bytes, start: int, end: int) -> dict[str, Value]:
    try:
        return decode_table(data[start:end])[0]
    except FieldError as error:
        raise PropertiesError(f"headers: {error}") from None


def _write(kind: str, name: str, value: object) -> bytes:
    if kind == TABLE:
        return _write_table(value)
    if kind == TEXT:
        return _write_text(name, value)
    if not isinstance(value, int) or not 0 <= value <= _SIZE_MAX[kind]:
        raise PropertiesError(f"{name} must be a number from 0 to {_SIZE_MAX[kind]}, not {value!r}")
    return value.to_bytes(_WIDTH[kind], "big")


def _write_text(name: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise PropertiesError(f"{name} must be text, not {type(value).__name__}")
    try:
        octets = value.encode()
    except UnicodeEncodeError:
        raise PropertiesError(f"{name} has lone surrogates") from None
    if len(octets) > _TEXT_OCTETS_MAX:
        raise PropertiesError(f"{name} of {len(octets)} octets, at most {_TEXT_OCTETS_MAX} fit")
    return bytes((len(octets),)) + octets


def _write_table(value: object) -> bytes:
    if isinstance(value, bytes):
        if len(value) < 4 or _UINT32.unpack_from(value)[0] != len(value) - 4:
            raise PropertiesError("encoded headers do not have the length they claim")
        return value
    if not isinstance(value, Mapping):
        raise PropertiesError(f"headers must be a mapping, not {type(value).__name__}")
    try:
        return encode_table(value)
    except FieldError as error:
        raise PropertiesError(f"headers: {error}") from None
