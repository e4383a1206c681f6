"""AMQP 0-9-1 as data: frame types, reply codes and every method, RabbitMQ's extensions included.

The codec, the session and the tests read these tables; nothing else in the project states a number of the protocol.
Sources: the 0-9-1 specification (sections 1.2 to 1.9 of its reference) and RabbitMQ's pages on extensions
(basic.nack, confirm, exchange-to-exchange bindings, blocked connections, update-secret). Arguments bear the
specification's names with `_` for `-`; `global`, a word of Python's, is `global_`, and `no-wait` is `nowait` as in
most clients.
"""

from __future__ import annotations

from typing import NamedTuple

FRAME_METHOD = 1
FRAME_HEADER = 2
FRAME_BODY = 3
FRAME_HEARTBEAT = 8
FRAME_END = 0xCE

FRAME_OVERHEAD_BYTES = 8
"""Type octet, channel, size, and the end octet."""
FRAME_BYTES_MIN = 4096
"""The least frame_max that a peer may ask for."""

PROTOCOL = "AMQP 0-9-1"
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


class ReplyCode(NamedTuple):
    name: str
    code: int
    hard: bool
    """Closes the connection; otherwise only the channel."""


REPLY_CODES = (
    ReplyCode("REPLY_SUCCESS", 200, False),
    ReplyCode("CONTENT_TOO_LARGE", 311, False),
    ReplyCode("NO_ROUTE", 312, False),
    ReplyCode("NO_CONSUMERS", 313, False),
    ReplyCode("CONNECTION_FORCED", 320, True),
    ReplyCode("INVALID_PATH", 402, True),
    ReplyCode("ACCESS_REFUSED", 403, False),
    ReplyCode("NOT_FOUND", 404, False),
    ReplyCode("RESOURCE_LOCKED", 405, False),
    ReplyCode("PRECONDITION_FAILED", 406, False),
    ReplyCode("FRAME_ERROR", 501, True),
    ReplyCode("SYNTAX_ERROR", 502, True),
    ReplyCode("COMMAND_INVALID", 503, True),
    ReplyCode("CHANNEL_ERROR", 504, True),
    ReplyCode("UNEXPECTED_FRAME", 505, True),
    ReplyCode("RESOURCE_ERROR", 506, True),
    ReplyCode("NOT_ALLOWED", 530, True),
    ReplyCode("NOT_IMPLEMENTED", 540, True),
    ReplyCode("INTERNAL_ERROR", 541, True),
)
REPLY_BY_NAME = {reply.name: reply for reply in REPLY_CODES}

CLASS_IDS = {
    "connection": 10,
    "channel": 20,
    "access": 30,
    "exchange": 40,
    "queue": 50,
    "basic": 60,
    "confirm": 85,
    "tx": 90,
}

ARGUMENT_TYPES = ("bit", "octet", "short", "long", "longlong", "timestamp", "shortstr", "longstr", "table")


class MethodSpec(NamedTuple):
    name: str
    ids: tuple[int, int]
    arguments: tuple[tuple[str, str], ...]
    """(name, type) in the order of the wire."""
    synchronous: bool
    """It is a request that waits for an answer (unless sent with nowait)."""
    has_content: bool


_SYNC = 1
_CONTENT = 2

_CLOSE = "reply_code:short reply_text:shortstr class_id:short method_id:short"
_TUNE = "channel_max:short frame_max:long heartbeat:short"
_EXCHANGE_BIND = "ticket:short destination:shortstr source:shortstr routing_key:shortstr nowait:bit arguments:table"

_METHODS: tuple[tuple[str, int, int, str], ...] = (
    (
        "connection.start",
        10,
        _SYNC,
        "version_major:octet version_minor:octet server_properties:table mechanisms:longstr locales:longstr",
    ),
    ("connection.start-ok", 11, 0, "client_properties:table mechanism:shortstr response:longstr locale:shortstr"),
    ("connection.secure", 20, _SYNC, "challenge:longstr"),
    ("connection.secure-ok", 21, 0, "response:longstr"),
    ("connection.tune", 30, _SYNC, _TUNE),
    ("connection.tune-ok", 31, 0, _TUNE),
    ("connection.open", 40, _SYNC, "virtual_host:shortstr reserved_1:shortstr reserved_2:bit"),
    ("connection.open-ok", 41, 0, "reserved_1:shortstr"),
    ("connection.close", 50, _SYNC, _CLOSE),
    ("connection.close-ok", 51, 0, ""),
    ("connection.blocked", 60, 0, "reason:shortstr"),
    ("connection.unblocked", 61, 0, ""),
    ("connection.update-secret", 70, _SYNC, "new_secret:longstr reason:shortstr"),
    ("connection.update-secret-ok", 71, 0, ""),
    ("channel.open", 10, _SYNC, "reserved_1:shortstr"),
    ("channel.open-ok", 11, 0, "reserved_1:longstr"),
    ("channel.flow", 20, _SYNC, "active:bit"),
    ("channel.flow-ok", 21, 0, "active:bit"),
    ("channel.close", 40, _SYNC, _CLOSE),
    ("channel.close-ok", 41, 0, ""),
    ("access.request", 10, _SYNC, "realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit"),
    ("access.request-ok", 11, 0, "ticket:short"),
    (
        "exchange.declare",
        10,
        _SYNC,
        "ticket:short exchange:shortstr type:shortstr passive:bit durable:bit auto_delete:bit internal:bit nowait:bit"
        " arguments:table",
    ),
    ("exchange.declare-ok", 11, 0, ""),
    ("exchange.delete", 20, _SYNC, "ticket:short exchange:shortstr if_unused:bit nowait:bit"),
    ("exchange.delete-ok", 21, 0, ""),
    ("exchange.bind", 30, _SYNC, _EXCHANGE_BIND),
    ("exchange.bind-ok", 31, 0, ""),
    ("exchange.unbind", 40, _SYNC, _EXCHANGE_BIND),
    ("exchange.unbind-ok", 51, 0, ""),  # 51, not 41: so it was first shipped
    (
        "queue.declare",
        10,
        _SYNC,
        "ticket:short queue:shortstr passive:bit durable:bit exclusive:bit auto_delete:bit nowait:bit arguments:table",
    ),
    ("queue.declare-ok", 11, 0, "queue:shortstr message_count:long consumer_count:long"),
    (
        "queue.bind",
        20,
        _SYNC,
        "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr nowait:bit arguments:table",
    ),
    ("queue.bind-ok", 21, 0, ""),
    ("queue.purge", 30, _SYNC, "ticket:short queue:shortstr nowait:bit"),
    ("queue.purge-ok", 31, 0, "message_count:long"),
    ("queue.delete", 40, _SYNC, "ticket:short queue:shortstr if_unused:bit if_empty:bit nowait:bit"),
    ("queue.delete-ok", 41, 0, "message_count:long"),
    ("queue.unbind", 50, _SYNC, "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr arguments:table"),
    ("queue.unbind-ok", 51, 0, ""),
    ("basic.qos", 10, _SYNC, "prefetch_size:long prefetch_count:short global_:bit"),
    ("basic.qos-ok", 11, 0, ""),
    (
        "basic.consume",
        20,
        _SYNC,
        "ticket:short queue:shortstr consumer_tag:shortstr no_local:bit no_ack:bit exclusive:bit nowait:bit"
        " arguments:table",
    ),
    ("basic.consume-ok", 21, 0, "consumer_tag:shortstr"),
    ("basic.cancel", 30, _SYNC, "consumer_tag:shortstr nowait:bit"),
    ("basic.cancel-ok", 31, 0, "consumer_tag:shortstr"),
    ("basic.publish", 40, _CONTENT, "ticket:short exchange:shortstr routing_key:shortstr mandatory:bit immediate:bit"),
    ("basic.return", 50, _CONTENT, "reply_code:short reply_text:shortstr exchange:shortstr routing_key:shortstr"),
    (
        "basic.deliver",
        60,
        _CONTENT,
        "consumer_tag:shortstr delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr",
    ),
    ("basic.get", 70, _SYNC, "ticket:short queue:shortstr no_ack:bit"),
    (
        "basic.get-ok",
        71,
        _CONTENT,
        "delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr message_count:long",
    ),
    ("basic.get-empty", 72, 0, "reserved_1:shortstr"),
    ("basic.ack", 80, 0, "delivery_tag:longlong multiple:bit"),
    ("basic.reject", 90, 0, "delivery_tag:longlong requeue:bit"),
    ("basic.recover-async", 100, 0, "requeue:bit"),
    ("basic.recover", 110, _SYNC, "requeue:bit"),
    ("basic.recover-ok", 111, 0, ""),
    ("basic.nack", 120, 0, "delivery_tag:longlong multiple:bit requeue:bit"),
    ("tx.select", 10, _SYNC, ""),
    ("tx.select-ok", 11, 0, ""),
    ("tx.commit", 20, _SYNC, ""),
    ("tx.commit-ok", 21, 0, ""),
    ("tx.rollback", 30, _SYNC, ""),
    ("tx.rollback-ok", 31, 0, ""),
    ("confirm.select", 10, _SYNC, "nowait:bit"),
    ("confirm.select-ok", 11, 0, ""),
)


def _method(name: str, method_id: int, traits: int, arguments: str) -> MethodSpec:
    pairs = [argument.split(":") for argument in arguments.split()]
    return MethodSpec(
        name,
        (CLASS_IDS[name.split(".")[0]], method_id),
        tuple([(argument, kind) for argument, kind in pairs]),
        bool(traits & _SYNC),
        bool(traits & _CONTENT),
    )


METHODS = tuple([_method(*row) for row in _METHODS])
METHOD_BY_NAME = {method.name: method for method in METHODS}
METHOD_BY_IDS = {method.ids: method for method in METHODS}
