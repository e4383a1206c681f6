"""Headers of SEND to the properties of a message, and back to those of MESSAGE.

One table says which header is which property; it is RabbitMQ's. All other headers become entries of the message's
`headers`, as text; what belongs to the frame and not to the message (content-length, receipt, transaction) does not.
Of the entries of a message from elsewhere, texts, numbers and truth values become headers; tables, arrays and the like
have no text form. A reply-to that is a topic is said in REPLY_TO_TOPIC as well, for those who know no destinations,
and read from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from menura.core.arguments import check_expiration
from menura.core.fields import Value
from menura.core.properties import REPLY_TO_TOPIC, Properties
from menura.protocols.stomp.destinations import TOPIC_EXCHANGE, format_destination, reply_destination, reply_topic
from menura.protocols.stomp.errors import StompError
from menura.protocols.stomp.frames import Dialect, number, truth

# Header to property, for those that are texts on both sides.
TEXTS = {
    "content-type": "content_type",
    "content-encoding": "content_encoding",
    "correlation-id": "correlation_id",
    "reply-to": "reply_to",
    "expiration": "expiration",
    "amqp-message-id": "message_id",
    "type": "type",
    "user-id": "user_id",
    "app-id": "app_id",
}
# The same for numbers, with the highest.
NUMBERS = {"priority": ("priority", 0xFF), "timestamp": ("timestamp", 0xFFFF_FFFF_FFFF_FFFF)}
PERSISTENT = 2  # the delivery mode
_OF_THE_FRAME = frozenset(("destination", "content-length", "receipt", "transaction"))
_NOT_ENTRIES = frozenset((*TEXTS, *NUMBERS, "persistent", *_OF_THE_FRAME))
# What MESSAGE says of itself: no entry of a message may stand in for it.
_OF_THE_DELIVERY = frozenset(("subscription", "message-id", "redelivered", "ack", *_NOT_ENTRIES))


def to_properties(headers: Mapping[str, str]) -> Properties:
    """What a SEND frame says of its message."""
    if "message-id" in headers:
        raise StompError("Invalid header", "'message-id' is not allowed on 'SEND'.\n")
    expiration = headers.get("expiration")
    if expiration is not None:
        check_expiration(expiration)
    entries: dict[str, Value] = {name: value for name, value in headers.items() if name not in _NOT_ENTRIES}
    topic = reply_topic(headers["reply-to"]) if "reply-to" in headers else None
    if topic is not None:
        entries[REPLY_TO_TOPIC] = topic
    return Properties(
        content_type=headers.get("content-type"),
        content_encoding=headers.get("content-encoding"),
        headers=entries or None,
        delivery_mode=PERSISTENT if truth(headers, "persistent") else None,
        priority=number(headers, "priority", 0, NUMBERS["priority"][1]),
        correlation_id=headers.get("correlation-id"),
        reply_to=headers.get("reply-to"),
        expiration=expiration,
        message_id=headers.get("amqp-message-id"),
        timestamp=number(headers, "timestamp", 0, NUMBERS["timestamp"][1]),
        type=headers.get("type"),
        user_id=headers.get("user-id"),
        app_id=headers.get("app-id"),
    )


def from_properties(properties: Properties) -> Iterable[tuple[str, str]]:
    """What a MESSAGE frame says of its message."""
    for header, name in TEXTS.items():
        text = getattr(properties, name)
        if text is not None:
            yield header, reply_destination(text) if header == "reply-to" else text
    entries = properties.headers or {}
    topic = entries.get(REPLY_TO_TOPIC)
    if properties.reply_to is None and isinstance(topic, str):
        yield "reply-to", format_destination(TOPIC_EXCHANGE, topic)
    if properties.delivery_mode == PERSISTENT:
        yield "persistent", "true"
    for header, (name, _) in NUMBERS.items():
        value = getattr(properties, name)
        if value is not None:
            yield header, str(value)
    for header, entry in entries.items():
        if header not in _OF_THE_DELIVERY:
            shown = _shown(entry)
            if header and shown is not None:
                yield header, shown


def _shown(value: Value) -> str | None:
    """An entry's value as text; None where it has none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def message_lines(block: bytes, dialect: Dialect) -> bytes:
    """The header lines of a message with this block of properties, each with its line end.

    A NUL ends a frame and cannot be escaped: a header with one is left out.
    """
    escape = dialect.escape
    lines = (f"{escape(name)}:{escape(value)}\n" for name, value in from_properties(Properties.decode(block)))
    return "".join(line for line in lines if "\x00" not in line).encode()
