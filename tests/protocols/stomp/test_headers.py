"""Headers and the properties of messages, both ways; every row of the table in the documents."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.protocols.stomp.memory import Client, frame, send

from menura.core import content as packed
from menura.core.fields import FieldError, encode_value
from menura.core.node import Node
from menura.core.properties import Properties, PropertiesError
from menura.core.routing import Route
from menura.core.run import Run
from menura.protocols.stomp.errors import translate

# STOMP header: value, property, value
ROWS: dict[str, tuple[str, str, Any]] = {
    "content-type": ("text/plain", "content_type", "text/plain"),
    "content-encoding": ("gzip", "content_encoding", "gzip"),
    "persistent": ("true", "delivery_mode", 2),
    "priority": ("7", "priority", 7),
    "correlation-id": ("c", "correlation_id", "c"),
    "reply-to": ("/queue/answers", "reply_to", "/queue/answers"),
    "expiration": ("60000", "expiration", "60000"),
    "amqp-message-id": ("m", "message_id", "m"),
    "timestamp": ("1700000000", "timestamp", 1700000000),
    "type": ("t", "type", "t"),
    "user-id": ("guest", "user_id", "guest"),
    "app-id": ("a", "app_id", "a"),
}


def sent(node: Node, name: str = "q") -> Properties:
    """The properties of the one message in a queue."""
    taken = node.vhosts["/"].queues[name].take(10)
    assert taken is not None
    (content,) = taken[1].contents
    return Properties.decode(packed.properties_of(content))


def delivered(properties: Properties, version: str = "1.2", body: bytes = b"x") -> dict[str, str]:
    """The headers of MESSAGE, less those of the delivery, for a message from elsewhere."""
    client = Client().connect(version)
    client.subscribe("/queue/q")
    content = packed.pack(properties.encode(), body)
    client.node.vhosts["/"].publish(route := Route("", "q"), Run(route, [content], len(content), len(content), False))
    (answer,) = client.take()
    assert answer.body == body
    own = ("subscription", "destination", "message-id", "redelivered", "ack", "content-length")
    return {name: value for name, value in answer.headers.items() if name not in own}


@pytest.mark.parametrize("header", ROWS)
def test_a_header_of_send_is_a_property(header: str) -> None:
    value, name, expected = ROWS[header]
    client = Client().connect()
    client.feed(frame("SEND", {"destination": "/queue/q", header: value}))
    assert sent(client.node).present() == {name: expected}


@pytest.mark.parametrize("header", ROWS)
def test_a_property_is_a_header_of_message(header: str) -> None:
    value, name, given = ROWS[header]
    assert delivered(Properties(**{name: given})) == {header: value}


def test_every_property_but_one_has_a_header() -> None:
    assert {name for _, name, _ in ROWS.values()} | {"headers", "cluster_id"} == set(Properties.__slots__)


@pytest.mark.parametrize("persistent", ["false", "no", ""])
def test_a_message_is_not_persistent_unless_it_says_so(persistent: str) -> None:
    client = Client().connect()
    client.feed(send("/queue/q", persistent=persistent))
    assert sent(client.node).present() == {}
    assert delivered(Properties(delivery_mode=1)) == {}


def test_other_headers_are_entries_of_the_message() -> None:
    client = Client().connect()
    client.feed(frame("SEND", {"destination": "/queue/q", "receipt": "1", "content-length": 0, "k": "v", "n": "1"}))
    assert sent(client.node).present() == {"headers": {"k": "v", "n": "1"}}


ENTRIES: dict[str, tuple[Any, str | None]] = {
    "text": ("ä", "ä"),
    "empty text": ("", ""),
    "a truth": (True, "true"),
    "a falsehood": (False, "false"),
    "a number": (5, "5"),
    "a negative number": (-5, "-5"),
    "a long number": (1 << 40, "1099511627776"),
    "a fraction": (0.5, "0.5"),
    "octets that are no text": (b"\xff", None),
    "a decimal": (Decimal("1.5"), None),
    "a time": (datetime(2024, 1, 1, tzinfo=UTC), None),
    "nothing": (None, None),
    "an array": ([1], None),
    "a table": ({"a": 1}, None),
    "text with a NUL": ("a\0b", None),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_of_a_message_is_a_header_if_it_has_a_text_form(name: str) -> None:
    value, text = ENTRIES[name]
    expected = {"before": "1", "after": "2"} if text is None else {"before": "1", "e": text, "after": "2"}
    assert delivered(Properties(headers={"before": "1", "e": value, "after": "2"})) == expected


@pytest.mark.parametrize("name", ["message-id", "ack", "subscription", "destination", "redelivered", "content-length"])
def test_no_entry_of_a_message_stands_in_for_what_the_broker_says(name: str) -> None:
    """`memory.decode` fails on a header that is given twice."""
    assert delivered(Properties(headers={name: "forged", "k": "v"})) == {"k": "v"}
    assert delivered(Properties(headers={"content-type": "a"}, content_type="b")) == {"content-type": "b"}


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_no_entry_of_a_message_begins_a_frame(version: str) -> None:
    evil = "x\n\n\0MESSAGE\n"
    assert "e" not in delivered(Properties(headers={"e": evil}), version)
    assert set(delivered(Properties(headers={"e": "x\n\nSEND\n"}), version)) == {"e"}


@pytest.mark.parametrize(
    ("reply_to", "header"),
    [
        ("amq.gen-x", "/reply-queue/amq.gen-x"),
        ("/queue/x", "/queue/x"),
        ("/topic/x", "/topic/x"),
        ("/exchange/x/y", "/exchange/x/y"),
        ("/amq/queue/x", "/amq/queue/x"),
        ("/reply-queue/x", "/reply-queue/x"),
        ("/else", "/reply-queue//else"),
    ],
)
def test_a_reply_to_is_a_destination(reply_to: str, header: str) -> None:
    assert delivered(Properties(reply_to=reply_to)) == {"reply-to": header}


@pytest.mark.parametrize("reply_to", ["/topic/a.%2Fb", "/exchange/amq.topic/a.%2Fb"])
def test_a_reply_to_that_is_a_topic_is_told_by_its_routing_key_too(reply_to: str) -> None:
    client = Client().connect()
    client.feed(send("/queue/q", reply_to=reply_to))
    assert sent(client.node).present() == {"headers": {"x-reply-to-topic": "a./b"}, "reply_to": reply_to}


@pytest.mark.parametrize("reply_to", ["/queue/q", "/exchange/e/a.b", "q", "", "/", "/nowhere/q", "/topic"])
def test_any_other_reply_to_is_told_as_it_is(reply_to: str) -> None:
    client = Client().connect()
    client.feed(send("/queue/q", reply_to=reply_to))
    assert sent(client.node).present() == {"reply_to": reply_to}


def test_a_topic_to_answer_to_is_a_reply_to_if_there_is_no_other() -> None:
    headers = {"x-reply-to-topic": "a./ä"}
    assert delivered(Properties(headers=headers)) == {"reply-to": "/topic/a.%2F%C3%A4"} | headers
    assert delivered(Properties(headers=headers, reply_to="q")) == {"reply-to": "/reply-queue/q"} | headers
    assert delivered(Properties(headers={"x-reply-to-topic": 7})) == {"x-reply-to-topic": "7"}


WRONG = {
    ("message-id", "1"): ("Invalid header", "'message-id' is not allowed on 'SEND'.\n"),
    ("priority", "high"): ("Invalid header", "'priority' must be a number from 0 to 255, not 'high'\n"),
    ("priority", "256"): ("Invalid header", "'priority' must be a number from 0 to 255, not '256'\n"),
    ("priority", "9" * 5000): ("Invalid header", f"'priority' must be a number from 0 to 255, not '{'9' * 80}'\n"),
    ("timestamp", "-1"): ("Invalid header", f"'timestamp' must be a number from 0 to {2**64 - 1}, not '-1'\n"),
    ("content-type", "x" * 256): ("Invalid header", "content_type of 256 octets, at most 255 fit"),
    ("expiration", "soon"): ("precondition_failed", "PRECONDITION_FAILED - invalid expiration 'soon': no_integer"),
    ("expiration", "1s"): (
        "precondition_failed", "PRECONDITION_FAILED - invalid expiration '1s': {leftover_string,\"s\"}"
    ),
    ("expiration", "-1"): ("precondition_failed", "PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}"),
    ("user-id", "bob"): (
        "precondition_failed", "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'guest'"
    ),
    ("content-length", "ten"): ("Malformed frame", "content-length 'ten' is not a number\n"),
    ("content-length", "-1"): ("Malformed frame", "content-length '-1' is not a number\n"),
    ("content-length", "9" * 5000): ("Malformed frame", f"content-length '{'9' * 80}' is not a number\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_header_that_cannot_be_is_refused(case: tuple[str, str]) -> None:
    name, value = case
    client = Client().connect()
    assert client.fails(frame("SEND", {"destination": "/queue/q", name: value})) == WRONG[case]


def test_a_header_whose_name_is_too_long_for_a_message_is_refused() -> None:
    message, _ = Client().connect().fails(frame("SEND", {"destination": "/queue/q", "k" * 256: "v"}))
    assert message == "Invalid header"


@pytest.mark.parametrize("kind", [PropertiesError, FieldError])
def test_what_the_encoding_of_properties_refuses_is_a_wrong_header(kind: type[Exception]) -> None:
    assert translate(kind("why")).message == "Invalid header"


def test_an_impersonator_may_send_as_somebody_else() -> None:
    client = Client().connect()
    client.node.add_user("guest", "guest", frozenset(("impersonator",)))
    client.feed(send("/queue/q", user_id="bob"))
    assert sent(client.node).user_id == "bob"


def test_a_headers_exchange_sees_the_headers() -> None:
    client = Client().connect()
    vhost = client.node.vhosts["/"]
    queue = vhost.declare_queue("q")
    vhost.bind("amq.headers", queue, "", {"kind": encode_value("a")})
    client.feed(*(send("/exchange/amq.headers", kind=kind) for kind in "abaa"))
    assert queue.ready_count == 3
