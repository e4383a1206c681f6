"""The protocol as data: reply codes, and every class and method with its arguments.

AMQP 0-9-1 with RabbitMQ's extensions (basic.nack, confirm, exchange.bind, connection.blocked, connection.update-secret). Codec,
error table and tests read this file; nothing else states an id.
"""

from __future__ import annotations

from typing import NamedTuple


class ReplyCode(NamedTuple):
    """`hard` errors close the connection, the others the channel."""

    code: int
    hard: bool


REPLY_CODES: dict[str, ReplyCode] = {
    "REPLY_SUCCESS": ReplyCode(200, False),
    "CONTENT_TOO_LARGE": ReplyCode(311, False),
    "NO_ROUTE": ReplyCode(312, False),
    "NO_CONSUMERS": ReplyCode(313, False),
    "ACCESS_REFUSED": ReplyCode(403, False),
    "NOT_FOUND": ReplyCode(404, False),
    "RESOURCE_LOCKED": ReplyCode(405, False),
    "PRECONDITION_FAILED": ReplyCode(406, False),
    "CONNECTION_FORCED": ReplyCode(320, True),
    "INVALID_PATH": ReplyCode(402, True),
    "FRAME_ERROR": ReplyCode(501, True),
    "SYNTAX_ERROR": ReplyCode(502, True),
    "COMMAND_INVALID": ReplyCode(503, True),
    "CHANNEL_ERROR": ReplyCode(504, True),
    "UNEXPECTED_FRAME": ReplyCode(505, True),
    "RESOURCE_ERROR": ReplyCode(506, True),
    "NOT_ALLOWED": ReplyCode(530, True),
    "NOT_IMPLEMENTED": ReplyCode(540, True),
    "INTERNAL_ERROR": ReplyCode(541, True),
}

CLASSES = {
    "connection": 10, "channel": 20, "access": 30, "exchange": 40, "queue": 50, "basic": 60, "confirm": 85, "tx": 90,
}  # fmt: skip

# class.method -> (method id, arguments as "name:type ..."). A name that is a Python keyword has an underscore behind it. The
# types are those of section 4.2.5; consecutive bits share an octet.
METHODS: dict[str, tuple[int, str]] = {
    "connection.start": (
        10,
        "version_major:octet version_minor:octet server_properties:table mechanisms:longstr locales:longstr",
    ),
    "connection.start-ok": (11, "client_properties:table mechanism:shortstr response:longstr locale:shortstr"),
    "connection.secure": (20, "challenge:longstr"),
    "connection.secure-ok": (21, "response:longstr"),
    "connection.tune": (30, "channel_max:short frame_max:long heartbeat:short"),
    "connection.tune-ok": (31, "channel_max:short frame_max:long heartbeat:short"),
    "connection.open": (40, "virtual_host:shortstr reserved_1:shortstr reserved_2:bit"),
    "connection.open-ok": (41, "reserved_1:shortstr"),
    "connection.close": (50, "reply_code:short reply_text:shortstr class_id:short method_id:short"),
    "connection.close-ok": (51, ""),
    "connection.blocked": (60, "reason:shortstr"),
    "connection.unblocked": (61, ""),
    "connection.update-secret": (70, "new_secret:longstr reason:shortstr"),
    "connection.update-secret-ok": (71, ""),
    "channel.open": (10, "reserved_1:shortstr"),
    "channel.open-ok": (11, "channel_id:longstr"),
    "channel.flow": (20, "active:bit"),
    "channel.flow-ok": (21, "active:bit"),
    "channel.close": (40, "reply_code:short reply_text:shortstr class_id:short method_id:short"),
    "channel.close-ok": (41, ""),
    "access.request": (10, "realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit"),
    "access.request-ok": (11, "ticket:short"),
    "exchange.declare": (
        10,
        "ticket:short exchange:shortstr type:shortstr passive:bit durable:bit auto_delete:bit internal:bit nowait:bit "
        "arguments:table",
    ),
    "exchange.declare-ok": (11, ""),
    "exchange.delete": (20, "ticket:short exchange:shortstr if_unused:bit nowait:bit"),
    "exchange.delete-ok": (21, ""),
    "exchange.bind": (
        30,
        "ticket:short destination:shortstr source:shortstr routing_key:shortstr nowait:bit arguments:table",
    ),
    "exchange.bind-ok": (31, ""),
    "exchange.unbind": (
        40,
        "ticket:short destination:shortstr source:shortstr routing_key:shortstr nowait:bit arguments:table",
    ),
    "exchange.unbind-ok": (51, ""),
    "queue.declare": (
        10,
        "ticket:short queue:shortstr passive:bit durable:bit exclusive:bit auto_delete:bit nowait:bit arguments:table",
    ),
    "queue.declare-ok": (11, "queue:shortstr message_count:long consumer_count:long"),
    "queue.bind": (
        20,
        "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr nowait:bit arguments:table",
    ),
    "queue.bind-ok": (21, ""),
    "queue.purge": (30, "ticket:short queue:shortstr nowait:bit"),
    "queue.purge-ok": (31, "message_count:long"),
    "queue.delete": (40, "ticket:short queue:shortstr if_unused:bit if_empty:bit nowait:bit"),
    "queue.delete-ok": (41, "message_count:long"),
    "queue.unbind": (50, "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr arguments:table"),
    "queue.unbind-ok": (51, ""),
    "basic.qos": (10, "prefetch_size:long prefetch_count:short global_:bit"),
    "basic.qos-ok": (11, ""),
    "basic.consume": (
        20,
        "ticket:short queue:shortstr consumer_tag:shortstr no_local:bit no_ack:bit exclusive:bit nowait:bit "
        "arguments:table",
    ),
    "basic.consume-ok": (21, "consumer_tag:shortstr"),
    "basic.cancel": (30, "consumer_tag:shortstr nowait:bit"),
    "basic.cancel-ok": (31, "consumer_tag:shortstr"),
    "basic.publish": (40, "ticket:short exchange:shortstr routing_key:shortstr mandatory:bit immediate:bit"),
    "basic.return": (50, "reply_code:short reply_text:shortstr exchange:shortstr routing_key:shortstr"),
    "basic.deliver": (
        60,
        "consumer_tag:shortstr delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr",
    ),
    "basic.get": (70, "ticket:short queue:shortstr no_ack:bit"),
    "basic.get-ok": (
        71,
        "delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr message_count:long",
    ),
    "basic.get-empty": (72, "reserved_1:shortstr"),
    "basic.ack": (80, "delivery_tag:longlong multiple:bit"),
    "basic.reject": (90, "delivery_tag:longlong requeue:bit"),
    "basic.recover-async": (100, "requeue:bit"),
    "basic.recover": (110, "requeue:bit"),
    "basic.recover-ok": (111, ""),
    "basic.nack": (120, "delivery_tag:longlong multiple:bit requeue:bit"),
    "confirm.select": (10, "nowait:bit"),
    "confirm.select-ok": (11, ""),
    "tx.select": (10, ""),
    "tx.select-ok": (11, ""),
    "tx.commit": (20, ""),
    "tx.commit-ok": (21, ""),
    "tx.rollback": (30, ""),
    "tx.rollback-ok": (31, ""),
}
