"""Quorum queues: how often a message was delivered is counted, and limited.

What such a queue does is known some time after it was asked, so the tests publish with confirms and wait for
deliveries.
"""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Channel, Confirm, Queue
from tests.conformance.answers import QOS_OK, channel_error, confirmed, declared, delivered
from tests.conformance.deaths import DeadLetter, Graveyard, death
from tests.conformance.frames import HEADER, METHOD, long, on, qos
from tests.conformance.wire import Client

SOON = 50
REDELIVERED = "1 Basic.Deliver(consumer_tag='c', delivery_tag={}, redelivered=True, ...) {{headers={}}} b'm'"


@pytest.fixture
def confirming(c: Client) -> Client:
    c.ask(Confirm.Select(), "1 Confirm.SelectOk()")
    return c


def declare(c: Client, queue: str, **arguments: Any) -> None:
    method = Queue.Declare(queue=queue, durable=True, arguments={"x-queue-type": "quorum", **arguments})
    c.ask(method, declared())


def publish(c: Client, queue: str, *bodies: bytes, **properties: Any) -> None:
    """Publish as the first messages of a channel, one by one."""
    for tag, body in enumerate(bodies, start=1):
        c.publish(queue, body, **properties)
        c.expect(confirmed(tag))


def redelivered(tag: int, count: int, **headers: Any) -> str:
    return REDELIVERED.format(tag, {**headers, "x-delivery-count": count})


def test_messages_are_delivered_in_order(confirming: Client, q: str) -> None:
    c = confirming
    declare(c, q)
    publish(c, q, b"1", b"2", b"3")
    c.consume(q)
    c.expect(delivered(1, b"1"), delivered(2, b"2"), delivered(3, b"3"))


def test_redeliveries_are_counted_in_a_header(confirming: Client, q: str) -> None:
    c = confirming
    declare(c, q)
    publish(c, q, b"m", headers={"h": 1})
    c.consume(q)
    c.expect(delivered(1, headers={"h": 1}))
    for count in (1, 2, 3):
        c.send(Basic.Reject(count, requeue=True))
        c.expect(redelivered(count + 1, count, h=1))


def test_the_count_is_a_long(confirming: Client, q: str) -> None:
    c = confirming
    declare(c, q)
    publish(c, q, b"m")
    c.consume(q)
    c.expect(delivered(1))
    c.send(Basic.Reject(1, requeue=True))
    assert c.frame_bytes()[0] == METHOD
    header = c.frame_bytes()
    assert header[0] == HEADER
    assert long(b"\x10x-delivery-countl" + (1).to_bytes(8, "big")) in header


def test_messages_of_a_closed_channel_are_counted_too(confirming: Client, q: str) -> None:
    c = confirming
    declare(c, q)
    publish(c, q, b"m")
    c.open_channel(2)
    c.send(Basic.Consume(queue=q, consumer_tag="gone"), channel=2)
    c.expect("2 Basic.ConsumeOk(consumer_tag='gone')", delivered(1, to="gone", channel=2))
    c.send(on(2, Channel.Close(200, "", 0, 0)))
    c.expect("2 Channel.CloseOk()")
    c.consume(q)
    c.expect(redelivered(1, 1))


# -- the limit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_message_is_delivered_again_as_often_as_the_limit_allows(
    confirming: Client, grave: Graveyard, q: str, limit: int
) -> None:
    c = confirming
    declare(c, q, **{"x-delivery-limit": limit}, **grave.to_here)
    publish(c, q, b"m", headers={"h": 1})
    c.consume(q)
    c.expect(delivered(1, headers={"h": 1}))
    for count in range(1, limit + 1):
        c.send(Basic.Reject(count, requeue=True))
        c.expect(redelivered(count + 1, count, h=1))
    c.send(Basic.Reject(limit + 1, requeue=True))
    entry = death(q, "delivery_limit", keys=[q])
    assert grave.next() == DeadLetter(b"m", grave.queue, "", [entry], ("delivery_limit", q, ""), {"h": 1})
    c.expect_nothing(q)


def test_beyond_the_limit_a_message_without_a_grave_is_gone(confirming: Client, q: str) -> None:
    c = confirming
    declare(c, q, **{"x-delivery-limit": 0})
    publish(c, q, b"1", b"2")
    c.ask(qos(1), QOS_OK)
    c.consume(q)
    c.expect(delivered(1, b"1"))
    c.ask(Basic.Nack(1, requeue=True), delivered(2, b"2"))


def test_a_message_below_the_limit_comes_back_first(confirming: Client, q: str) -> None:
    c = confirming
    declare(c, q, **{"x-delivery-limit": 5})
    publish(c, q, b"m", b"2")
    c.ask(qos(1), QOS_OK)
    c.consume(q)
    c.expect(delivered(1))
    c.ask(Basic.Reject(1, requeue=True), redelivered(2, 1))
    c.ask(Basic.Ack(2), delivered(3, b"2"))


# -- dead letters, lengths, times --------------------------------------------------------------------------

STRATEGIES = [{}, {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rejected_message_is_buried(confirming: Client, grave: Graveyard, q: str, strategy: Any) -> None:
    c = confirming
    declare(c, q, **strategy, **grave.to_here)
    publish(c, q, b"m")
    c.consume(q)
    c.expect(delivered(1))
    c.send(Basic.Reject(1, requeue=False))
    grave.expect(q, "rejected", b"m")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_expired_message_is_buried(confirming: Client, grave: Graveyard, q: str, strategy: Any) -> None:
    c = confirming
    declare(c, q, **{"x-message-ttl": SOON}, **strategy, **grave.to_here)
    publish(c, q, b"1", b"2")
    grave.expect(q, "expired", b"1", b"2")


def test_the_oldest_messages_make_room(confirming: Client, grave: Graveyard, q: str) -> None:
    c = confirming
    declare(c, q, **{"x-max-length": 2}, **grave.to_here)
    publish(c, q, b"1", b"2", b"3", b"4")
    grave.expect(q, "maxlen", b"1", b"2")
    c.consume(q)
    c.expect(delivered(1, b"3"), delivered(2, b"4"))


def test_a_dead_letter_may_land_in_a_quorum_queue(confirming: Client, q: str, q2: str) -> None:
    c = confirming
    c.ask(Queue.Declare(queue=q2, durable=True, arguments={"x-queue-type": "quorum"}), declared("q2"))
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2, "x-max-length": 0})
    publish(c, q, b"m")
    c.consume(q2)
    c.expect("1 Basic.Deliver(consumer_tag='c', ...) {headers={'x-death': ...}} b'm'")


# -- consumers ---------------------------------------------------------------------------------------------


def test_a_prefetch_count_shared_by_a_channel_is_honoured(c: Client, q: str) -> None:
    declare(c, q)
    c.ask(qos(1, shared=True), QOS_OK)
    c.send(Basic.Consume(queue=q, consumer_tag="c"))
    c.expect_differing("1 Basic.ConsumeOk(consumer_tag='c')")


def test_get_is_no_way_around_a_single_active_consumer(c: Client, q: str) -> None:
    declare(c, q, **{"x-single-active-consumer": True})
    c.consume(q)
    text = (
        "cannot obtain access to locked queue 'q' in vhost '/'. basic.get operations are not supported by quorum "
        "queues with single active consumer"
    )
    c.ask(Basic.Get(queue=q), channel_error(405, text, Basic.Get))


def test_the_next_consumer_takes_over(confirming: Client, q: str) -> None:
    c = confirming
    declare(c, q, **{"x-single-active-consumer": True})
    c.consume(q, "c", no_ack=True)
    c.consume(q, "d", no_ack=True)
    c.publish(q, b"1")
    assert {c.line(), c.line()} == {confirmed(1), delivered(1, b"1")}
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.publish(q, b"2")
    assert {c.line(), c.line()} == {confirmed(2), delivered(2, b"2", to="d")}
