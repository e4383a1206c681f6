"""The types a field table can hold, as data.

A field is one octet naming its type, then its value in network byte order. The set is the one that RabbitMQ and
Qpid agreed on (section 3 of RabbitMQ's errata to the 0-9-1 specification), which differs from the specification's own:
`s` is a signed 16-bit integer, there is no short string, and `l` and `L` are both signed 64-bit integers.

The names are those RabbitMQ prints in its error texts, since clients and operators read them there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from struct import Struct
from typing import NamedTuple, TypeAlias

Value: TypeAlias = (
    bool | int | float | Decimal | str | bytes | datetime | Mapping[str, "Value"] | Sequence["Value"] | None
)
"""What a field is in Python. `bytes` stands for text that is not UTF-8 and for binary."""


class FieldError(ValueError):
    """A field table is malformed, or a value does not fit into one."""


class FieldType(NamedTuple):
    tag: bytes
    name: str
    layout: Struct | None
    """Layout of the value; None where the value is a uint32 length and as many octets."""


FIELD_TYPES = (
    FieldType(b"t", "bool", Struct(">?")),
    FieldType(b"b", "byte", Struct(">b")),
    FieldType(b"B", "unsignedbyte", Struct(">B")),
    FieldType(b"s", "short", Struct(">h")),
    FieldType(b"u", "unsignedshort", Struct(">H")),
    FieldType(b"I", "signedint", Struct(">i")),
    FieldType(b"i", "unsignedint", Struct(">I")),
    FieldType(b"l", "long", Struct(">q")),
    FieldType(b"L", "long", Struct(">q")),
    FieldType(b"f", "float", Struct(">f")),
    FieldType(b"d", "double", Struct(">d")),
    FieldType(b"D", "decimal", Struct(">Bi")),
    FieldType(b"T", "timestamp", Struct(">Q")),
    FieldType(b"V", "void", Struct(">")),
    FieldType(b"S", "longstr", None),
    FieldType(b"x", "binary", None),
    FieldType(b"F", "table", None),
    FieldType(b"A", "array", None),
)
