"""The tx class: publishes and settlements that take effect together on commit, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from menura.core.errors import PreconditionFailed
from menura.core.ledger import Span

if TYPE_CHECKING:
    from menura.core.run import Run
    from menura.protocols.amqp.channel import Channel
    from menura.protocols.amqp.publishing import Target


class Transaction:
    """What has been said since tx.select or the last commit or rollback."""

    __slots__ = ("accepted", "published", "rejected")

    def __init__(self) -> None:
        self.published: list[tuple[Target, Run]] = []
        self.accepted: list[Span] = []
        self.rejected: list[tuple[Span, bool]] = []


def tx_select(channel: Channel, method: Any) -> None:
    if channel.confirms:
        raise PreconditionFailed("cannot switch from confirm to tx mode")
    if channel.transaction is None:
        channel.transaction = Transaction()
    channel.send("tx.select-ok")


def tx_commit(channel: Channel, method: Any) -> None:
    transaction = _current(channel)
    channel.transaction = None
    try:
        for target, run in transaction.published:
            channel.publish(target, run)
        channel.accept(transaction.accepted)
        for span, requeue in transaction.rejected:
            channel.release([span], requeue=requeue)
    finally:
        channel.transaction = Transaction()
    channel.send("tx.commit-ok")


def tx_rollback(channel: Channel, method: Any) -> None:
    transaction = _current(channel)
    channel.transaction = Transaction()
    channel.ledger.restore(transaction.accepted + [span for span, _ in transaction.rejected])
    channel.send("tx.rollback-ok")


def return_unsettled(channel: Channel) -> None:
    """The channel ends in the middle of a transaction: its settlements have not happened."""
    if channel.transaction is not None:
        transaction = channel.transaction
        channel.transaction = None
        channel.ledger.restore(transaction.accepted + [span for span, _ in transaction.rejected])


def _current(channel: Channel) -> Transaction:
    if channel.transaction is None:
        raise PreconditionFailed("channel is not transactional")
    return channel.transaction


METHODS: dict[str, Callable[[Channel, Any], None]] = {
    "tx.select": tx_select,
    "tx.commit": tx_commit,
    "tx.rollback": tx_rollback,
}
