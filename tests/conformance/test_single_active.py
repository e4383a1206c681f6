"""x-single-active-consumer: one consumer gets everything, and another one takes over when it goes."""

from __future__ import annotations

import pytest
from pamqp.commands import Basic, Channel, Queue
from tests.conformance.answers import QOS_OK, declared, delivered, got
from tests.conformance.conftest import Connect
from tests.conformance.frames import on, qos
from tests.conformance.wire import Client

ONE_ACTIVE = {"x-single-active-consumer": True}


@pytest.fixture
def single(c: Client, q: str) -> Client:
    """The connection, with q and the consumers c and d, of which c is the active one."""
    c.queue(q, **ONE_ACTIVE)
    c.consume(q, "c")
    c.consume(q, "d")
    return c


def test_all_consumers_are_counted(single: Client, q: str) -> None:
    single.ask(Queue.Declare(queue=q, passive=True), declared(consumers=2))


def test_the_others_wait_even_if_the_active_one_has_no_room(c: Client, q: str) -> None:
    c.queue(q, **ONE_ACTIVE)
    c.ask(qos(1), QOS_OK)
    c.consume(q, "c")
    c.consume(q, "d")
    c.publish(q, b"1")
    c.publish(q, b"2")
    c.expect(delivered(1, b"1"))
    c.expect_nothing(q)
    c.ask(Basic.Ack(1), delivered(2, b"2"))


def test_get_goes_past_the_active_consumer(c: Client, q: str) -> None:
    c.queue(q, **ONE_ACTIVE)
    c.ask(qos(1), QOS_OK)
    c.consume(q)
    c.publish(q, b"1")
    c.publish(q, b"2")
    c.expect(delivered(1, b"1"))
    c.ask(Basic.Get(queue=q), got(2, b"2"))


def test_the_next_one_takes_over_though_messages_are_unacknowledged(single: Client, q: str) -> None:
    single.publish(q, b"1")
    single.expect(delivered(1, b"1"))
    single.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    single.publish(q, b"2")
    single.expect(delivered(2, b"2", to="d"))
    single.ask(Basic.Reject(1, requeue=True), delivered(3, b"1", to="d", redelivered=True))


def test_the_oldest_of_those_waiting_takes_over(single: Client, q: str) -> None:
    single.consume(q, "e")
    single.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    single.publish(q)
    single.expect(delivered(1, to="d"))
    single.ask(Basic.Cancel("d"), "1 Basic.CancelOk(consumer_tag='d')")
    single.publish(q)
    single.expect(delivered(2, to="e"))


def test_the_highest_priority_of_those_waiting_takes_over(single: Client, q: str) -> None:
    single.consume(q, "high", arguments={"x-priority": 5})
    single.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    single.publish(q)
    single.expect(delivered(1, to="high"))


def test_a_consumer_that_waits_may_go(single: Client, q: str) -> None:
    single.ask(Basic.Cancel("d"), "1 Basic.CancelOk(consumer_tag='d')")
    single.publish(q)
    single.expect(delivered(1))


def test_a_consumer_that_comes_back_is_the_last(single: Client, q: str) -> None:
    single.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    single.consume(q, "c")
    single.publish(q)
    single.expect(delivered(1, to="d"))


def test_what_a_closed_channel_held_goes_to_the_next_consumer_in_order(c: Client, q: str) -> None:
    c.open_channel(2)
    c.queue(q, **ONE_ACTIVE)
    c.send(Basic.Consume(queue=q, consumer_tag="c"), channel=2)
    c.expect("2 Basic.ConsumeOk(consumer_tag='c')")
    c.consume(q, "d")
    for body in (b"1", b"2"):
        c.publish(q, body)
        c.expect(delivered(1 if body == b"1" else 2, body, channel=2))
    c.send(on(2, Channel.Close(200, "", 0, 0)))
    answers = [c.line(), c.line(), c.line()]
    answers.remove("2 Channel.CloseOk()")
    assert answers == [
        delivered(1, b"1", to="d", redelivered=True),
        delivered(2, b"2", to="d", redelivered=True),
    ]


def test_a_lost_connection_makes_room_for_the_next_consumer(c: Client, connect: Connect, q: str) -> None:
    c.ask(Queue.Declare(queue=q, arguments=ONE_ACTIVE), declared())
    active = connect().login().open_channel()
    active.consume(q)
    c.consume(q, "d")
    c.publish(q)
    active.expect(delivered(1))
    active.lose()
    c.expect(delivered(1, to="d", redelivered=True))
