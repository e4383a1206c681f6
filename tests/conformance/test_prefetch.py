"""basic.qos: how many messages a consumer, or a channel, may hold."""

from __future__ import annotations

import pytest
from pamqp.commands import Basic
from tests.conformance.answers import QOS_OK, connection_error, delivered, got
from tests.conformance.frames import qos
from tests.conformance.wire import Client


@pytest.fixture
def three(c: Client, q: str) -> Client:
    """The connection, with three messages in q."""
    c.queue(q)
    for _ in range(3):
        c.publish(q)
    return c


def test_each_consumer_has_its_own_limit(three: Client, q: str) -> None:
    three.ask(qos(1), QOS_OK)
    three.send(Basic.Consume(queue=q, consumer_tag="c"))
    three.expect("1 Basic.ConsumeOk(consumer_tag='c')", delivered(1, to="c"))
    three.send(Basic.Consume(queue=q, consumer_tag="d"))
    three.expect("1 Basic.ConsumeOk(consumer_tag='d')", delivered(2, to="d"))
    three.expect_nothing(q)


def test_an_acknowledgement_makes_room(three: Client, q: str) -> None:
    three.ask(qos(1), QOS_OK)
    three.send(Basic.Consume(queue=q, consumer_tag="c"))
    three.expect("1 Basic.ConsumeOk(consumer_tag='c')", delivered(1))
    three.ask(Basic.Ack(1), delivered(2))
    three.ask(Basic.Nack(2, requeue=False), delivered(3))


def test_a_limit_applies_to_later_consumers_only(three: Client, q: str) -> None:
    three.ask(qos(1), QOS_OK)
    three.send(Basic.Consume(queue=q, consumer_tag="c"))
    three.expect("1 Basic.ConsumeOk(consumer_tag='c')", delivered(1))
    three.ask(qos(3), QOS_OK)
    three.expect_nothing(q)


def test_no_limit_is_0(three: Client, q: str) -> None:
    three.ask(qos(1), QOS_OK)
    three.ask(qos(0), QOS_OK)
    three.send(Basic.Consume(queue=q, consumer_tag="c"))
    three.expect("1 Basic.ConsumeOk(consumer_tag='c')", delivered(1), delivered(2), delivered(3))


def test_a_limit_means_nothing_without_acknowledgements(three: Client, q: str) -> None:
    three.ask(qos(1), QOS_OK)
    three.send(Basic.Consume(queue=q, consumer_tag="c", no_ack=True))
    three.expect("1 Basic.ConsumeOk(consumer_tag='c')", delivered(1), delivered(2), delivered(3))


def test_consumers_of_a_channel_share_a_global_limit(three: Client, q: str) -> None:
    three.ask(qos(1, shared=True), QOS_OK)
    three.send(Basic.Consume(queue=q, consumer_tag="c"))
    three.expect("1 Basic.ConsumeOk(consumer_tag='c')", delivered(1, to="c"))
    three.send(Basic.Consume(queue=q, consumer_tag="d"))
    three.expect("1 Basic.ConsumeOk(consumer_tag='d')")
    three.expect_nothing(q)


def test_a_raised_global_limit_applies_at_once(three: Client, q: str) -> None:
    three.ask(qos(1, shared=True), QOS_OK)
    three.send(Basic.Consume(queue=q, consumer_tag="c"))
    three.expect("1 Basic.ConsumeOk(consumer_tag='c')", delivered(1))
    three.send(qos(2, shared=True))
    assert {three.line(), three.line()} == {QOS_OK, delivered(2)}
    three.expect_nothing(q)


def test_get_is_never_limited(three: Client, q: str) -> None:
    three.ask(qos(1, shared=True), QOS_OK)
    three.ask(Basic.Get(queue=q), got(1, left=2))
    three.ask(Basic.Get(queue=q), got(2, left=1))


def test_a_message_taken_by_get_does_not_count(three: Client, q: str) -> None:
    three.ask(qos(1, shared=True), QOS_OK)
    three.ask(Basic.Get(queue=q), got(1, left=2))
    three.send(Basic.Consume(queue=q, consumer_tag="c"))
    three.expect("1 Basic.ConsumeOk(consumer_tag='c')", delivered(2))


@pytest.mark.parametrize("shared", [False, True])
def test_a_limit_in_octets_is_not_implemented(c: Client, shared: bool) -> None:
    c.ask(qos(1, size=7, shared=shared), connection_error(540, "prefetch_size!=0 (7)", Basic.Qos))
