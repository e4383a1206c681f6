"""basic.ack, nack, reject and recover: which tags may be settled, and where a message goes back to."""

from __future__ import annotations

import pytest
from pamqp.commands import Basic, Channel
from tests.conformance.answers import EMPTY, channel_error, connection_error, delivered, got
from tests.conformance.wire import Client


def unknown(tag: int, method: type[Basic.Ack] = Basic.Ack) -> str:
    return channel_error(406, f"unknown delivery tag {tag}", method)


@pytest.fixture
def three(c: Client, q: str) -> Client:
    """The connection, with the messages 1, 2 and 3 in q."""
    c.queue(q)
    for body in (b"1", b"2", b"3"):
        c.publish(q, body)
    return c


@pytest.mark.parametrize("method", [Basic.Ack(5), Basic.Nack(5), Basic.Reject(5)], ids=lambda method: method.name)
def test_an_unknown_tag_closes_the_channel(c: Client, method: Basic.Ack) -> None:
    c.ask(method, unknown(5, type(method)))


def test_a_tag_is_settled_once(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.send(Basic.Ack(1))
    three.ask(Basic.Ack(1), unknown(1))


def test_a_multiple_ack_needs_a_known_tag(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.ask(Basic.Ack(7, multiple=True), unknown(7))


def test_a_multiple_ack_of_a_settled_tag_is_an_error_when_nothing_is_left(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.send(Basic.Ack(1))
    three.ask(Basic.Ack(1, multiple=True), unknown(1))


def test_a_multiple_ack_of_tag_0_means_everything_even_if_that_is_nothing(three: Client, q: str) -> None:
    three.send(Basic.Ack(0, multiple=True))
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.ask(Basic.Get(queue=q), got(2, b"2", left=1))
    three.send(Basic.Ack(0, multiple=True))
    three.ask(Basic.Ack(2), unknown(2))


def test_tag_0_alone_is_unknown(c: Client) -> None:
    c.ask(Basic.Ack(0), unknown(0))


def test_a_message_taken_without_acknowledgement_cannot_be_settled(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q, no_ack=True), got(1, b"1", left=2))
    three.ask(Basic.Ack(1), unknown(1))


def test_a_tag_belongs_to_its_channel(three: Client, q: str) -> None:
    three.open_channel(2)
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.send(Basic.Ack(1), channel=2)
    three.expect(channel_error(406, "unknown delivery tag 1", Basic.Ack, channel=2))


def test_a_rejected_message_is_dropped(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.send(Basic.Reject(1, requeue=False))
    assert three.bodies(q) == [b"2", b"3"]


def test_a_requeued_message_goes_back_to_its_place(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.ask(Basic.Get(queue=q), got(2, b"2", left=1))
    three.send(Basic.Reject(2, requeue=True), Basic.Reject(1, requeue=True))
    three.ask(Basic.Get(queue=q), got(3, b"1", left=2, redelivered=True))
    three.ask(Basic.Get(queue=q), got(4, b"2", left=1, redelivered=True))
    three.ask(Basic.Get(queue=q), got(5, b"3"))


def test_a_multiple_nack_requeues_in_order(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.ask(Basic.Get(queue=q), got(2, b"2", left=1))
    three.ask(Basic.Get(queue=q), got(3, b"3"))
    three.send(Basic.Nack(2, multiple=True, requeue=True))
    three.ask(Basic.Get(queue=q), got(4, b"1", left=1, redelivered=True))
    three.ask(Basic.Get(queue=q), got(5, b"2", redelivered=True))
    three.ask(Basic.Get(queue=q), EMPTY)


def test_a_closed_channel_requeues_in_order(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.ask(Basic.Get(queue=q), got(2, b"2", left=1))
    three.ask(Channel.Close(200, "", 0, 0), "1 Channel.CloseOk()")
    three.open_channel()
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2, redelivered=True))
    three.ask(Basic.Get(queue=q), got(2, b"2", left=1, redelivered=True))
    three.ask(Basic.Get(queue=q), got(3, b"3"))


def test_a_message_rejected_by_the_only_consumer_comes_back_to_it(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q)
    c.publish(q)
    c.expect(delivered(1))
    c.ask(Basic.Reject(1, requeue=True), delivered(2, redelivered=True))


def test_recover_requeues_everything_the_channel_holds(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.ask(Basic.Get(queue=q), got(2, b"2", left=1))
    three.ask(Basic.Recover(requeue=True), "1 Basic.RecoverOk()")
    three.ask(Basic.Get(queue=q), got(3, b"1", left=2, redelivered=True))


def test_recover_delivers_to_the_consumer_again(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q)
    c.publish(q)
    c.expect(delivered(1))
    c.send(Basic.Recover(requeue=True))
    answers = {c.line(), c.line()}
    assert answers == {"1 Basic.RecoverOk()", delivered(2, redelivered=True)}


@pytest.mark.filterwarnings("ignore:This command is deprecated")
def test_recover_async_is_not_answered(three: Client, q: str) -> None:
    three.ask(Basic.Get(queue=q), got(1, b"1", left=2))
    three.send(Basic.RecoverAsync(requeue=True))
    three.ask(Basic.Get(queue=q), got(2, b"1", left=2, redelivered=True))


@pytest.mark.filterwarnings("ignore:This command is deprecated")
@pytest.mark.parametrize("method", [Basic.Recover, Basic.RecoverAsync])
def test_recover_to_the_same_consumer_is_not_implemented(c: Client, method: type[Basic.Recover]) -> None:
    c.ask(method(requeue=False), connection_error(540, "requeue=false", method))
