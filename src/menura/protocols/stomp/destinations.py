"""Destinations: where SEND goes and SUBSCRIBE listens, as RabbitMQ names them.

    /queue/N             a durable queue, made if there is none     default exchange, key N
    /amq/queue/N         a queue that somebody has made             default exchange, key N
    /reply-queue/N       the same; N may have slashes               default exchange, key N
    /topic/K             a queue for each subscription              amq.topic, key K
    /exchange/E[/K]      a queue for each subscription              E, key K
    /temp-queue/N        only as reply-to: a queue of this connection

A name without a slash is that of a queue. In names %2F stands for a slash; the other way round, whatever is not plain
ASCII is written as %HH for each octet, and so read back.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from menura.protocols.stomp.errors import StompError
from menura.protocols.stomp.frames import shown

QUEUE, AMQ_QUEUE, REPLY_QUEUE, TOPIC, EXCHANGE, TEMP_QUEUE = (
    "queue", "amq/queue", "reply-queue", "topic", "exchange", "temp-queue",
)  # fmt: skip
_KINDS = (TEMP_QUEUE, EXCHANGE, TOPIC, AMQ_QUEUE, QUEUE, REPLY_QUEUE)
TEMP_PREFIX = "/temp-queue/"
REPLY_PREFIX = "/reply-queue/"
TOPIC_EXCHANGE = "amq.topic"
NAME_BYTES_MAX = 255
# Beginnings of a reply-to that is a destination already.
_ADDRESSES = ("/exchange", "/topic", "/amq/queue", "/queue", "/reply-queue/")
_hexadecimal = re.compile(r"(?:%[0-9A-Fa-f]{2})+").sub
_unsafe = re.compile(rb"[^ -~]|[/%]").sub


class Destination(NamedTuple):
    """`name` is that of a queue or an exchange, or a topic; `key` is None unless an exchange has one."""

    kind: str
    name: str
    key: str | None = None

    @property
    def address(self) -> tuple[str, str]:
        """Exchange and routing key."""
        if self.kind == EXCHANGE:
            return self.name, self.key or ""
        if self.kind == TOPIC:
            return TOPIC_EXCHANGE, self.name
        return "", self.name


def parse_destination(text: str) -> Destination:
    if "/" not in text:
        if not text:
            raise StompError("Invalid destination", "Destination cannot be blank")
        return Destination(QUEUE, _decoded(text))
    for kind in _KINDS:
        prefix = f"/{kind}"
        if text.startswith(prefix) and text[len(prefix) : len(prefix) + 1] in ("/", ""):
            return _parse(kind, text[len(prefix) :])
    raise StompError(
        "Unknown destination",
        f"'{shown(text)}' is not a valid destination.\n"
        "Valid destination types are: /temp-queue, /exchange, /topic, /queue, /amq/queue, /reply-queue/.\n",
    )


def _parse(kind: str, rest: str) -> Destination:
    parts = rest.split("/")[1:]
    if kind == REPLY_QUEUE and len(rest) > 1:
        return Destination(kind, _decoded(rest[1:]))
    if parts and parts[0]:
        if len(parts) == 1:
            return Destination(kind, _decoded(parts[0]))
        if kind == EXCHANGE and len(parts) == 2:
            return Destination(kind, _decoded(parts[0]), _decoded(parts[1]))
    raise StompError(
        "Invalid destination", f"'{shown(rest)}' is not a valid {kind.replace('amq/', 'amq')} destination\n"
    )


def _decoded(text: str) -> str:
    name = _hexadecimal(_octets, text) if "%" in text else text
    if len(name.encode()) > NAME_BYTES_MAX:
        raise StompError("Invalid destination", f"'{shown(name)}' is longer than {NAME_BYTES_MAX} octets\n")
    return name


def _octets(found: re.Match[str]) -> str:
    text = found.group()
    try:
        return bytes.fromhex(text.replace("%", "")).decode()
    except UnicodeDecodeError:
        return text


def format_destination(exchange: str, key: str) -> str:
    """Where a message was sent, for those who get it."""
    if not exchange:
        return f"/queue/{_encoded(key)}"
    if exchange == TOPIC_EXCHANGE:
        return f"/topic/{_encoded(key)}"
    return f"/exchange/{_encoded(exchange)}/{_encoded(key)}" if key else f"/exchange/{_encoded(exchange)}"


def _encoded(text: str) -> str:
    return _unsafe(lambda found: b"%%%02X" % found.group()[0], text.encode()).decode()


def reply_destination(reply_to: str) -> str:
    """A message's reply-to as a destination: what is none already names a queue."""
    return reply_to if reply_to.startswith(_ADDRESSES) else REPLY_PREFIX + reply_to


def reply_topic(reply_to: str) -> str | None:
    """The routing key of amq.topic that a reply-to stands for; None for any other."""
    try:
        exchange, key = parse_destination(reply_to).address
    except StompError:
        return None
    return key if exchange == TOPIC_EXCHANGE else None
