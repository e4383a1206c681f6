"""Dead letters that come back to where they died: without a rejection on the way, they are dropped."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Queue
from tests.conformance.answers import EMPTY, declared
from tests.conformance.deaths import Graveyard, death
from tests.conformance.wire import Client

SOON = 50


def test_a_message_does_not_expire_into_its_own_queue(c: Client, grave: Graveyard, q: str, x: str) -> None:
    c.exchange(x, "fanout")
    grave.bind(x)
    c.queue(q, **{"x-dead-letter-exchange": x, "x-message-ttl": SOON})
    c.bind(q, x)
    c.publish(q)
    assert grave.next_body() == b"m"
    c.ask(Basic.Get(queue=q), EMPTY)
    grave.expect_none(c)


def test_a_message_dropped_for_its_queues_length_does_not_come_back(c: Client, q: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": "", "x-max-length": 1})
    c.publish(q, b"1")
    c.publish(q, b"2")
    assert c.bodies(q) == [b"2"]
    c.ask(Basic.Get(queue=q), EMPTY)


@pytest.mark.parametrize("second", [{"x-message-ttl": SOON}, {"x-max-length": 0}])
def test_a_cycle_of_two_queues_ends_too(c: Client, grave: Graveyard, q: str, q2: str, x: str, second: Any) -> None:
    c.exchange(x, "fanout")
    grave.bind(x)
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2, "x-message-ttl": SOON})
    c.queue(q2, **{"x-dead-letter-exchange": x, **second})
    c.bind(q, x)
    c.publish(q)
    letter = grave.next()
    reason = "expired" if "x-message-ttl" in second else "maxlen"
    assert letter.deaths == [death(q2, reason, keys=[q2]), death(q, "expired", keys=[q])]
    c.ask(Basic.Get(queue=q), EMPTY)
    grave.expect_none(c)


def test_rejected_messages_go_round_for_ever(c: Client, q: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": ""})
    c.consume(q)
    c.publish(q)
    c.expect("1 Basic.Deliver(consumer_tag='c', delivery_tag=1, redelivered=False, ...) {} b'm'")
    for count in range(1, 10):
        c.send(Basic.Reject(count, requeue=False))
        _, method, head, _ = c.method()
        assert not method.redelivered
        assert head.properties.headers["x-death"][0]["count"] == count


def test_one_rejection_on_the_way_keeps_a_cycle_going(c: Client, q: str, q2: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2, "x-message-ttl": SOON})
    c.queue(q2, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q})
    c.consume(q2)
    c.publish(q)
    for count in (1, 2, 3):
        _, _, head, _ = c.method()
        assert head.properties.headers["x-death"][0]["reason"] == "expired"
        assert head.properties.headers["x-death"][0]["count"] == count
        c.send(Basic.Reject(count, requeue=False))


def test_a_cycle_does_not_harm_the_other_queues(c: Client, grave: Graveyard, q: str, x: str) -> None:
    c.exchange(x, "fanout")
    c.queue(q, **{"x-dead-letter-exchange": x, "x-max-length": 0})
    c.bind(q, x)
    grave.bind(x)
    for body in (b"1", b"2"):
        c.publish(q, body)
        assert grave.next_body() == body
    c.ask(Queue.Declare(queue=q, passive=True), declared())
