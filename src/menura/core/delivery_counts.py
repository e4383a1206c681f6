"""How often a message was handed out in vain: a header of the message, so that its consumers see it as well."""

from __future__ import annotations

from menura.core import fields, properties
from menura.core.content import properties_of, with_properties

HEADER = "x-delivery-count"
_COUNT_MAX = (1 << 63) - 1


def delivery_count(content: bytes) -> int:
    """What the header says; 0 without one."""
    raw = properties.headers_raw(properties_of(content))
    value = fields.raw_table(raw).get(HEADER) if raw else None
    count = fields.decode_value(value) if value is not None else 0
    # A client may have sent any number.
    return count if isinstance(count, int) and 0 <= count < _COUNT_MAX else 0


def counted(content: bytes, count: int) -> bytes:
    """The message with this count."""
    block = properties_of(content)
    raw = properties.headers_raw(block)
    table = fields.raw_table(raw) if raw else {}
    table[HEADER] = b"l" + count.to_bytes(8, "big")
    return with_properties(content, properties.replace_headers(block, fields.pack_raw_table(table)))
