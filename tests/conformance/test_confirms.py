"""Publisher confirms, transactions, and that a channel has one or the other."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp.commands import Basic, Confirm, Tx
from tests.conformance.answers import (
    EMPTY,
    QOS_OK,
    channel_error,
    confirmed,
    delivered,
    got,
    no_exchange,
    returned,
)
from tests.conformance.frames import qos
from tests.conformance.wire import Client

CONFIRM_OK = "1 Confirm.SelectOk()"
TX_OK = "1 Tx.SelectOk()"
COMMITTED = "1 Tx.CommitOk()"
ROLLED_BACK = "1 Tx.RollbackOk()"


def test_every_message_is_confirmed(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Confirm.Select(), CONFIRM_OK)
    for tag in (1, 2, 3):
        c.publish(q)
        c.expect(confirmed(tag))


def test_confirms_of_messages_sent_together_cover_each_of_them_once(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Confirm.Select(), CONFIRM_OK)
    for _ in range(100):
        c.publish(q)
    open_tags = set(range(1, 101))
    while open_tags:
        _, method, _, _ = c.method()
        assert isinstance(method, Basic.Ack)
        acked = {tag for tag in open_tags if tag <= method.delivery_tag} if method.multiple else {method.delivery_tag}
        assert acked
        assert acked <= open_tags
        open_tags -= acked


def test_a_message_nobody_wants_is_confirmed(c: Client, q: str) -> None:
    c.ask(Confirm.Select(), CONFIRM_OK)
    c.publish(q)
    c.expect(confirmed(1))


def test_a_message_is_returned_before_it_is_confirmed(c: Client, q: str) -> None:
    c.ask(Confirm.Select(), CONFIRM_OK)
    c.publish(q, mandatory=True)
    c.expect(returned(), confirmed(1))


def test_counting_begins_with_confirm_select(c: Client, q: str) -> None:
    c.publish(q)
    c.ask(Confirm.Select(), CONFIRM_OK)
    c.publish(q)
    c.expect(confirmed(1))


def test_confirm_select_may_be_said_again(c: Client, q: str) -> None:
    c.ask(Confirm.Select(), CONFIRM_OK)
    c.publish(q)
    c.expect(confirmed(1))
    c.ask(Confirm.Select(), CONFIRM_OK)
    c.publish(q)
    c.expect(confirmed(2))


def test_confirm_select_with_nowait_is_not_answered(c: Client, q: str) -> None:
    c.send(Confirm.Select(nowait=True))
    c.publish(q)
    c.expect(confirmed(1))


def test_a_confirming_channel_cannot_become_transactional(c: Client) -> None:
    c.ask(Confirm.Select(), CONFIRM_OK)
    c.ask(Tx.Select(), channel_error(406, "cannot switch from confirm to tx mode", Tx.Select))


def test_a_transactional_channel_cannot_become_confirming(c: Client) -> None:
    c.ask(Tx.Select(), TX_OK)
    c.ask(Confirm.Select(), channel_error(406, "cannot switch from tx to confirm mode", Confirm.Select))


@pytest.mark.parametrize("method", [Tx.Commit, Tx.Rollback])
def test_there_is_no_transaction_before_tx_select(c: Client, method: Any) -> None:
    c.ask(method(), channel_error(406, "channel is not transactional", method))


def test_tx_select_may_be_said_again(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Tx.Select(), TX_OK)
    c.publish(q)
    c.ask(Tx.Select(), TX_OK)
    c.ask(Tx.Commit(), COMMITTED)
    c.ask(Basic.Get(queue=q), got(1))


def test_a_message_is_there_after_commit(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Tx.Select(), TX_OK)
    c.publish(q)
    c.ask(Basic.Get(queue=q), EMPTY)
    c.ask(Tx.Commit(), COMMITTED)
    c.ask(Basic.Get(queue=q), got(1))


def test_a_message_is_not_there_after_rollback(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Tx.Select(), TX_OK)
    c.publish(q)
    c.ask(Tx.Rollback(), ROLLED_BACK)
    c.ask(Tx.Commit(), COMMITTED)
    c.ask(Basic.Get(queue=q), EMPTY)


def test_messages_are_committed_in_order(c: Client, q: str) -> None:
    c.queue(q)
    c.ask(Tx.Select(), TX_OK)
    for body in (b"1", b"2", b"3"):
        c.publish(q, body)
    c.ask(Tx.Commit(), COMMITTED)
    assert c.bodies(q) == [b"1", b"2", b"3"]


def test_a_consumer_gets_a_message_on_commit(c: Client, q: str) -> None:
    c.queue(q)
    c.consume(q, no_ack=True)
    c.ask(Tx.Select(), TX_OK)
    c.publish(q)
    c.expect_nothing(q)
    c.send(Tx.Commit())
    assert {c.line(), c.line()} == {COMMITTED, delivered(1)}


def test_an_acknowledgement_taken_back_may_be_given_again(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Tx.Select(), TX_OK)
    c.ask(Basic.Get(queue=q), got(1))
    c.send(Basic.Ack(1))
    c.ask(Tx.Rollback(), ROLLED_BACK)
    c.send(Basic.Ack(1))
    c.ask(Tx.Commit(), COMMITTED)
    c.ask(Basic.Get(queue=q), EMPTY)


def test_a_tag_is_settled_once_within_a_transaction(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Tx.Select(), TX_OK)
    c.ask(Basic.Get(queue=q), got(1))
    c.send(Basic.Ack(1))
    c.ask(Basic.Ack(1), channel_error(406, "unknown delivery tag 1", Basic.Ack))


def test_a_message_is_requeued_on_commit(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Tx.Select(), TX_OK)
    c.ask(Basic.Get(queue=q), got(1))
    c.send(Basic.Reject(1, requeue=True))
    c.ask(Basic.Get(queue=q), EMPTY)
    c.ask(Tx.Commit(), COMMITTED)
    c.ask(Basic.Get(queue=q), got(2, redelivered=True))


def test_rollback_keeps_what_was_delivered(c: Client, q: str) -> None:
    c.queue(q)
    c.publish(q)
    c.ask(Tx.Select(), TX_OK)
    c.ask(Basic.Get(queue=q), got(1))
    c.ask(Tx.Rollback(), ROLLED_BACK)
    c.ask(Basic.Get(queue=q), EMPTY)


def test_a_message_is_returned_on_commit(c: Client, q: str) -> None:
    c.ask(Tx.Select(), TX_OK)
    c.publish(q, mandatory=True)
    c.ask(qos(0), QOS_OK)
    c.ask(Tx.Commit(), returned(), COMMITTED)


def test_an_unknown_exchange_is_found_out_before_commit(c: Client, x: str) -> None:
    c.ask(Tx.Select(), TX_OK)
    c.publish("k", exchange=x)
    c.expect(no_exchange(Basic.Publish))
