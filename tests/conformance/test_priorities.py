"""x-max-priority: who comes first among messages of different priority."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Queue
from tests.conformance.answers import QOS_OK, delivered, got
from tests.conformance.deaths import Graveyard
from tests.conformance.frames import qos
from tests.conformance.wire import Client

MOST = 5
PRIORITIES = {"x-max-priority": MOST}


def publish(c: Client, queue: str, *messages: tuple[bytes, int | None]) -> None:
    """Publish bodies with their priorities."""
    for body, priority in messages:
        c.publish(queue, body, **({} if priority is None else {"priority": priority}))


@pytest.fixture
def prioritized(c: Client, q: str) -> Client:
    c.queue(q, **PRIORITIES)
    return c


def test_the_highest_priority_comes_first_and_then_the_oldest(prioritized: Client, q: str) -> None:
    publish(prioritized, q, (b"1", 1), (b"2", 5), (b"3", 3), (b"4", 5), (b"5", 1), (b"6", 0))
    assert prioritized.bodies(q) == [b"2", b"4", b"3", b"1", b"5", b"6"]


def test_a_message_without_priority_has_priority_0(prioritized: Client, q: str) -> None:
    publish(prioritized, q, (b"1", None), (b"2", 0), (b"3", 1), (b"4", None))
    assert prioritized.bodies(q) == [b"3", b"1", b"2", b"4"]


def test_higher_priorities_count_as_the_highest(prioritized: Client, q: str) -> None:
    publish(prioritized, q, (b"1", MOST), (b"2", 9), (b"3", 255), (b"4", MOST))
    assert prioritized.bodies(q) == [b"1", b"2", b"3", b"4"]


def test_a_message_shows_the_priority_it_was_sent_with(prioritized: Client, q: str) -> None:
    prioritized.publish(q, priority=9)
    prioritized.ask(Basic.Get(queue=q), got(1, priority=9))


@pytest.mark.parametrize("arguments", [{}, {"x-max-priority": 0}])
def test_without_priorities_the_oldest_comes_first(c: Client, q: str, arguments: Any) -> None:
    c.queue(q, **arguments)
    publish(c, q, (b"1", None), (b"2", 5), (b"3", 1))
    assert c.bodies(q) == [b"1", b"2", b"3"]


def test_there_are_255_priorities_above_0(c: Client, q: str) -> None:
    c.queue(q, **{"x-max-priority": 255})
    publish(c, q, *[(b"%d" % priority, priority) for priority in range(256)])
    assert c.bodies(q) == [b"%d" % priority for priority in reversed(range(256))]


def test_a_consumer_gets_the_highest_priority_it_has_room_for(prioritized: Client, q: str) -> None:
    c = prioritized
    c.ask(qos(1), QOS_OK)
    c.consume(q)
    publish(c, q, (b"1", 1), (b"2", 2), (b"3", 3))
    c.expect(delivered(1, b"1", priority=1))
    c.ask(Basic.Ack(1), delivered(2, b"3", priority=3))
    c.ask(Basic.Ack(2), delivered(3, b"2", priority=2))


def test_a_new_consumer_gets_messages_by_priority(prioritized: Client, q: str) -> None:
    c = prioritized
    publish(c, q, (b"1", 1), (b"2", 5), (b"3", 3))
    c.ask(
        Basic.Consume(queue=q, consumer_tag="c"),
        "1 Basic.ConsumeOk(consumer_tag='c')",
        delivered(1, b"2", priority=5),
        delivered(2, b"3", priority=3),
        delivered(3, b"1", priority=1),
    )


def test_a_message_given_back_takes_its_place_among_its_priority(prioritized: Client, q: str) -> None:
    c = prioritized
    publish(c, q, (b"1", 1), (b"2", 1), (b"3", 5))
    c.ask(Basic.Get(queue=q), got(1, b"3", left=2, priority=5))
    c.ask(Basic.Get(queue=q), got(2, b"1", left=1, priority=1))
    publish(c, q, (b"4", 5), (b"5", 1))
    c.send(Basic.Nack(2, multiple=True, requeue=True))
    assert c.bodies(q) == [b"3", b"4", b"1", b"2", b"5"]


def test_messages_of_all_priorities_are_counted_and_purged(prioritized: Client, q: str) -> None:
    c = prioritized
    publish(c, q, (b"1", 1), (b"2", 5), (b"3", None))
    c.ask(Basic.Get(queue=q), got(1, b"2", left=2, priority=5))
    c.ask(Queue.Purge(queue=q), "1 Queue.PurgeOk(message_count=2)")


def test_a_full_queue_drops_what_would_be_delivered_next(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **PRIORITIES, **grave.to_here, **{"x-max-length": 2})
    publish(c, q, (b"1", 5), (b"2", 1), (b"3", 3), (b"4", 2))
    assert [grave.next_body(), grave.next_body()] == [b"1", b"3"]
    assert c.bodies(q) == [b"4", b"2"]


def test_a_full_queue_may_drop_the_newest_message(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **PRIORITIES, **grave.to_here, **{"x-max-length": 2})
    publish(c, q, (b"1", 1), (b"2", 1), (b"3", 5))
    assert grave.next_body() == b"3"
    assert c.bodies(q) == [b"1", b"2"]


def test_bytes_are_counted_over_all_priorities(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **PRIORITIES, **grave.to_here, **{"x-max-length-bytes": 4})
    publish(c, q, (b"aa", 1), (b"bb", 5), (b"cc", 3))
    assert grave.next_body() == b"bb"
    assert c.bodies(q) == [b"cc", b"aa"]


@pytest.mark.parametrize("priority", [0, 3, 5])
def test_messages_of_every_priority_expire(c: Client, grave: Graveyard, q: str, priority: int) -> None:
    c.queue(q, **PRIORITIES, **grave.to_here)
    c.publish(q, priority=priority, expiration="50")
    letter = grave.next()
    assert (letter.first, letter.properties) == (("expired", q, ""), {"priority": priority})


def test_an_expired_message_is_not_delivered_once_the_higher_ones_are_gone(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **PRIORITIES, **grave.to_here)
    publish(c, q, (b"high", 5))
    c.publish(q, b"low", priority=1, expiration="0")
    c.ask(Basic.Get(queue=q, no_ack=True), "1 Basic.GetOk(delivery_tag=1, ...) {priority=5} b'high'")
    assert grave.next_body() == b"low"
    assert c.bodies(q) == []


def test_dead_letters_keep_their_priority(c: Client, q: str, q2: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2})
    c.queue(q2, **PRIORITIES)
    publish(c, q, (b"1", 1), (b"2", 5))
    c.ask(Basic.Get(queue=q), got(1, b"1", left=1, priority=1))
    c.ask(Basic.Get(queue=q), got(2, b"2", priority=5))
    c.ask(qos(1), QOS_OK)
    c.publish(q2, b"first", priority=5)
    c.ask(Basic.Consume(queue=q2, consumer_tag="c"), "1 Basic.ConsumeOk(consumer_tag='c')", "...b'first'")
    c.send(Basic.Nack(2, multiple=True, requeue=False))
    c.ask(Basic.Get(queue=q), "1 Basic.GetEmpty()")
    c.expect_nothing(q2)
    c.ask(Basic.Ack(3), "1 Basic.Deliver(...) {...priority=5} b'2'")
    c.ask(Basic.Ack(4), "1 Basic.Deliver(...) {...priority=1} b'1'")
