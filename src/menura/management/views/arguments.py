"""Arguments of queues, exchanges, bindings and consumers in JSON, both ways."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from menura.core import fields
from menura.core.arguments import Arguments
from menura.core.errors import PreconditionFailed
from menura.core.field_types import FieldError


def as_json(value: Any) -> Any:
    """A field's value as JSON can say it: a time in seconds, octets that are no text in base64."""
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return [as_json(item) for item in value]


def shown(arguments: Arguments) -> dict[str, Any]:
    return {name: as_json(fields.decode_value(raw)) for name, raw in arguments.items()}


def encoded(given: Mapping[str, Any], what: str = "arguments") -> dict[str, bytes]:
    """Arguments that were given in JSON; whole numbers take 64 bits."""
    try:
        fields.encode_table(dict.fromkeys(given))  # names have to fit as well
        return {name: _encoded(value) for name, value in given.items()}
    except FieldError as error:
        raise PreconditionFailed(f"{what}: {error}") from None


def _encoded(value: Any) -> bytes:
    if isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63:
        return b"l" + value.to_bytes(8, "big", signed=True)
    return fields.encode_value(value)


def same(one: Arguments, other: Arguments) -> bool:
    """Whether they say the same, whatever the width of their numbers."""
    return one == other or shown(one) == shown(other)
