"""x-max-length and x-max-length-bytes: what is dropped to make room, and what counts.

Here the oldest messages give way; `test_overflow` has the queues that refuse new ones instead.
"""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Confirm, Tx
from tests.conformance.answers import EMPTY, confirmed, delivered, got
from tests.conformance.deaths import Graveyard
from tests.conformance.wire import Client


def publish(c: Client, queue: str, *bodies: bytes, **properties: Any) -> None:
    for body in bodies:
        c.publish(queue, body, **properties)


@pytest.mark.parametrize("arguments", [{}, {"x-overflow": "drop-head"}])
def test_the_oldest_messages_are_dropped(c: Client, grave: Graveyard, q: str, arguments: Any) -> None:
    c.queue(q, **{"x-max-length": 2}, **arguments, **grave.to_here)
    publish(c, q, b"1", b"2", b"3", b"4")
    assert c.bodies(q) == [b"3", b"4"]
    grave.expect(q, "maxlen", b"1", b"2")


def test_a_dropped_message_has_been_confirmed(c: Client, q: str) -> None:
    c.queue(q, **{"x-max-length": 1})
    c.ask(Confirm.Select(), "1 Confirm.SelectOk()")
    for tag in (1, 2, 3):
        c.publish(q)
        c.expect(confirmed(tag))


def test_messages_are_dropped_at_commit(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length": 1}, **grave.to_here)
    c.ask(Tx.Select(), "1 Tx.SelectOk()")
    publish(c, q, b"1", b"2")
    c.ask(Tx.Commit(), "1 Tx.CommitOk()")
    assert c.bodies(q) == [b"2"]
    grave.expect(q, "maxlen", b"1")


def test_length_0_keeps_nothing(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length": 0}, **grave.to_here)
    c.publish(q)
    c.ask(Basic.Get(queue=q), EMPTY)
    grave.expect(q, "maxlen", b"m")


def test_length_0_lets_messages_through_to_a_consumer(c: Client, q: str) -> None:
    c.queue(q, **{"x-max-length": 0})
    c.consume(q, no_ack=True)
    c.publish(q)
    c.expect(delivered(1))


def test_bytes_are_those_of_bodies(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length-bytes": 10}, **grave.to_here)
    publish(c, q, b"12345", b"67890", headers={"h": "h" * 50}, message_id="i" * 50)
    c.publish(q, b"")
    c.publish(q, b"x")
    assert grave.next_body() == b"12345"
    assert c.bodies(q) == [b"67890", b"", b"x"]


def test_as_many_messages_are_dropped_as_needed(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length-bytes": 5}, **grave.to_here)
    publish(c, q, b"1", b"2", b"3", b"4444")
    assert c.bodies(q) == [b"3", b"4444"]
    grave.expect(q, "maxlen", b"1", b"2")


def test_a_message_too_large_drops_everything_and_itself(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length-bytes": 5}, **grave.to_here)
    publish(c, q, b"1", b"2", b"666666")
    assert c.bodies(q) == []
    grave.expect(q, "maxlen", b"1", b"2", b"666666")


def test_0_bytes_keep_empty_messages(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length-bytes": 0}, **grave.to_here)
    publish(c, q, b"", b"1", b"")
    assert c.bodies(q) == [b""]
    grave.expect(q, "maxlen", b"", b"1")


def test_both_limits_hold(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length": 3, "x-max-length-bytes": 4}, **grave.to_here)
    publish(c, q, b"1", b"22", b"3", b"4", b"5")
    assert c.bodies(q) == [b"3", b"4", b"5"]
    grave.expect(q, "maxlen", b"1", b"22")


@pytest.mark.parametrize("limit", [{"x-max-length": 2}, {"x-max-length-bytes": 2}])
def test_only_messages_that_are_ready_count(c: Client, grave: Graveyard, q: str, limit: Any) -> None:
    c.queue(q, **limit, **grave.to_here)
    publish(c, q, b"1", b"2")
    c.ask(Basic.Get(queue=q), got(1, b"1", left=1))
    c.ask(Basic.Get(queue=q), got(2, b"2"))
    publish(c, q, b"3", b"4")
    c.ask(Basic.Get(queue=q), got(3, b"3", left=1))
    c.send(Basic.Ack(3, multiple=True))
    assert c.bodies(q) == [b"4"]
    grave.expect_none(c)


def test_messages_given_back_take_their_old_places_and_are_dropped_first(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length": 2}, **grave.to_here)
    publish(c, q, b"1", b"2")
    c.ask(Basic.Get(queue=q), got(1, b"1", left=1))
    c.ask(Basic.Get(queue=q), got(2, b"2"))
    publish(c, q, b"3", b"4")
    c.send(Basic.Nack(2, multiple=True, requeue=True))
    assert c.bodies(q) == [b"3", b"4"]
    grave.expect(q, "maxlen", b"1", b"2")


def test_a_dropped_message_keeps_the_time_it_had_as_a_header(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length": 0}, **grave.to_here)
    c.publish(q, expiration="60000")
    letter = grave.next()
    assert letter.deaths[0]["original-expiration"] == "60000"
    assert letter.properties == {}
