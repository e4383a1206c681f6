"""Publishers while the broker is short of memory."""

from __future__ import annotations

from pamqp.commands import Basic
from tests.conformance.administration import Administration
from tests.conformance.answers import got
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
