"""The tx class: publishes and settlements that take effect together on commit, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from menura.core.errors import PreconditionFailed
from menura.core.ledger import Span

if TYPE_CHECKING:
    from menura.core.memory import MemoryAccount
    from menura.core.run import Run
    from menura.protocols.amqp.channel import Channel
    from menura.protocols.amqp.publishing import Target


class Transaction:
    """What has been said since tx.select or the last commit or rollback."""

    __slots__ = ("_memory", "accepted", "published", "rejected")

    def __init__(self, memory: MemoryAccount) -> None:
        self._memory = memory
        self.published: list[tuple[Target, Run]] = []
        self.accepted: list[Span] = []
        self.rejected: list[tuple[Span, bool]] = []

    def publish(self, target: Target, run: Run) -> None:
        """Keep a run until the end of the transaction."""
        self.published.append((target, run))
        self._memory.hold(run.size_bytes)

    def take_published(self) -> list[tuple[Target, Run]]:
        """The runs kept, which are kept no longer."""
        published, self.published = self.published, []
        self._memory.hold(-sum(run.size_bytes for _, run in published))
        return published


def tx_select(channel: Channel, method: Any) -> None:
    if channel.confirms:
        raise PreconditionFailed("cannot switch from confirm to tx mode")
    if channel.transaction is None:
        channel.transaction = _new(channel)
    channel.send("tx.select-ok")


def tx_commit(channel: Channel, method: Any) -> None:
    transaction = _current(channel)
    published = transaction.take_published()
    for target, _ in published:
        channel.session.vhost.exchange(target.route.exchange)
    channel.transaction = None
    refused = channel.refused
    with channel.session.vhost.together():
        for target, run in published:
            channel.publish(target, run)
        channel.accept(transaction.accepted)
        for span, requeue in transaction.rejected:
            channel.release([span], requeue=requeue)
    channel.transaction = _new(channel)
    channel.session.throttle.published()
    if channel.refused > refused:
        raise PreconditionFailed("partial tx completion")
    channel.session.promise()
    channel.send("tx.commit-ok")


def tx_rollback(channel: Channel, method: Any) -> None:
    _current(channel)
    abandon(channel)
    channel.transaction = _new(channel)
    channel.send("tx.rollback-ok")


def abandon(channel: Channel) -> None:
    """What a transaction said has not been said: nothing is published, what was settled is outstanding again."""
    transaction = channel.transaction
    if transaction is not None:
        channel.transaction = None
        transaction.take_published()
        channel.ledger.restore(transaction.accepted + [span for span, _ in transaction.rejected])


def _new(channel: Channel) -> Transaction:
    return Transaction(channel.session.node.memory)


def _current(channel: Channel) -> Transaction:
    if channel.transaction is None:
        raise PreconditionFailed("channel is not transactional")
    return channel.transaction


METHODS: dict[str, Callable[[Channel, Any], None]] = {
    "tx.select": tx_select,
    "tx.commit": tx_commit,
    "tx.rollback": tx_rollback,
}
