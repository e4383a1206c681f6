"""basic.consume, cancel and get: tags, exclusivity, priorities, and who gets the next message."""

from __future__ import annotations

import pytest
from pamqp.commands import Basic, Channel, Queue
from tests.conformance.answers import EMPTY, channel_error, connection_error, delivered, got
from tests.conformance.frames import on
from tests.conformance.wire import Client

IN_EXCLUSIVE_USE = channel_error(403, "queue 'q' in vhost '/' in exclusive use", Basic.Consume)


def test_the_broker_names_a_consumer_without_a_tag(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Basic.Consume(queue=q), "1 Basic.ConsumeOk(consumer_tag='amq.ctag-*')")


def test_a_consumer_tag_is_used_once_on_a_channel(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q, "c")
    c.ask(
        Basic.Consume(queue=q, consumer_tag="c"),
        connection_error(530, "attempt to reuse consumer tag 'c'", Basic.Consume),
    )


def test_a_consumer_tag_may_be_used_on_another_channel(c: Client, q: str) -> None:
    c.open_channel(2)
    c.queue(q)
    c.consume(q, "c")
    c.send(Basic.Consume(queue=q, consumer_tag="c"), channel=2)
    c.expect("2 Basic.ConsumeOk(consumer_tag='c')")


def test_a_consumer_tag_may_be_used_again_after_cancel(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q, "c")
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.consume(q, "c")


def test_consume_is_answered_before_the_first_delivery(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Basic.Consume(queue=q, consumer_tag="c"), "1 Basic.ConsumeOk(consumer_tag='c')", delivered(1))


def test_consume_with_nowait_is_not_answered(c: Client, q: str) -> None:
    c.queue(q)
    c.send(Basic.Consume(queue=q, consumer_tag="c", nowait=True))
    c.publish(q)
    c.expect(delivered(1))


def test_a_consumer_gets_what_its_own_connection_publishes_despite_no_local(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q, no_local=True)
    c.publish(q)
    c.expect(delivered(1))


def test_an_exclusive_consumer_wants_to_be_the_only_one(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q, "c")
    c.ask(Basic.Consume(queue=q, consumer_tag="d", exclusive=True), IN_EXCLUSIVE_USE)


def test_an_exclusive_consumer_stays_the_only_one(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q, "c", exclusive=True)
    c.ask(Basic.Consume(queue=q, consumer_tag="d"), IN_EXCLUSIVE_USE)


def test_a_queue_is_free_again_when_its_exclusive_consumer_has_gone(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q, "c", exclusive=True)
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.consume(q, "d")


def test_get_goes_past_an_exclusive_consumer(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Basic.Qos(prefetch_count=1), "1 Basic.QosOk()")
    c.consume(q, exclusive=True)
    c.publish(q, b"1")
    c.publish(q, b"2")
    c.expect(delivered(1, b"1"))
    c.ask(Basic.Get(queue=q), got(2, b"2"))


def test_cancel_of_an_unknown_consumer_is_ok(c: Client) -> None:
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")


def test_cancel_with_nowait_is_not_answered(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q)
    c.send(Basic.Cancel("c", nowait=True))
    c.publish(q)
    c.expect_nothing(q)


def test_what_a_cancelled_consumer_has_not_acknowledged_stays_with_the_channel(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q)
    c.publish(q)
    c.expect(delivered(1))
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.ask(Basic.Get(queue=q), EMPTY)
    c.send(Basic.Ack(1))
    c.expect_nothing(q)


def test_consumers_take_turns(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q, "c", no_ack=True)
    c.consume(q, "d", no_ack=True)
    for number, tag in enumerate("cdcd", start=1):
        c.publish(q)
        c.expect(delivered(number, to=tag))


def test_a_consumer_of_higher_priority_comes_first(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q, "low", no_ack=True, arguments={"x-priority": 1})
    c.consume(q, "high", no_ack=True, arguments={"x-priority": 5})
    for number in (1, 2, 3):
        c.publish(q)
        c.expect(delivered(number, to="high"))


def test_a_consumer_of_lower_priority_gets_what_the_higher_one_has_no_room_for(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Basic.Qos(prefetch_count=1), "1 Basic.QosOk()")
    c.consume(q, "low", arguments={"x-priority": -1000})
    c.consume(q, "default")
    c.publish(q)
    c.expect(delivered(1, to="default"))
    c.publish(q)
    c.expect(delivered(2, to="low"))


def test_a_consumers_priority_is_an_integer(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(
        Basic.Consume(queue=q, arguments={"x-priority": "high"}),
        channel_error(
            406,
            "invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\"",
            Basic.Consume,
        ),
    )


@pytest.fixture
def single_active(c: Client, q: str) -> Client:
    c.queue(q, **{"x-single-active-consumer": True})
    return c


def test_a_single_active_consumer_gets_everything_until_it_goes(single_active: Client, q: str) -> None:
    c = single_active
    c.consume(q, "c", no_ack=True)
    c.consume(q, "d", no_ack=True)
    for number in (1, 2):
        c.publish(q)
        c.expect(delivered(number, to="c"))
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.publish(q)
    c.expect(delivered(3, to="d"))


def test_a_higher_priority_does_not_replace_the_active_consumer(single_active: Client, q: str) -> None:
    c = single_active
    c.consume(q, "low", no_ack=True)
    c.consume(q, "high", no_ack=True, arguments={"x-priority": 9})
    c.publish(q)
    c.expect(delivered(1, to="low"))


def test_a_queue_with_a_single_active_consumer_takes_no_exclusive_one(single_active: Client, q: str) -> None:
    single_active.ask(Basic.Consume(queue=q, exclusive=True), IN_EXCLUSIVE_USE)


def test_delivery_tags_are_counted_per_channel(c: Client, q: str) -> None:
    c.open_channel(2)
    c.queue(q)
    c.consume(q)
    c.publish(q)
    c.expect(delivered(1))
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.send(Basic.Consume(queue=q, consumer_tag="c"), channel=2)
    c.expect("2 Basic.ConsumeOk(consumer_tag='c')")
    c.publish(q)
    c.expect(delivered(1, channel=2))


def test_get_without_acknowledgement_takes_a_tag_too(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q, b"1")
    c.publish(q, b"2")
    c.ask(Basic.Get(queue=q, no_ack=True), got(1, b"1", left=1))
    c.ask(Basic.Get(queue=q), got(2, b"2"))


def test_get_from_an_empty_queue(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Basic.Get(queue=q), EMPTY)


def test_closing_a_channel_returns_its_messages_to_the_next_consumer(c: Client, q: str) -> None:
    c.open_channel(2)
    c.queue(q)
    c.consume(q)
    c.publish(q)
    c.expect(delivered(1))
    c.send(Basic.Consume(queue=q, consumer_tag="d"), channel=2)
    c.expect("2 Basic.ConsumeOk(consumer_tag='d')")
    c.send(on(1, Channel.Close(200, "", 0, 0)))
    answers = {c.line(), c.line()}
    assert answers == {"1 Channel.CloseOk()", delivered(1, to="d", redelivered=True, channel=2)}


def test_a_queue_deleted_elsewhere_cancels_its_consumers(c: Client, q: str) -> None:
    c.open_channel(2)
    c.queue(q)
    c.consume(q)
    c.send(Queue.Delete(queue=q), channel=2)
    answers = {c.line(), c.line()}
    assert answers == {"2 Queue.DeleteOk(message_count=0)", "1 Basic.Cancel(consumer_tag='c', nowait=True)"}
