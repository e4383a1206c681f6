"""The headers exchange: which messages a binding's arguments match."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pamqp.commands import Queue
from tests.conformance.answers import channel_error
from tests.conformance.frames import long, raw_method, short
from tests.conformance.wire import Client

NO_HEADERS = None

# (binding arguments, message headers, whether they match)
CASES: list[tuple[dict[str, Any], dict[str, Any] | None, bool]] = [
    ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
    ({"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, True),
    ({"a": 1, "b": 2}, {"a": 1}, False),
    ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
    ({"a": 1, "b": 2}, {}, False),
    ({"a": 1, "b": 2}, NO_HEADERS, False),
    ({"x-match": "all", "a": 1, "b": 2}, {"a": 1, "b": 2}, True),
    ({"x-match": "all", "a": 1, "b": 2}, {"b": 2}, False),
    ({}, {"a": 1}, True),
    ({}, NO_HEADERS, True),
    ({"x-match": "any", "a": 1, "b": 2}, {"a": 1}, True),
    ({"x-match": "any", "a": 1, "b": 2}, {"b": 2, "c": 3}, True),
    ({"x-match": "any", "a": 1, "b": 2}, {"a": 2, "b": 1}, False),
    ({"x-match": "any", "a": 1, "b": 2}, {}, False),
    ({"x-match": "any"}, {"a": 1}, False),
    ({"x-match": "any"}, NO_HEADERS, False),
    # Arguments that begin with x- count only where the mode says so.
    ({"x-match": "all", "x-a": 1, "b": 2}, {"b": 2}, True),
    ({"x-match": "all", "x-a": 1, "b": 2}, {"b": 2, "x-a": 9}, True),
    ({"x-match": "any", "x-a": 1}, {"x-a": 1}, False),
    ({"x-match": "all-with-x", "x-a": 1, "b": 2}, {"b": 2}, False),
    ({"x-match": "all-with-x", "x-a": 1, "b": 2}, {"b": 2, "x-a": 1}, True),
    ({"x-match": "all-with-x", "x-a": 1, "b": 2}, {"b": 2, "x-a": 9}, False),
    ({"x-match": "any-with-x", "x-a": 1, "b": 2}, {"x-a": 1}, True),
    ({"x-match": "any-with-x", "x-a": 1, "b": 2}, {"b": 2}, True),
    ({"x-match": "any-with-x", "x-a": 1, "b": 2}, {"c": 1}, False),
    # A void argument asks for the header, whatever its value.
    ({"a": None}, {"a": 1}, True),
    ({"a": None}, {"a": "text"}, True),
    ({"a": None}, {"a": None}, True),
    ({"a": None}, {"b": 1}, False),
    # Values are compared with their kind; numbers are numbers.
    ({"a": 1}, {"a": "1"}, False),
    ({"a": 1}, {"a": True}, False),
    ({"a": 1}, {"a": 1.0}, True),
    ({"a": True}, {"a": True}, True),
    ({"a": "text"}, {"a": "text"}, True),
    ({"a": "text"}, {"a": "Text"}, False),
    ({"a": 70_000}, {"a": 70_000}, True),
    ({"a": {"k": 1}}, {"a": {"k": 1}}, True),
    ({"a": {"k": 1}}, {"a": {"k": 2}}, False),
    ({"a": [1, 2]}, {"a": [1, 2]}, True),
    ({"a": [1, 2]}, {"a": [2, 1]}, False),
    ({"a": 1}, {"A": 1}, False),
]


@pytest.mark.parametrize(("arguments", "headers", "matches"), CASES)
def test_a_binding_matches_by_headers(
    c: Client, q: str, x: str, arguments: dict[str, Any], headers: dict[str, Any] | None, matches: bool
) -> None:
    c.exchange(x, "headers")
    c.queue(q)
    c.bind(q, x, arguments=arguments)
    c.publish("", exchange=x, headers=headers)
    assert c.bodies(q) == [b"m"] * matches


def test_the_routing_key_means_nothing(c: Client, q: str, x: str) -> None:
    c.exchange(x, "headers")
    c.queue(q)
    c.bind(q, x, "bound", {"a": 1})
    c.publish("published", exchange=x, headers={"a": 1})
    assert c.bodies(q) == [b"m"]


def test_integers_of_different_width_are_the_same(c: Client, q: str, x: str) -> None:
    c.exchange(x, "headers")
    c.queue(q)
    wide = long(short("a") + b"l" + struct.pack(">q", 1))
    c.ask(raw_method(50, 20, b"\0\0" + short(q) + short(x) + short("") + b"\0" + wide), "1 Queue.BindOk()")
    c.publish("", exchange=x, headers={"a": 1})
    assert c.bodies(q) == [b"m"]


def test_a_queue_gets_one_copy_however_many_bindings_match(c: Client, q: str, x: str) -> None:
    c.exchange(x, "headers")
    c.queue(q)
    c.bind(q, x, arguments={"a": 1})
    c.bind(q, x, arguments={"x-match": "any", "a": 1, "b": 1})
    c.publish("", exchange=x, headers={"a": 1, "b": 1})
    assert c.bodies(q) == [b"m"]


def test_bindings_with_different_arguments_are_unbound_one_by_one(c: Client, q: str, x: str) -> None:
    c.exchange(x, "headers")
    c.queue(q)
    c.bind(q, x, arguments={"a": 1})
    c.bind(q, x, arguments={"b": 1})
    c.ask(Queue.Unbind(queue=q, exchange=x, routing_key="", arguments={"a": 1}), "1 Queue.UnbindOk()")
    c.publish("", b"a", exchange=x, headers={"a": 1})
    c.publish("", b"b", exchange=x, headers={"b": 1})
    assert c.bodies(q) == [b"b"]


BAD_MODES = [
    ("some", 'Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x'),
    (1, "Invalid x-match field type byte (value 1); expected longstr"),
    (True, "Invalid x-match field type bool (value true); expected longstr"),
]


@pytest.mark.parametrize(("mode", "why"), BAD_MODES)
def test_a_binding_has_one_of_four_modes(c: Client, q: str, mode: Any, why: str) -> None:
    c.queue(q)
    method = Queue.Bind(queue=q, exchange="amq.headers", routing_key="", arguments={"x-match": mode})
    c.ask(method, channel_error(406, why, Queue.Bind))
