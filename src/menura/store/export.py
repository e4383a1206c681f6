"""Messages and definitions as JSON values: one object for each, told apart by its `kind`.

Names are those of RabbitMQ's own lists of definitions where it has one. JSON lacks some types of header values: times
become text in ISO 8601, decimals and numbers that are not finite become text, and binary becomes an object
with the one key `base64`.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from menura.core.content import body_of, properties_of
from menura.core.definitions import Definition, Definitions, ParameterDefinition, QueueDefinition, VHostDefinition
from menura.core.fields import FieldError, Value, decode_value
from menura.core.properties import Properties, PropertiesError
from menura.store.offline_journal import Message

Object = dict[str, Any]

_NAMES = {
    "kind": "type", "what": "destination_type", "key": "routing_key", "protected": "protected_from_deletion",
}  # fmt: skip


def message_object(queue: QueueDefinition, message: Message) -> Object:
    """The body under `body` where it is UTF-8, else under `body_base64`; properties likewise if they are damaged."""
    line: Object = {
        "kind": "message",
        "vhost": queue.vhost,
        "queue": queue.name,
        "position": message.position,
        "exchange": message.exchange,
        "routing_keys": message.keys,
        "published_at_ms": message.at_ms or None,
        "redelivered": message.redelivered,
    }
    if message.times:
        line["delivered_times"] = message.times
    if message.due_ms:
        line["waits_until_ms"] = message.due_ms
    block = properties_of(message.content)
    try:
        line["properties"] = plain(Properties.decode(block).present())
    except PropertiesError:
        line["properties_base64"] = _base64(block)
    body = body_of(message.content)
    try:
        line["body"] = body.decode()
    except UnicodeDecodeError:
        line["body_base64"] = _base64(body)
    return line


def definition_objects(definitions: Definitions, vhost: str | None = None) -> Iterator[Object]:
    """In an order in which they can be made again. With `vhost` only what is in it, or in none."""
    for name, records in definitions._asdict().items():
        for record in records:
            if vhost is None or _vhost_of(record) in (vhost, ""):
                yield {"kind": name.removesuffix("s"), **_definition_fields(record)}


def _vhost_of(record: Definition) -> str:
    """Empty for what is in none."""
    return record.name if isinstance(record, VHostDefinition) else getattr(record, "vhost", "")


def _definition_fields(record: Definition) -> Object:
    fields: Object = {}
    for name, value in record._asdict().items():
        if name == "arguments":
            value = {key: _argument(raw) for key, raw in value.items()}
        elif name == "value" and isinstance(record, ParameterDefinition):
            value = _parameter(value)
        fields[_NAMES.get(name, name)] = sorted(value) if isinstance(value, frozenset) else value
    return fields


def _argument(raw: bytes) -> Any:
    try:
        return plain(decode_value(raw))
    except FieldError:
        return {"base64": _base64(raw)}


def _parameter(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def plain(value: Value) -> Any:
    """A field's value in JSON's types."""
    if isinstance(value, bytes):
        return {"base64": _base64(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
