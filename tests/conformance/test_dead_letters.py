"""Dead letters: which messages become some, where they go, and what is left of a message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pamqp.commands import Basic, Exchange, Queue, Tx
from tests.conformance.answers import EMPTY, got
from tests.conformance.deaths import DeadLetter, Graveyard, death
from tests.conformance.wire import EXCHANGE_DECLARED, Client


def reject(c: Client, queue: str, tag: int = 1) -> None:
    """Take a message and refuse it."""
    c.ask(Basic.Get(queue=queue), f"1 Basic.GetOk(delivery_tag={tag}, ...")
    c.send(Basic.Reject(tag, requeue=False))


def take(c: Client, queue: str, *bodies: bytes) -> None:
    """Publish messages and take them again."""
    for body in bodies:
        c.publish(queue, body)
    for tag, body in enumerate(bodies, start=1):
        c.ask(Basic.Get(queue=queue), got(tag, body, left=len(bodies) - tag))


# -- which messages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", [Basic.Reject(1, requeue=False), Basic.Nack(1, requeue=False)])
def test_a_rejected_message_becomes_a_dead_letter(c: Client, grave: Graveyard, q: str, refusal: Any) -> None:
    c.queue(q, **grave.to_here)
    take(c, q, b"m")
    c.send(refusal)
    grave.expect(q, "rejected", b"m")


def test_a_message_given_back_does_not(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    take(c, q, b"m")
    c.send(Basic.Reject(1, requeue=True))
    c.ask(Basic.Get(queue=q, no_ack=True), got(2, redelivered=True))
    grave.expect_none(c)


def test_a_multiple_nack_sends_dead_letters_in_order(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    take(c, q, b"1", b"2", b"3")
    c.send(Basic.Nack(0, multiple=True, requeue=False))
    grave.expect(q, "rejected", b"1", b"2", b"3")


def test_dead_letters_come_in_the_order_of_rejection(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    take(c, q, b"1", b"2", b"3")
    for tag in (3, 1, 2):
        c.send(Basic.Reject(tag, requeue=False))
    grave.expect(q, "rejected", b"3", b"1", b"2")


def test_a_message_is_rejected_at_commit(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    take(c, q, b"m")
    c.ask(Tx.Select(), "1 Tx.SelectOk()")
    c.send(Basic.Reject(1, requeue=False))
    c.ask(Basic.Get(queue=q), EMPTY)
    grave.client.expect_nothing(grave.queue)
    c.ask(Tx.Commit(), "1 Tx.CommitOk()")
    grave.expect(q, "rejected", b"m")


def test_a_rejection_taken_back_buries_nothing(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    take(c, q, b"m")
    c.ask(Tx.Select(), "1 Tx.SelectOk()")
    c.send(Basic.Reject(1, requeue=False))
    c.ask(Tx.Rollback(), "1 Tx.RollbackOk()")
    c.send(Basic.Ack(1))
    c.ask(Tx.Commit(), "1 Tx.CommitOk()")
    c.open_channel(2)
    c.publish(grave.queue, b"no dead letter", channel=2)
    assert grave.next_body() == b"no dead letter"


@pytest.mark.parametrize("method", [Queue.Delete, Queue.Purge])
def test_messages_thrown_away_are_no_dead_letters(c: Client, grave: Graveyard, q: str, method: Any) -> None:
    c.queue(q, **grave.to_here)
    c.publish(q)
    c.ask(method(queue=q), f"1 {method.name}Ok(message_count=1)")
    grave.expect_none(c)


def test_a_message_held_while_its_queue_is_purged_can_still_be_buried(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    take(c, q, b"m")
    c.ask(Queue.Purge(queue=q), "1 Queue.PurgeOk(message_count=0)")
    c.send(Basic.Reject(1, requeue=False))
    grave.expect(q, "rejected", b"m")


def test_a_message_held_while_its_queue_is_deleted_cannot(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    take(c, q, b"m")
    c.ask(Queue.Delete(queue=q), "1 Queue.DeleteOk(message_count=0)")
    c.send(Basic.Reject(1, requeue=False))
    grave.expect_none(c)


# -- where they go -----------------------------------------------------------------------------------------


def test_a_dead_letter_keeps_its_routing_key(c: Client, grave: Graveyard, q: str, x: str, y: str) -> None:
    c.exchange(x, "topic")
    c.exchange(y, "topic")
    c.queue(q, **{"x-dead-letter-exchange": y})
    c.bind(q, x, "#")
    grave.bind(y, "a.b")
    c.publish("a.b", exchange=x)
    reject(c, q)
    entry = death(q, "rejected", exchange=x, keys=["a.b"])
    assert grave.next() == DeadLetter(b"m", "a.b", y, [entry], ("rejected", q, x))


@pytest.mark.parametrize("key", ["another", ""])
def test_a_dead_letter_gets_the_routing_key_of_its_queue(c: Client, grave: Graveyard, q: str, x: str, key: str) -> None:
    c.exchange(x, "direct")
    grave.bind(x, key)
    c.queue(q, **{"x-dead-letter-exchange": x, "x-dead-letter-routing-key": key})
    c.publish(q)
    reject(c, q)
    assert grave.next() == DeadLetter(b"m", key, x, [death(q, "rejected", keys=[q])], ("rejected", q, ""))


def test_a_dead_letter_reaches_every_queue_bound(c: Client, grave: Graveyard, q: str, q2: str, x: str) -> None:
    c.exchange(x, "fanout")
    c.queue(q2)
    c.bind(q2, x)
    grave.bind(x)
    c.queue(q, **{"x-dead-letter-exchange": x})
    c.consume(q2, no_ack=True)
    c.publish(q)
    reject(c, q)
    assert grave.next_body() == b"m"
    c.expect("1 Basic.Deliver(...) {...} b'm'")


def test_without_its_exchange_a_dead_letter_is_dropped(c: Client, q: str, x: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": x})
    c.publish(q)
    reject(c, q)
    c.ask(Basic.Get(queue=q), EMPTY)
    c.expect_nothing(q)


def test_the_exchange_may_come_later(c: Client, grave: Graveyard, q: str, x: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": x})
    c.exchange(x, "fanout")
    grave.bind(x)
    c.publish(q)
    reject(c, q)
    assert grave.next_body() == b"m"


def test_a_dead_letter_without_a_route_is_dropped_and_not_returned(c: Client, q: str, x: str) -> None:
    c.exchange(x)
    c.queue(q, **{"x-dead-letter-exchange": x})
    c.publish(q, mandatory=True)
    reject(c, q)
    c.ask(Basic.Get(queue=q), EMPTY)
    c.expect_nothing(q)


def test_a_dead_letter_without_a_route_takes_the_alternate_one(
    c: Client, grave: Graveyard, q: str, x: str, y: str
) -> None:
    c.exchange(y, "fanout")
    grave.bind(y)
    c.exchange(x, **{"alternate-exchange": y})
    c.queue(q, **{"x-dead-letter-exchange": x})
    c.publish(q)
    reject(c, q)
    letter = grave.next()
    assert (letter.exchange, letter.key) == (x, q)


def test_an_internal_exchange_takes_dead_letters(c: Client, grave: Graveyard, q: str, x: str) -> None:
    c.ask(Exchange.Declare(exchange=x, exchange_type="fanout", internal=True), EXCHANGE_DECLARED)
    grave.bind(x)
    c.queue(q, **{"x-dead-letter-exchange": x})
    c.publish(q)
    reject(c, q)
    assert grave.next_body() == b"m"


# -- what is left of a message -----------------------------------------------------------------------------


def test_properties_and_headers_stay(c: Client, grave: Graveyard, q: str) -> None:
    properties = {
        "content_type": "text/plain",
        "delivery_mode": 2,
        "priority": 3,
        "correlation_id": "c",
        "reply_to": "r",
        "message_id": "i",
        "message_type": "t",
        "user_id": "guest",
        "app_id": "a",
    }
    c.queue(q, **grave.to_here)
    c.publish(q, headers={"h": 1, "x-h": "2"}, **properties)
    reject(c, q)
    letter = grave.next()
    assert (letter.headers, letter.properties) == ({"h": 1, "x-h": "2"}, properties)


def test_an_empty_table_of_headers_is_like_none(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    c.publish(q, headers={})
    reject(c, q)
    grave.expect(q, "rejected", b"m")


def test_the_expiration_becomes_history(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    c.publish(q, expiration="60000")
    reject(c, q)
    letter = grave.next()
    assert letter.deaths == [death(q, "rejected", keys=[q], expiration="60000")]
    assert letter.properties == {}


def test_a_death_is_dated_in_seconds(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    begin = datetime.now(UTC) - timedelta(seconds=1)
    c.publish(q)
    reject(c, q)
    _, _, head, _ = grave.client.method()
    assert begin <= head.properties.headers["x-death"][0]["time"] <= datetime.now(UTC) + timedelta(seconds=1)


def test_a_dead_letter_was_not_delivered_before(c: Client, q: str, q2: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2})
    c.queue(q2)
    c.publish(q)
    c.ask(Basic.Get(queue=q), got(1))
    c.send(Basic.Reject(1, requeue=True))
    c.ask(Basic.Get(queue=q), got(2, redelivered=True))
    c.consume(q2)
    c.send(Basic.Reject(2, requeue=False))
    c.expect("1 Basic.Deliver(consumer_tag='c', delivery_tag=3, redelivered=False, ...")
