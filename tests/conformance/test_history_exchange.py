"""The exchange that gives its last messages to whoever is bound later."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Exchange, Queue
from tests.conformance.answers import BOUND, EMPTY, UNBOUND, channel_error, delivered, got, returned
from tests.conformance.wire import EXCHANGE_DECLARED, Client

HISTORY, LENGTH, NO_STORE = "x-recent-history", "x-recent-history-length", "x-recent-history-no-store"


def publish(c: Client, x: str, first: int, last: int, **properties: Any) -> None:
    for n in range(first, last + 1):
        c.publish(f"k{n}", b"%d" % n, exchange=x, **properties)


def numbers(first: int, last: int) -> list[bytes]:
    return [b"%d" % n for n in range(first, last + 1)]


def test_the_last_twenty_are_handed_on_in_order(c: Client, q: str, x: str) -> None:
    c.exchange(x, HISTORY)
    publish(c, x, 1, 25)
    c.queue(q)
    c.bind(q, x, "whatever")
    publish(c, x, 26, 27)
    assert c.bodies(q) == numbers(6, 27)


@pytest.mark.parametrize("length", [1, 3, 300, 70_000, 5_000_000_000])
def test_as_many_are_handed_on_as_the_exchange_was_declared_for(c: Client, q: str, x: str, length: int) -> None:
    c.exchange(x, HISTORY, **{LENGTH: length})
    publish(c, x, 1, 30)
    c.queue(q)
    c.bind(q, x)
    assert c.bodies(q) == numbers(max(1, 31 - length), 30)


def test_a_message_comes_as_it_was_published(c: Client, q: str, x: str) -> None:
    c.exchange(x, HISTORY)
    c.publish("a.key", b"m", exchange=x, delivery_mode=2, priority=3, headers={"h": 1})
    c.queue(q)
    c.bind(q, x, "another")
    c.ask(
        Basic.Get(queue=q, no_ack=True),
        got(1, b"m", key="a.key", exchange="x", headers={"h": 1}, delivery_mode=2, priority=3),
    )


def test_a_consumer_gets_the_history_at_once(c: Client, q: str, x: str) -> None:
    c.exchange(x, HISTORY)
    publish(c, x, 1, 2)
    c.queue(q)
    c.consume(q, no_ack=True)
    c.send(Queue.Bind(queue=q, exchange=x, routing_key=""))
    lines = sorted(c.line() for _ in range(3))
    assert lines == sorted(
        [BOUND, delivered(1, b"1", key="k1", exchange="x"), delivered(2, b"2", key="k2", exchange="x")]
    )


def test_what_goes_out_is_the_same_for_all_bound_queues(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x, HISTORY)
    for queue in (q, q2):
        c.queue(queue)
        c.bind(queue, x, "k")
    publish(c, x, 1, 3)
    assert [c.bodies(q), c.bodies(q2)] == [numbers(1, 3)] * 2


def test_a_message_nobody_was_bound_for_is_returned_and_remembered(c: Client, q: str, x: str) -> None:
    c.exchange(x, HISTORY)
    c.publish("k", exchange=x, mandatory=True)
    c.expect(returned(key="k", exchange="x"))
    c.queue(q)
    c.bind(q, x)
    assert c.bodies(q) == [b"m"]


def test_a_binding_that_exists_brings_nothing_again(c: Client, q: str, x: str) -> None:
    c.exchange(x, HISTORY)
    publish(c, x, 1, 2)
    c.queue(q)
    c.bind(q, x, "k")
    c.bind(q, x, "k")
    assert c.bodies(q) == numbers(1, 2)


def test_a_second_binding_brings_the_history_again(c: Client, q: str, x: str) -> None:
    c.exchange(x, HISTORY)
    publish(c, x, 1, 2)
    c.queue(q)
    c.bind(q, x, "k")
    c.bind(q, x, "l")
    assert c.bodies(q) == numbers(1, 2) * 2
    c.ask(Queue.Unbind(queue=q, exchange=x, routing_key="k"), UNBOUND)
    c.bind(q, x, "k")
    assert c.bodies(q) == numbers(1, 2)


def test_a_message_may_ask_not_to_be_remembered(c: Client, q: str, q2: str, x: str) -> None:
    c.exchange(x, HISTORY)
    c.queue(q)
    c.bind(q, x)
    publish(c, x, 1, 1)
    publish(c, x, 2, 2, headers={NO_STORE: True})
    publish(c, x, 3, 3, headers={NO_STORE: False})
    publish(c, x, 4, 4, headers={NO_STORE: 1})
    publish(c, x, 5, 5, headers={"other": NO_STORE})
    c.queue(q2)
    c.bind(q2, x)
    assert c.bodies(q) == numbers(1, 5)
    assert c.bodies(q2) == [b"1", b"3", b"4", b"5"]


def test_the_history_reaches_queues_behind_an_exchange(c: Client, q: str, q2: str, x: str, y: str) -> None:
    c.exchange(x, HISTORY)
    c.exchange(y, "topic")
    for queue, key in ((q, "k2"), (q2, "#")):
        c.queue(queue)
        c.bind(queue, y, key)
    publish(c, x, 1, 3)
    c.bind_exchange(y, x, "k")
    assert [c.bodies(q), sorted(c.bodies(q2))] == [[b"2"], numbers(1, 3)]


def test_a_history_behind_another_exchange_is_kept_too(c: Client, q: str, x: str, y: str) -> None:
    c.exchange(x, "fanout")
    c.exchange(y, HISTORY)
    c.bind_exchange(y, x)
    publish(c, x, 1, 3)
    c.queue(q)
    c.bind(q, y)
    c.ask(Basic.Get(queue=q, no_ack=True), got(1, b"1", left=2, key="k1", exchange="x"))


def test_a_history_that_reaches_no_queue_does_no_harm(c: Client, x: str, y: str) -> None:
    c.exchange(x, HISTORY)
    c.exchange(y, "direct")
    publish(c, x, 1, 1)
    c.send(Exchange.Bind(destination=y, source=x, routing_key="k"))
    c.expect_differing("1 Exchange.BindOk()")


def test_an_exchange_made_anew_has_no_history(c: Client, q: str, x: str) -> None:
    c.exchange(x, HISTORY)
    publish(c, x, 1, 2)
    c.ask(Exchange.Delete(exchange=x), "1 Exchange.DeleteOk()")
    c.exchange(x, HISTORY)
    c.queue(q)
    c.bind(q, x)
    c.ask(Basic.Get(queue=q), EMPTY)


WRONG = [
    (0, "0"),
    (-1, "-1"),
    (-70_000, "-70000"),
    ("5", '<<"5">>'),
    ("", "<<>>"),
    (True, "true"),
    (False, "false"),
    (None, "undefined"),
    (1.5, "1.5"),
]


@pytest.mark.parametrize(("length", "shown"), WRONG)
def test_a_length_is_a_positive_integer(c: Client, x: str, length: Any, shown: str) -> None:
    text = f"Invalid argument {shown}, 'x-recent-history-length' must be a positive integer"
    c.ask(
        Exchange.Declare(exchange=x, exchange_type=HISTORY, arguments={LENGTH: length}),
        channel_error(406, text, Exchange.Declare),
    )


def test_the_length_is_not_compared_when_declared_again(c: Client, q: str, x: str) -> None:
    c.exchange(x, HISTORY, **{LENGTH: 2})
    c.ask(Exchange.Declare(exchange=x, exchange_type=HISTORY, arguments={LENGTH: 9}), EXCHANGE_DECLARED)
    c.ask(Exchange.Declare(exchange=x, exchange_type=HISTORY, arguments={LENGTH: "x"}), EXCHANGE_DECLARED)
    publish(c, x, 1, 5)
    c.queue(q)
    c.bind(q, x)
    assert c.bodies(q) == numbers(4, 5)
