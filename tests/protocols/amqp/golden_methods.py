"""Every method once, as arguments and as the octets of its payload, written by hand from the specification.

Spaces part the arguments; the first two groups are class and method id. Bits of one run share an octet, the first of
them lowest; where there are several, some are set and some clear, so that a wrong order shows.
"""

from __future__ import annotations

from typing import Any

_CLOSE = {"reply_code": 404, "reply_text": "gone", "class_id": 50, "method_id": 10}
_CLOSE_HEX = "0194 04676f6e65 0032 000a"
_TUNE = {"channel_max": 2047, "frame_max": 131072, "heartbeat": 60}
_TUNE_HEX = "07ff 00020000 003c"
_BINDING = {
    "ticket": 0, "destination": "d", "source": "s", "routing_key": "k", "nowait": True, "arguments": {"a": True},
}  # fmt: skip
_BINDING_HEX = "0000 0164 0173 016b 01 00000004 0161 74 01"

GOLDEN_METHODS: list[tuple[str, dict[str, Any], str]] = [
    (
        "connection.start",
        {"version_major": 0, "version_minor": 9, "server_properties": {"p": "m"}, "mechanisms": b"PLAIN",
         "locales": b"en_US"},
        "000a 000a 00 09 00000008 0170 53 00000001 6d 00000005504c41494e 00000005656e5f5553",
    ),
    (
        "connection.start-ok",
        {"client_properties": {}, "mechanism": "PLAIN", "response": b"\x00g\x00g", "locale": "en_US"},
        "000a 000b 00000000 05504c41494e 0000000400670067 05656e5f5553",
    ),
    ("connection.secure", {"challenge": b"?\xff"}, "000a 0014 000000023fff"),
    ("connection.secure-ok", {"response": b"!"}, "000a 0015 0000000121"),
    ("connection.tune", _TUNE, "000a 001e" + _TUNE_HEX),
    ("connection.tune-ok", _TUNE, "000a 001f" + _TUNE_HEX),
    ("connection.open", {"virtual_host": "/", "reserved_1": "", "reserved_2": True}, "000a 0028 012f 00 01"),
    ("connection.open-ok", {"reserved_1": ""}, "000a 0029 00"),
    ("connection.close", _CLOSE, "000a 0032" + _CLOSE_HEX),
    ("connection.close-ok", {}, "000a 0033"),
    ("connection.blocked", {"reason": "low on memory"}, "000a 003c 0d6c6f77206f6e206d656d6f7279"),
    ("connection.unblocked", {}, "000a 003d"),
    ("connection.update-secret", {"new_secret": b"s", "reason": "r"}, "000a 0046 0000000173 0172"),
    ("connection.update-secret-ok", {}, "000a 0047"),
    ("channel.open", {"reserved_1": ""}, "0014 000a 00"),
    ("channel.open-ok", {"reserved_1": b""}, "0014 000b 00000000"),
    ("channel.flow", {"active": True}, "0014 0014 01"),
    ("channel.flow-ok", {"active": False}, "0014 0015 00"),
    ("channel.close", _CLOSE, "0014 0028" + _CLOSE_HEX),
    ("channel.close-ok", {}, "0014 0029"),
    (
        "access.request",
        {"realm": "/data", "exclusive": True, "passive": False, "active": False, "write": True, "read": False},
        "001e 000a 052f64617461 09",
    ),
    ("access.request-ok", {"ticket": 1}, "001e 000b 0001"),
    (
        "exchange.declare",
        {"ticket": 0, "exchange": "x", "type": "topic", "passive": False, "durable": True, "auto_delete": False,
         "internal": True, "nowait": False, "arguments": {"alternate-exchange": "y"}},
        "0028 000a 0000 0178 05746f706963 0a"
        " 00000019 12616c7465726e6174652d65786368616e6765 53 00000001 79",
    ),
    ("exchange.declare-ok", {}, "0028 000b"),
    (
        "exchange.delete",
        {"ticket": 0, "exchange": "x", "if_unused": True, "nowait": False},
        "0028 0014 0000 0178 01",
    ),
    ("exchange.delete-ok", {}, "0028 0015"),
    ("exchange.bind", _BINDING, "0028 001e" + _BINDING_HEX),
    ("exchange.bind-ok", {}, "0028 001f"),
    ("exchange.unbind", _BINDING, "0028 0028" + _BINDING_HEX),
    ("exchange.unbind-ok", {}, "0028 0033"),
    (
        "queue.declare",
        {"ticket": 0, "queue": "q", "passive": False, "durable": True, "exclusive": False, "auto_delete": False,
         "nowait": True, "arguments": {"x-max-priority": 10}},
        "0032 000a 0000 0171 12 00000014 0e782d6d61782d7072696f72697479 49 0000000a",
    ),
    (
        "queue.declare-ok",
        {"queue": "q", "message_count": 258, "consumer_count": 3},
        "0032 000b 0171 00000102 00000003",
    ),
    (
        "queue.bind",
        {"ticket": 0, "queue": "q", "exchange": "x", "routing_key": "k", "nowait": False, "arguments": {}},
        "0032 0014 0000 0171 0178 016b 00 00000000",
    ),
    ("queue.bind-ok", {}, "0032 0015"),
    ("queue.purge", {"ticket": 0, "queue": "q", "nowait": True}, "0032 001e 0000 0171 01"),
    ("queue.purge-ok", {"message_count": 7}, "0032 001f 00000007"),
    (
        "queue.delete",
        {"ticket": 0, "queue": "q", "if_unused": False, "if_empty": True, "nowait": False},
        "0032 0028 0000 0171 02",
    ),
    ("queue.delete-ok", {"message_count": 7}, "0032 0029 00000007"),
    (
        "queue.unbind",
        {"ticket": 0, "queue": "q", "exchange": "x", "routing_key": "k", "arguments": {}},
        "0032 0032 0000 0171 0178 016b 00000000",
    ),
    ("queue.unbind-ok", {}, "0032 0033"),
    ("basic.qos", {"prefetch_size": 0, "prefetch_count": 500, "global_": True}, "003c 000a 00000000 01f4 01"),
    ("basic.qos-ok", {}, "003c 000b"),
    (
        "basic.consume",
        {"ticket": 0, "queue": "q", "consumer_tag": "c", "no_local": False, "no_ack": True, "exclusive": True,
         "nowait": False, "arguments": {"x-priority": -1}},
        "003c 0014 0000 0171 0163 06 00000010 0a782d7072696f72697479 49 ffffffff",
    ),
    ("basic.consume-ok", {"consumer_tag": "c"}, "003c 0015 0163"),
    ("basic.cancel", {"consumer_tag": "c", "nowait": True}, "003c 001e 0163 01"),
    ("basic.cancel-ok", {"consumer_tag": "c"}, "003c 001f 0163"),
    (
        "basic.publish",
        {"ticket": 0, "exchange": "", "routing_key": "é", "mandatory": True, "immediate": False},
        "003c 0028 0000 00 02c3a9 01",
    ),
    (
        "basic.return",
        {"reply_code": 312, "reply_text": "NO_ROUTE", "exchange": "x", "routing_key": "k"},
        "003c 0032 0138 084e4f5f524f555445 0178 016b",
    ),
    (
        "basic.deliver",
        {"consumer_tag": "c", "delivery_tag": 2**40 + 1, "redelivered": True, "exchange": "x", "routing_key": "k"},
        "003c 003c 0163 0000010000000001 01 0178 016b",
    ),
    ("basic.get", {"ticket": 0, "queue": "q", "no_ack": True}, "003c 0046 0000 0171 01"),
    (
        "basic.get-ok",
        {"delivery_tag": 1, "redelivered": False, "exchange": "x", "routing_key": "k", "message_count": 9},
        "003c 0047 0000000000000001 00 0178 016b 00000009",
    ),
    ("basic.get-empty", {"reserved_1": ""}, "003c 0048 00"),
    ("basic.ack", {"delivery_tag": 5, "multiple": True}, "003c 0050 0000000000000005 01"),
    ("basic.reject", {"delivery_tag": 5, "requeue": False}, "003c 005a 0000000000000005 00"),
    ("basic.recover-async", {"requeue": True}, "003c 0064 01"),
    ("basic.recover", {"requeue": True}, "003c 006e 01"),
    ("basic.recover-ok", {}, "003c 006f"),
    ("basic.nack", {"delivery_tag": 2**64 - 1, "multiple": False, "requeue": True}, "003c 0078 ffffffffffffffff 02"),
    ("tx.select", {}, "005a 000a"),
    ("tx.select-ok", {}, "005a 000b"),
    ("tx.commit", {}, "005a 0014"),
    ("tx.commit-ok", {}, "005a 0015"),
    ("tx.rollback", {}, "005a 001e"),
    ("tx.rollback-ok", {}, "005a 001f"),
    ("confirm.select", {"nowait": True}, "0055 000a 01"),
    ("confirm.select-ok", {}, "0055 000b"),
]  # fmt: skip
