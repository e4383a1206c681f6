"""BEGIN, COMMIT, ABORT: SEND, ACK and NACK frames that take effect together, or not at all.

What is wrong with a frame is said when it comes, not at the commit: a SEND has been resolved, and what an ACK names is
taken out of the ledger, before it becomes part of a transaction. With a journal, a commit is one entry in it.
Transactions that are open when the connection ends are aborted (1.2, section BEGIN).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from menura.core.ledger import Span
from menura.protocols.stomp import publishing
from menura.protocols.stomp.errors import StompError
from menura.protocols.stomp.frames import shown

if TYPE_CHECKING:
    from menura.protocols.stomp.publishing import Target
    from menura.protocols.stomp.session import Session
    from menura.protocols.stomp.subscriptions import Deliveries


class Transaction:
    """What has been said under one name. `settled` has, for each ACK and NACK: deliveries, spans, requeue or None."""

    __slots__ = ("frame_count", "receipts", "sent", "settled", "size_bytes")

    def __init__(self) -> None:
        self.sent: list[tuple[Target, list[bytes]]] = []
        self.settled: list[tuple[Deliveries, list[Span], bool | None]] = []
        self.receipts: list[str] = []
        self.size_bytes = 0
        self.frame_count = 0


class Transactions:
    """The open transactions of a connection."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open: dict[str, Transaction] = {}

    def begin(self, name: str) -> None:
        limit = self._session.limits.transactions_max
        if len(self._open) >= limit:
            raise StompError("Transaction limit exceeded", f"Too many concurrent transactions (limit {limit})")
        if name in self._open:
            raise StompError("Bad transaction", f'Transaction "{shown(name)}" has begun already\n')
        self._open[name] = Transaction()

    def require(self, name: str) -> Transaction:
        """The open transaction of that name."""
        transaction = self._open.get(name)
        if transaction is None:
            raise StompError("Bad transaction", f'Invalid transaction identifier: "{shown(name)}"\n')
        return transaction

    def _extended(self, name: str, count: int) -> Transaction:
        transaction = self.require(name)
        transaction.frame_count += count
        limit = self._session.limits.transaction_frames_max
        if transaction.frame_count > limit:
            raise StompError("Transaction too large", f"Too many actions in transaction (limit {limit})")
        return transaction

    def send(self, target: Target, contents: list[bytes], receipts: Sequence[str]) -> None:
        """Keep messages, and the receipts asked for them, until the end of the transaction."""
        assert target.transaction is not None
        transaction = self._extended(target.transaction, len(contents))
        size_bytes = sum(map(len, contents)) + sum(map(len, receipts))
        transaction.size_bytes += size_bytes
        self._session.node.memory.hold(size_bytes)
        transaction.receipts += receipts
        if transaction.sent and transaction.sent[-1][0] is target:
            transaction.sent[-1][1].extend(contents)
        else:
            transaction.sent.append((target, contents))
        self._session.throttle.published(kept=False)

    def settle(self, name: str, deliveries: Deliveries, spans: list[Span], requeue: bool | None) -> None:
        """Keep what an ACK (`requeue` None) or NACK said until the end of the transaction."""
        self.require(name).settled.append((deliveries, spans, requeue))
        deliveries.held += 1
        self._extended(name, 1)

    def commit(self, name: str) -> None:
        session = self._session
        transaction = self.require(name)
        for target, _ in transaction.sent:
            session.vhost.exchange(target.route.exchange)
        del self._open[name]
        session.node.memory.hold(-transaction.size_bytes)
        with session.vhost.together():
            for target, contents in transaction.sent:
                publishing.publish(session, target, contents)
            for deliveries, spans, requeue in transaction.settled:
                deliveries.settle(spans, requeue)
                self._release(deliveries)
        if transaction.sent or transaction.settled:
            session.receipts.uncertain()
        session.throttle.published()
        publishing.give(session, transaction.receipts)

    def abort(self, name: str) -> None:
        """What was sent is not sent, what was settled is outstanding again."""
        transaction = self.require(name)
        del self._open[name]
        self._session.node.memory.hold(-transaction.size_bytes)
        for deliveries, spans, _ in transaction.settled:
            deliveries.ledger.restore(spans)
            self._release(deliveries)

    def _release(self, deliveries: Deliveries) -> None:
        deliveries.held -= 1
        self._session.subscriptions.tidy(deliveries)

    def abort_all(self) -> None:
        for name in list(self._open):
            self.abort(name)
