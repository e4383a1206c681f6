"""Publishers while the broker is short of memory."""

from __future__ import annotations

from pamqp.commands import Basic
from tests.conformance.administration import Administration
from tests.conformance.answers import EMPTY, got
from tests.conformance.conftest import Connect
from tests.conformance.wire import Client


def test_a_publisher_is_blocked_while_memory_is_short_and_a_consumer_is_not(
    c: Client, connect: Connect, administration: Administration, q: str
) -> None:
    uninformed = connect().login(capabilities={}).open_channel()
    consumer = connect().login().open_channel()
    consumer.queue(q)
    for number in (b"1", b"2"):
        consumer.publish(q, number)
    consumer.expect_nothing(q)
    with administration.memory_alarm():
        c.publish("unknown")
        c.expect("0 Connection.Blocked(reason='low on memory')")
        uninformed.publish("unknown")
        for publisher in (c, uninformed):
            publisher.send(Basic.Cancel("none"))
        consumer.ask(Basic.Get(queue=q), got(1, b"1", left=1))
    c.expect("0 Connection.Unblocked()", "1 Basic.CancelOk(consumer_tag='none')")
    uninformed.expect("1 Basic.CancelOk(consumer_tag='none')")
    consumer.ask(Basic.Get(queue=q), got(2, b"2"))


def test_what_is_published_while_memory_is_short_comes_when_there_is_room_again(
    c: Client, connect: Connect, administration: Administration, q: str
) -> None:
    """As far as messages have a body: RabbitMQ still takes the first one of a connection that has none."""
    other = connect().login().open_channel()
    other.queue(q)
    c.publish("unknown", b"known")
    other.publish(q, b"1")
    other.expect_nothing(q)
    with administration.memory_alarm():
        c.publish(q, b"2")
        c.expect("0 Connection.Blocked(reason='low on memory')")
        other.ask(Basic.Get(queue=q), got(1, b"1"))
        other.ask(Basic.Get(queue=q), EMPTY)
    c.expect("0 Connection.Unblocked()")
    c.expect_nothing()
    other.ask(Basic.Get(queue=q), got(2, b"2"))
