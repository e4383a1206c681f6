"""How long messages live: x-message-ttl, the property `expiration`, and both.

Each queue dead-letters what expires, so that a test waits for the dead letter instead of waiting for time to
pass. SOON is short, and LATE is so long that no test sees its end.
"""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Confirm, Queue
from tests.conformance.answers import (
    EMPTY,
    QOS_OK,
    channel_error,
    confirmed,
    declared,
    delivered,
    got,
    no_exchange,
)
from tests.conformance.deaths import Graveyard, death
from tests.conformance.frames import BODY, qos, raw_frame, raw_header, short
from tests.conformance.wire import Client

SOON, LATE = 50, 60_000
TEN_YEARS_MS = 315_360_000_000
HAS_EXPIRATION = 1 << 8


def publish_with_expiration(c: Client, queue: str, expiration: str) -> None:
    """As `publish`, but the property is there even if it is empty."""
    header = raw_header(1, flags=HAS_EXPIRATION, properties=short(expiration))
    c.send(Basic.Publish(routing_key=queue), header, raw_frame(BODY, 1, b"m"))


# -- the text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expiration", ["60000", "060000", "+60000", str(TEN_YEARS_MS)])
def test_an_expiration_is_a_number_in_a_string(c: Client, q: str, expiration: str) -> None:
    c.queue(q)
    c.publish(q, expiration=expiration)
    c.ask(Basic.Get(queue=q), got(1, expiration=expiration))


@pytest.mark.parametrize("expiration", ["0", "00", "-0", "+0"])
def test_an_expiration_may_be_nothing(c: Client, q: str, expiration: str) -> None:
    c.queue(q)
    c.publish(q, expiration=expiration)
    c.ask(Basic.Get(queue=q), EMPTY)


INVALID = [
    ("", "no_integer"),
    ("abc", "no_integer"),
    (" 5", "no_integer"),
    ("-", "no_integer"),
    ("\u0663", "no_integer"),
    ("5 ", '{leftover_string," "}'),
    ("1.5", '{leftover_string,".5"}'),
    ("0x10", '{leftover_string,"x10"}'),
    ("1e3", '{leftover_string,"e3"}'),
    ("-1", "{value_negative,-1}"),
    (str(TEN_YEARS_MS + 1), f"{{value_too_large,{TEN_YEARS_MS + 1}}}"),
]


@pytest.mark.parametrize(("expiration", "why"), INVALID)
def test_another_expiration_is_refused(c: Client, q: str, expiration: str, why: str) -> None:
    c.queue(q)
    publish_with_expiration(c, q, expiration)
    c.expect(channel_error(406, f"invalid expiration '{expiration}': {why}", Basic.Publish))


def test_an_expiration_is_looked_at_even_if_no_queue_takes_the_message(c: Client, q: str) -> None:
    c.publish(q, expiration="abc")
    c.expect(channel_error(406, "invalid expiration 'abc': no_integer", Basic.Publish))


def test_an_expiration_is_looked_at_after_the_exchange(c: Client, x: str) -> None:
    c.publish("k", exchange=x, expiration="abc")
    c.expect(no_exchange(Basic.Publish))


# -- which time counts -------------------------------------------------------------------------------------


def test_a_message_dies_with_the_time_of_its_queue(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-message-ttl": SOON}, **grave.to_here)
    c.publish(q)
    grave.expect(q, "expired", b"m")


BOTH = [(LATE, SOON), (SOON, LATE), (SOON, SOON)]


@pytest.mark.parametrize(("queues", "own"), [(None, SOON), *BOTH])
def test_the_shorter_of_both_times_counts(c: Client, grave: Graveyard, q: str, queues: int | None, own: int) -> None:
    c.queue(q, **({} if queues is None else {"x-message-ttl": queues}), **grave.to_here)
    c.publish(q, expiration=str(own))
    letter = grave.next()
    assert letter.deaths == [death(q, "expired", keys=[q], expiration=str(own))]
    assert letter.properties == {}


def test_messages_that_expire_together_die_in_order(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-message-ttl": SOON}, **grave.to_here)
    bodies = [b"%d" % number for number in range(20)]
    for body in bodies:
        c.publish(q, body)
    grave.expect(q, "expired", *bodies)


def test_only_the_expired_message_goes(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    c.publish(q, b"1", expiration=str(SOON))
    c.publish(q, b"2", expiration=str(LATE))
    c.publish(q, b"3")
    assert grave.next_body() == b"1"
    assert c.bodies(q) == [b"2", b"3"]


def test_a_message_that_lives_shows_its_expiration(c: Client, q: str) -> None:
    c.queue(q, **{"x-message-ttl": LATE})
    c.consume(q, no_ack=True)
    c.publish(q, expiration=str(LATE))
    c.expect(delivered(1, expiration=str(LATE)))


def test_what_has_expired_is_not_counted(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-message-ttl": SOON}, **grave.to_here)
    for _ in range(3):
        c.publish(q)
    grave.expect(q, "expired", b"m", b"m", b"m")
    c.ask(Queue.Declare(queue=q, passive=True), declared())
    c.ask(Queue.Purge(queue=q), "1 Queue.PurgeOk(message_count=0)")


def test_a_dead_letter_has_no_expiration_and_does_not_expire_again(
    c: Client, grave: Graveyard, q: str, q2: str
) -> None:
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2})
    c.queue(q2)
    c.publish(q, b"1", expiration=str(SOON))
    c.consume(q2, no_ack=True)
    _, _, head, body = c.method()
    assert (body, head.properties.expiration) == (b"1", None)


# -- no time at all ----------------------------------------------------------------------------------------

NO_TIME: list[tuple[dict[str, Any], dict[str, Any]]] = [({"x-message-ttl": 0}, {}), ({}, {"expiration": "0"})]


@pytest.mark.parametrize(("arguments", "properties"), NO_TIME)
def test_without_time_a_message_is_not_kept(
    c: Client, grave: Graveyard, q: str, arguments: Any, properties: Any
) -> None:
    c.queue(q, **arguments, **grave.to_here)
    c.publish(q, **properties)
    c.ask(Basic.Get(queue=q), EMPTY)
    assert grave.next().first == ("expired", q, "")


@pytest.mark.parametrize(("arguments", "properties"), NO_TIME)
def test_without_time_a_message_reaches_a_consumer_that_waits(
    c: Client, q: str, arguments: Any, properties: Any
) -> None:
    c.queue(q, **arguments)
    c.consume(q, no_ack=True)
    c.publish(q, **properties)
    c.expect(delivered(1, **properties))


@pytest.mark.parametrize(("arguments", "properties"), NO_TIME)
def test_without_time_a_message_does_not_wait_for_room(
    c: Client, grave: Graveyard, q: str, arguments: Any, properties: Any
) -> None:
    c.queue(q, **arguments, **grave.to_here)
    c.ask(qos(1), QOS_OK)
    c.consume(q)
    c.publish(q, b"1", **properties)
    c.expect(delivered(1, b"1", **properties))
    c.publish(q, b"2", **properties)
    assert grave.next_body() == b"2"
    c.send(Basic.Ack(1))
    c.expect_nothing(q)


@pytest.mark.parametrize(("arguments", "properties"), NO_TIME)
def test_without_time_a_message_is_confirmed_and_not_returned(
    c: Client, q: str, arguments: Any, properties: Any
) -> None:
    c.queue(q, **arguments)
    c.ask(Confirm.Select(), "1 Confirm.SelectOk()")
    c.publish(q, mandatory=True, **properties)
    c.expect(confirmed(1))


def test_without_time_a_message_given_back_goes(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-message-ttl": 0}, **grave.to_here)
    c.consume(q)
    c.publish(q)
    c.expect(delivered(1))
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.send(Basic.Reject(1, requeue=True))
    grave.expect(q, "expired", b"m")


# -- messages in somebody's hands --------------------------------------------------------------------------


@pytest.fixture
def holding(c: Client, grave: Graveyard, q: str) -> Client:
    """The connection, with a consumer that holds a message whose time is over."""
    c.queue(q, **{"x-message-ttl": SOON}, **grave.to_here)
    c.ask(qos(1), QOS_OK)
    c.consume(q)
    c.publish(q, b"held")
    c.expect(delivered(1, b"held"))
    c.publish(q, b"ready")
    grave.expect(q, "expired", b"ready")
    return c


def test_a_message_does_not_expire_while_it_is_unacknowledged(holding: Client, grave: Graveyard, q: str) -> None:
    holding.send(Basic.Ack(1))
    holding.expect_nothing(q)
    grave.expect_none(holding)


def test_a_message_given_back_after_its_time_expires_at_once(holding: Client, grave: Graveyard, q: str) -> None:
    holding.send(Basic.Reject(1, requeue=True))
    grave.expect(q, "expired", b"held")
    holding.expect_nothing(q)


def test_a_message_given_back_in_time_is_delivered_again(c: Client, q: str) -> None:
    c.queue(q, **{"x-message-ttl": LATE})
    c.publish(q, expiration=str(LATE))
    c.ask(Basic.Get(queue=q), got(1, expiration=str(LATE)))
    c.send(Basic.Reject(1, requeue=True))
    c.ask(Basic.Get(queue=q), got(2, redelivered=True, expiration=str(LATE)))


def test_a_message_given_back_still_expires(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-message-ttl": 10 * SOON}, **grave.to_here)
    c.consume(q)
    c.publish(q)
    c.expect(delivered(1))
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.send(Basic.Reject(1, requeue=True))
    grave.expect(q, "expired", b"m")


def test_a_consumer_never_gets_what_expired_while_it_had_no_room(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **grave.to_here)
    c.ask(qos(1), QOS_OK)
    c.consume(q)
    c.publish(q, b"1")
    c.expect(delivered(1, b"1"))
    c.publish(q, b"2", expiration=str(SOON))
    assert grave.next_body() == b"2"
    c.send(Basic.Ack(1))
    c.expect_nothing(q)
