"""Queues that refuse new messages when they are full: reject-publish and reject-publish-dlx.

A refusal may cover several messages; where one is expected, it covers that one, whatever `multiple` says.
"""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Confirm, Tx
from tests.conformance.answers import EMPTY, channel_error, got
from tests.conformance.deaths import Graveyard
from tests.conformance.wire import Client

REFUSING = {"x-overflow": "reject-publish"}
BURYING = {"x-overflow": "reject-publish-dlx"}


def refused(tag: int) -> str:
    return f"1 Basic.Nack(delivery_tag={tag}, multiple=..., requeue=...)"


@pytest.fixture
def confirming(c: Client) -> Client:
    c.ask(Confirm.Select(), "1 Confirm.SelectOk()")
    return c


def publish_one_by_one(c: Client, queue: str, bodies: list[bytes]) -> str:
    """A letter for each message: a for ack, n for nack."""
    answers = ""
    for body in bodies:
        c.publish(queue, body)
        _, method, _, _ = c.method()
        answers += {Basic.Ack: "a", Basic.Nack: "n"}[type(method)]
    return answers


@pytest.mark.parametrize("overflow", [REFUSING, BURYING])
def test_a_full_queue_refuses_messages(confirming: Client, q: str, overflow: Any) -> None:
    c = confirming
    c.queue(q, **{"x-max-length": 2}, **overflow)
    assert publish_one_by_one(c, q, [b"1", b"2", b"3", b"4"]) == "aann"
    c.ask(Basic.Get(queue=q, no_ack=True), got(1, b"1", left=1))
    assert publish_one_by_one(c, q, [b"5", b"6"]) == "an"
    assert c.bodies(q) == [b"2", b"5"]


def test_confirms_of_messages_sent_together_tell_which_were_refused(confirming: Client, q: str) -> None:
    c = confirming
    c.queue(q, **{"x-max-length": 20}, **REFUSING)
    for number in range(50):
        c.publish(q, b"%d" % number)
    open_tags, accepted = set(range(1, 51)), set()
    while open_tags:
        _, method, _, _ = c.method()
        assert isinstance(method, Basic.Ack | Basic.Nack)
        tags = {tag for tag in open_tags if tag <= method.delivery_tag} if method.multiple else {method.delivery_tag}
        assert tags
        assert tags <= open_tags
        open_tags -= tags
        if isinstance(method, Basic.Ack):
            accepted |= tags
    assert accepted == set(range(1, 21))
    assert c.bodies(q) == [b"%d" % number for number in range(20)]


def test_without_confirms_a_message_is_refused_silently(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length": 1}, **REFUSING, **grave.to_here)
    c.publish(q, b"1")
    c.publish(q, b"2")
    c.publish(q, b"3", mandatory=True)
    c.expect_nothing(q)
    assert c.bodies(q) == [b"1"]
    grave.expect_none(c)


def test_a_refused_message_is_not_returned(confirming: Client, q: str) -> None:
    c = confirming
    c.queue(q, **{"x-max-length": 0}, **REFUSING)
    c.publish(q, mandatory=True)
    c.expect(refused(1))


def test_one_full_queue_of_two_is_enough_for_a_refusal(confirming: Client, q: str, q2: str, x: str) -> None:
    c = confirming
    c.exchange(x, "fanout")
    c.queue(q, **{"x-max-length": 0}, **REFUSING)
    c.queue(q2)
    c.bind(q, x)
    c.bind(q2, x)
    c.publish("k", exchange=x)
    c.expect(refused(1))
    c.expect_nothing(q2)
    assert c.bodies(q2) == [b"m"]


def test_length_0_refuses_even_with_a_consumer(confirming: Client, q: str) -> None:
    c = confirming
    c.queue(q, **{"x-max-length": 0}, **REFUSING)
    c.consume(q, no_ack=True)
    c.publish(q)
    c.expect(refused(1))


def test_a_message_that_does_not_fit_is_refused_and_a_smaller_one_is_not(confirming: Client, q: str) -> None:
    c = confirming
    c.queue(q, **{"x-max-length-bytes": 5}, **REFUSING)
    assert publish_one_by_one(c, q, [b"666666", b"4444", b"4444", b"1", b"1", b""]) == "nanana"
    assert c.bodies(q) == [b"4444", b"1", b""]


def test_only_messages_that_are_ready_fill_a_queue(confirming: Client, q: str) -> None:
    c = confirming
    c.queue(q, **{"x-max-length": 1}, **REFUSING)
    assert publish_one_by_one(c, q, [b"1"]) == "a"
    c.ask(Basic.Get(queue=q), got(1, b"1"))
    assert publish_one_by_one(c, q, [b"2", b"3"]) == "an"


def test_a_message_given_back_is_not_refused(confirming: Client, q: str) -> None:
    c = confirming
    c.queue(q, **{"x-max-length": 1}, **REFUSING)
    assert publish_one_by_one(c, q, [b"1"]) == "a"
    c.ask(Basic.Get(queue=q), got(1, b"1"))
    assert publish_one_by_one(c, q, [b"2"]) == "a"
    c.send(Basic.Reject(1, requeue=True))
    c.ask(Basic.Get(queue=q), got(2, b"1", left=1, redelivered=True))
    assert c.bodies(q) == [b"2"]


def test_a_transaction_is_not_whole_if_a_message_is_refused(c: Client, q: str) -> None:
    c.queue(q, **{"x-max-length": 1}, **REFUSING)
    c.ask(Tx.Select(), "1 Tx.SelectOk()")
    c.publish(q, b"1")
    c.publish(q, b"2")
    c.ask(Tx.Commit(), channel_error(406, "partial tx completion", Tx.Commit))
    c.open_channel(2)
    c.send(Basic.Get(queue=q), channel=2)
    c.expect("2 Basic.GetOk(delivery_tag=1, ...) {} b'1'")


def test_a_refused_message_may_be_dead_lettered(confirming: Client, grave: Graveyard, q: str) -> None:
    c = confirming
    c.queue(q, **{"x-max-length": 1}, **BURYING, **grave.to_here)
    assert publish_one_by_one(c, q, [b"1", b"2", b"3"]) == "ann"
    grave.expect(q, "maxlen", b"2", b"3")
    assert c.bodies(q) == [b"1"]


def test_a_refused_message_is_dead_lettered_without_confirms_too(c: Client, grave: Graveyard, q: str) -> None:
    c.queue(q, **{"x-max-length": 0}, **BURYING, **grave.to_here)
    c.publish(q)
    c.ask(Basic.Get(queue=q), EMPTY)
    grave.expect(q, "maxlen", b"m")


def test_a_full_queue_refuses_dead_letters(c: Client, q: str, q2: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2})
    c.queue(q2, **{"x-max-length": 0}, **REFUSING)
    c.publish(q)
    c.ask(Basic.Get(queue=q), got(1))
    c.send(Basic.Reject(1, requeue=False))
    c.ask(Basic.Get(queue=q), EMPTY)
    c.ask(Basic.Get(queue=q2), EMPTY)
