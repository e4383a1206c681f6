"""A message that came in JSON, made into what a client's would be and put into the same queues.

What is asked of it is what every publisher is asked: the right to write, properties that make sense, a sender who is
the one who asks, further keys in headers as texts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Generator
from typing import Any

from menura.core import content, fields, properties
from menura.core.access import Access, Verb
from menura.core.arguments import check_expiration
from menura.core.errors import AccessRefused, PreconditionFailed
from menura.core.exchange import Exchange
from menura.core.presence import Connected
from menura.core.properties import PROPERTIES, TABLE, TEXT, Properties, PropertiesError
from menura.core.routing import Route
from menura.core.run import Run
from menura.core.vhost import VHost
from menura.management import bodies
from menura.management.bodies import Body
from menura.management.http.messages import bad_request
from menura.management.views.arguments import encoded

# Four of them are three octets.
_PIECE_CHARACTERS = 128 * 1024
_NUMBERS = {"delivery_mode": 0xFF, "priority": 0xFF, "timestamp": (1 << 64) - 1}


def writable(vhost: VHost, access: Access, name: str, key: str) -> Exchange:
    """The exchange of that name, for a user who may publish there with that key."""
    access.require(Verb.WRITE, "exchange", name)
    exchange = vhost.exchange(name)
    if exchange.internal:
        raise AccessRefused(f"cannot publish to internal exchange '{name}' in vhost '{vhost.name}'")
    if exchange.kind == "topic":
        access.require_topic(Verb.WRITE, name, key)
    return exchange


def publish(
    vhost: VHost, access: Access, by: Connected, exchange: Exchange, key: str, block: bytes, body: bytes | bytearray
) -> bool:
    """Publish a message; whether a queue has taken it."""
    decoded = Properties.decode(block)
    if decoded.user_id is not None:
        access.check_sender(decoded.user_id)
    if decoded.delivery_mode not in (None, 1, 2):
        raise PreconditionFailed(f"invalid message: {{delivery_mode_unknown,{decoded.delivery_mode}}}")
    deadline_ms = 0
    if decoded.expiration is not None:
        check_expiration(decoded.expiration)
        deadline_ms = vhost.agenda.wall_ms + int(decoded.expiration)
    keys = _further_keys(decoded, block)
    if exchange.kind == "topic":
        for further in keys:
            access.require_topic(Verb.WRITE, exchange.name, further)
    route = Route(exchange.name, key, keys)
    packed = content.pack(_without_bcc(block), body)
    run = Run(route, [packed], len(packed), len(packed), decoded.delivery_mode == 2, deadline_ms=deadline_ms)
    if vhost.tracer is not None:
        vhost.tracer.published(by, 1, run)
    unwanted = vhost.publish(route, run)
    route.sending.returned += len(unwanted)
    return not unwanted and not vhost.take_refused()


def _further_keys(decoded: Properties, block: bytes) -> tuple[str, ...]:
    """The keys besides its own that a message names in its headers."""
    headers = decoded.headers or {}
    keys: list[str] = []
    for name in ("CC", "BCC"):
        values = headers.get(name, [])
        if not isinstance(values, list):
            kind = fields.type_name(fields.raw_table(properties.headers_raw(block) or b"")[name])
            raise PreconditionFailed(f'invalid message: {{unacceptable_type_in_header,"{name}",{kind}}}')
        keys += [value for value in values if isinstance(value, str)]
    return tuple(keys)


def _without_bcc(block: bytes) -> bytes:
    raw = properties.headers_raw(block)
    table = fields.raw_table(raw) if raw else {}
    if table.pop("BCC", None) is None:
        return block
    return properties.replace_headers(block, fields.pack_raw_table(table))


# -- out of JSON -----------------------------------------------------------------------------------------------


def properties_block(given: Body) -> bytes:
    """Properties that are given by name; names that are none are passed over."""
    block = b"\0\0"
    for name, kind in PROPERTIES.items():
        value = given.get(name)
        if value is None:
            continue
        try:
            if kind == TABLE:
                table = fields.pack_raw_table(encoded(bodies.table(given, name), name))
                block = properties.replace_headers(block, table)
            else:
                block = properties.replace_field(
                    block, name, _text(name, value) if kind == TEXT else _number(name, value)
                )
        except PropertiesError as error:
            raise bad_request(f"{name}: {error}") from None
    return block


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise bad_request(["not_string", name])
    return bodies.text({name: value}, name)


def _number(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad_request(["not_int", name])
    if not 0 <= value <= _NUMBERS[name]:
        raise bad_request(f"{name} must be 0 or more, up to {_NUMBERS[name]}")
    return value


def body_of(given: Body) -> Generator[None, None, bytes | bytearray]:
    """The body that `payload` and `payload_encoding` say; a long one is decoded piece by piece."""
    payload, encoding = given["payload"], given["payload_encoding"]
    if not isinstance(payload, str):
        raise bad_request("payload_not_string")
    if encoding == "string":
        return bodies.text(given, "payload").encode()
    if encoding != "base64":
        raise bad_request(["unsupported_encoding", encoding])
    body = bytearray()
    try:
        for at in range(0, len(payload), _PIECE_CHARACTERS):
            if at:
                if len(body) * 4 != at * 3:  # it ended before
                    raise ValueError
                yield
            body += base64.b64decode(payload[at : at + _PIECE_CHARACTERS], validate=True)
    except (binascii.Error, ValueError):
        raise bad_request(["not_base64", payload[:100]]) from None
    return body
