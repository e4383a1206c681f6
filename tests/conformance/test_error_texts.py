"""How values look in the texts of errors, and how long these may be."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Queue
from tests.conformance.answers import channel_error, declared
from tests.conformance.typed_fields import Value, method_frame
from tests.conformance.wire import Client


def inequivalent(received: str, current: str) -> str:
    text = f"inequivalent arg 'x-overflow' for queue 'q' in vhost '/': received {received} but current is {current}"
    return channel_error(406, text, Queue.Declare)


def with_overflow(queue: str, *value: Value) -> bytes:
    arguments: Any = {"x-overflow": value[0]} if value else {}
    return method_frame(1, Queue.Declare(queue=queue, exclusive=True, arguments=arguments))


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (("S", "x"), "'x'"),
        (("x", b"x"), "'x'"),
        (("V", None), "none"),
        (("t", True), "'true'"),
        (("T", 5), "'5'"),
        (("d", 1.5), "'1.5'"),
        (("A", []), "'[]'"),
        (("A", [("I", 1), ("S", "a")]), "'[{signedint,1},{longstr,<<\"a\">>}]'"),
        (("F", {}), "'[]'"),
        (("F", {"a": ("I", 1), "b": ("V", None)}), '\'[{<<"a">>,signedint,1},{<<"b">>,void,undefined}]\''),
    ],
)
def test_a_value_is_printed_as_a_term(c: Client, q: str, value: Value, printed: str) -> None:
    c.queue(q, **{"x-overflow": "drop-head"})
    c.ask(with_overflow(q, value), inequivalent(printed, "'drop-head'"))


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (("S", "x"), "'x' of type 'longstr'"),
        (("V", None), "'undefined' of type 'void'"),
        (("F", {"a": ("I", 1)}), "'[{<<\"a\">>,signedint,1}]' of type 'table'"),
    ],
)
def test_a_value_where_there_was_none_is_printed_with_its_type(c: Client, q: str, value: Value, printed: str) -> None:
    c.queue(q)
    c.ask(with_overflow(q, value), inequivalent(f"the value {printed}", "none"))


def test_a_text_that_is_too_long_ends_in_dots(c: Client, q: str) -> None:
    name = q.ljust(255, "n")
    text = f"NOT_FOUND - no queue '{name}"[:252] + "..."
    c.send(Basic.Get(queue=name))
    _, close, _, _ = c.method()
    assert close.reply_text == text


@pytest.mark.parametrize(
    ("kind", "argument"),
    [("classic", "x-stream-offset"), ("quorum", "x-stream-offset"), ("quorum", "x-cancel-on-ha-failover")],
)
def test_a_consumers_argument_for_another_type_of_queue_is_refused(c: Client, q: str, kind: str, argument: str) -> None:
    c.ask(Queue.Declare(queue=q, durable=True, arguments={"x-queue-type": kind}), declared())
    text = f"invalid arg '{argument}' for queue 'q' in vhost '/' of queue type rabbit_{kind}_queue"
    c.ask(Basic.Consume(queue=q, arguments={argument: True}), channel_error(406, text, Basic.Consume))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (("S", ""), "value <<>>; expected all, any, all-with-x, or any-with-x"),
        (("T", 5), "type timestamp (value 5); expected longstr"),
        (("V", None), "type void (value undefined); expected longstr"),
        (("A", [("I", 1)]), "type array (value [{signedint,1}]); expected longstr"),
        (("F", {"a": ("t", True)}), 'type table (value [{<<"a">>,bool,true}]); expected longstr'),
    ],
)
def test_a_way_to_match_is_printed_as_a_term(c: Client, q: str, value: Value, why: str) -> None:
    c.queue(q)
    bind: Any = Queue.Bind(queue=q, exchange="amq.headers", arguments={"x-match": value})
    c.ask(method_frame(1, bind), channel_error(406, f"Invalid x-match field {why}", Queue.Bind))
