"""A channel: consumers, what they were sent and have not settled, and the modes of publishing.

The methods are in `topology`, `consuming`, `publishing` and `transactions`, one function each, found by name.
A channel that has been closed by an error ignores everything until the client has confirmed the close.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from menura.core.consumer import Consumer, Limit
from menura.core.ledger import Ledger, Span, UnknownTag
from menura.core.queue import Queue
from menura.core.tallies import Tallies
from menura.protocols.amqp import consuming, publishing, topology, transactions, wire
from menura.protocols.amqp.delivery import ack_frame, nack_frame, send_deliveries
from menura.protocols.amqp.errors import REASONS, AmqpError, Ids, translate
from menura.protocols.amqp.spec import PROTOCOL

if TYPE_CHECKING:
    from menura.core.keeping import Promise
    from menura.core.presence import Connected
    from menura.core.run import Run
    from menura.protocols.amqp.publishing import Content, Target
    from menura.protocols.amqp.session import Session
    from menura.protocols.amqp.transactions import Transaction

METHODS = {**topology.METHODS, **consuming.METHODS, **publishing.METHODS, **transactions.METHODS}
_PUBLISH: Ids = (60, 40)
_ACK: Ids = (60, 80)
_REJECT: Ids = (60, 90)
# A channel where nothing happens for so long is idle.
_IDLE_MS = 5000


class Channel:
    """A subscriber of the core."""

    __slots__ = (
        "_nacked", "_nacked_before", "_timed", "_timed_at", "_timed_from", "_trace", "_trace_ms", "accepted", "closing",
        "confirmable", "confirmed", "confirms", "consumers", "content", "ledger", "limit", "number", "oldest_since",
        "oldest_tag", "prefetch", "published", "queue_name", "refused", "reply_token", "session", "tallies",
        "transaction", "unpromised", "waiting",
    )  # fmt: skip

    def __init__(self, session: Session, number: int) -> None:
        self.session = session
        self.number = number
        self.closing = False
        self.consumers: dict[str, Consumer] = {}
        self.ledger = Ledger()
        self.limit = Limit()
        self.prefetch = 0
        self.queue_name: str | None = None
        self.reply_token: str | None = None
        self.content: Content | None = None
        self.transaction: Transaction | None = None
        # Publisher confirms: runs are numbered as published; `waiting` says which number may be confirmed once what
        # is durable, everything up to `confirmable` may be confirmed, up to `confirmed` has been.
        self.confirms = False
        self.published = self.confirmable = self.confirmed = 0
        self.accepted = 0  # the last one that was not refused
        # Now and then it is measured how long a run waits for its confirm: up to which number, and since when. Once
        # for each time that the session looks at the clock is often enough to know, and too seldom to be felt.
        self._timed = 0
        self._timed_from = self._timed_at = 0.0
        self.refused = 0  # how many found no room
        # Those that were refused: from which number to which, and how many before that.
        self._nacked: list[tuple[int, int]] = []
        self._nacked_before = 0
        # What was seen here by who looked last, and since when it has been that.
        self._trace: object = None
        self._trace_ms = 0
        self.tallies = Tallies(session.vhost.register, PROTOCOL, self.confirm_counts)
        self.oldest_tag = 0  # of what is not settled, and since when it has been that
        self.oldest_since = 0.0
        self.waiting: deque[tuple[Promise, int]] = deque()
        self.unpromised = False  # something was published since that has to be durable first

    # -- methods ---------------------------------------------------------------------------------------------

    def method(self, method: Any) -> None:
        """Carry out one method."""
        name = method.name
        if self.closing:
            if name == "channel.close-ok":
                self.session.forget_channel(self)
            elif name == "channel.close":
                self.send("channel.close-ok")
            elif name == "channel.open":
                raise _unexpected(name, method.ids)
            return
        if self.content is not None:
            raise self.content.unexpected
        if name == "channel.close":
            self.session.send(self.due_confirm())
            self.shut()
            self.send("channel.close-ok")
            self.session.forget_channel(self)
            return
        handler = METHODS.get(name)
        if handler is None:
            raise _unexpected(name, method.ids)
        events = self.session.node.events
        if events.wanted:
            with events.by(self.session.user):
                handler(self, method)
        else:
            handler(self, method)

    def send(self, name: str, **arguments: Any) -> None:
        self.session.send(wire.frame(self.number, name, **arguments))

    def answer(self, name: str, **arguments: Any) -> None:
        """Confirm a change once it is certain, and everything else that is said only behind that."""
        self.session.promise()
        self.send(name, **arguments)

    # -- deliveries ------------------------------------------------------------------------------------------

    @property
    def writable(self) -> bool:
        return self.session.writable

    @property
    def who(self) -> tuple[Connected | None, int]:
        return self.session.here, self.number

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        ledger = self.ledger
        if consumer.settles:
            first = ledger.add(consumer, consumer.queue, position, run)
        else:
            first = ledger.skip(len(run.contents))
        send_deliveries(self.session, consumer, first, run, redelivered)

    def cancelled(self, consumer: Consumer) -> None:
        """The consumer's queue has gone."""
        self.consumers.pop(consumer.tag, None)
        if self.session.capabilities.get("consumer_cancel_notify") is True:
            # The answer to the method that deleted the queue comes first: clients wait for it and for nothing else.
            self.session.send_last(
                self, wire.frame(self.number, "basic.cancel", consumer_tag=consumer.tag, nowait=True)
            )

    def look(self, now: float) -> None:
        """Close the channel if what it was sent is not settled in the time its queue, or else the broker, allows; `now`
        in seconds.

        Time counts from when a delivery is the oldest one open.
        """
        oldest = self.ledger.oldest
        if oldest is None:
            return
        if oldest.first != self.oldest_tag:
            self.oldest_tag, self.oldest_since = oldest.first, now
        rules = oldest.queue.rules
        timeout_ms = rules.settings.consumer_timeout_ms if rules is not None else None
        if timeout_ms is None:
            timeout_ms = self.session.limits.consumer_timeout_ms or None
        if timeout_ms is not None and now - self.oldest_since > timeout_ms / 1000:
            error = AmqpError(
                "PRECONDITION_FAILED",
                f"delivery acknowledgement on channel {self.number} timed out. Timeout value used: {timeout_ms} ms. "
                "This timeout value can be configured, see consumers doc guide to learn more",
            )
            error.channel = self
            self.session.fail(error)

    # -- settling --------------------------------------------------------------------------------------------

    def settle(self, first: int, last: int) -> None:
        """Acknowledge the tags first..last, one by one as far as errors go."""
        try:
            spans = self.ledger.take(first, last)
        except UnknownTag as unknown:
            if unknown.tag > first:
                self.settle(first, unknown.tag - 1)
            raise self.unknown_tag(unknown, _ACK) from None
        self.accept(spans)

    def refuse(self, first: int, last: int) -> None:
        """Reject the tags first..last for good, one by one as far as errors go."""
        try:
            spans = self.ledger.take(first, last)
        except UnknownTag as unknown:
            if unknown.tag > first:
                self.refuse(first, unknown.tag - 1)
            raise self.unknown_tag(unknown, _REJECT) from None
        try:
            self.release(spans, requeue=False)
        except REASONS as reason:
            raise translate(reason, _REJECT, self) from reason

    def unknown_tag(self, unknown: UnknownTag, method: Ids) -> AmqpError:
        error = AmqpError("PRECONDITION_FAILED", str(unknown), method)
        error.channel = self
        return error

    def accept(self, spans: list[Span]) -> None:
        """The client is done with these deliveries (once the transaction commits, if there is one)."""
        if self.transaction is not None:
            self.transaction.accepted += spans
            return
        for span in spans:
            count = len(span.run.contents)
            span.queue.settle(span.position, span.run)
            if span.consumer is not None:
                span.consumer.taking.ack += count
                span.consumer.settled(count)
            elif span.queue.alive:
                self.tallies.of(span.queue).ack += count

    def release(self, spans: list[Span], *, requeue: bool) -> None:
        """The client does not want these deliveries: back to their queues, or dropped."""
        if self.transaction is not None:
            self.transaction.rejected += [(span, requeue) for span in spans]
            return
        for span in spans:
            if requeue:
                span.queue.requeue(span.position, span.run, failed=True)
            else:
                span.queue.reject(span.position, span.run)
            if span.consumer is not None:
                span.consumer.settled(len(span.run.contents))

    # -- publishing ------------------------------------------------------------------------------------------

    def publish(self, target: Target, run: Run) -> None:
        """Take a run from the client."""
        try:
            publishing.publish(self, target, run)
        except REASONS as reason:
            raise translate(reason, _PUBLISH, self) from reason

    def publish_special(self, target: Target, content: bytes) -> None:
        """Take one message whose properties ask for more than queueing."""
        try:
            publishing.publish_special(self, target, content)
        except REASONS as reason:
            raise translate(reason, _PUBLISH, self) from reason
        except AmqpError as error:
            error.channel = self
            raise

    def expect_content(self, target: Target) -> None:
        """The next frames of this channel are a message for `target`."""
        self.content = publishing.Content(target)

    def note_published(self, count: int, kept: bool) -> None:
        """`count` messages were published; `kept`: they may be confirmed once they are on the disk."""
        if not count or not self.confirms:
            return
        self.published += count
        self.accepted = self.published
        session = self.session
        if self._timed_at != session.now and not self._timed:
            self._timed = self.published
            self._timed_at = session.now
            self._timed_from = session.node.confirm_times.clock()
        if kept:
            self.unpromised = True
        elif not self.unpromised and not self.waiting:
            self.confirmable = self.published
        self.session.confirming[self] = None

    def note_refused(self, count: int) -> None:
        """`count` messages more were published, and found no room."""
        self.refused += count
        if not self.confirms:
            return
        self.session.send(self.due_confirm())
        first = self.published + 1
        self.published += count
        self._nacked_before = self._nacks_up_to(self.confirmed)
        self._nacked = [each for each in self._nacked if each[1] > self.confirmed]
        self._nacked.append((first, self.published))
        self.session.send(b"".join([nack_frame(self.number, first + at, False) for at in range(count)]))
        if not self.waiting:
            self.confirmable = self.confirmed = self.published
            self._timed = 0

    def due_confirm(self) -> bytes:
        """The frame that confirms what may be confirmed, if anything."""
        waiting = self.waiting
        if self.unpromised or waiting:
            keeper = self.session.node.keeper
            assert keeper is not None
            if self.unpromised:
                self.unpromised = False
                waiting.append((keeper.promise(), self.accepted))
            while waiting and keeper.fulfilled(waiting[0][0]):
                self.confirmable = waiting.popleft()[1]
            if not waiting:
                self.confirmable = self.accepted
        if not waiting:
            self.session.confirming.pop(self, None)
        if self.confirmable > self.confirmed:
            multiple = self.confirmable > self.confirmed + 1
            self.confirmed = self.confirmable
            if 0 < self._timed <= self.confirmed:
                self._note_time()
            return ack_frame(self.number, self.confirmable, multiple)
        return b""

    def _note_time(self) -> None:
        self._timed = 0
        times = self.session.node.confirm_times
        times.observe(times.clock() - self._timed_from)

    def confirm_counts(self) -> tuple[int, int]:
        """How many messages were published since confirms were asked for, and how many of them were confirmed."""
        return self.published, self.confirmed - self._nacks_up_to(self.confirmed)

    @property
    def unconfirmed(self) -> int:
        """How many messages are neither confirmed nor refused."""
        nacked = self._nacks_up_to(self.published) - self._nacks_up_to(self.confirmed)
        return self.published - self.confirmed - nacked if self.confirms else 0

    def _nacks_up_to(self, number: int) -> int:
        return self._nacked_before + sum(last - first + 1 for first, last in self._nacked if last <= number)

    def refuse_waiting(self) -> bytes:
        """The frames that confirm what is durable and refuse what will never be."""
        confirmed = self.due_confirm()
        if not self.waiting:
            return confirmed
        self.waiting.clear()
        return confirmed + nack_frame(self.number, self.published, True)

    # -- being looked at ---------------------------------------------------------------------------------------

    def idle_since_ms(self) -> int:
        """Since when nothing has happened here, as far as those know who look; 0 if something has since the last."""
        totals = self.tallies.totals()
        trace = (totals.sent, totals.all_taken, self.ledger.outstanding, len(self.consumers), self.confirms)
        now_ms = self.session.node.agenda.wall_ms
        if trace != self._trace:
            self._trace, self._trace_ms = trace, now_ms
        return self._trace_ms if now_ms - self._trace_ms >= _IDLE_MS else 0

    # -- endings ---------------------------------------------------------------------------------------------

    def fail(self, error: AmqpError) -> None:
        """Close the channel from our side."""
        self.session.send(self.due_confirm())
        self.shut()
        self.session.mute(self)
        self.closing = True
        self.waiting.clear()
        self.unpromised = False
        self.session.confirming.pop(self, None)
        self.session.publishes.clear()
        class_id, method_id = error.method
        self.send(
            "channel.close",
            reply_code=error.code,
            reply_text=error.reply_text,
            class_id=class_id,
            method_id=method_id,
        )

    def shut(self) -> None:
        """Return what was not settled and end the consumers."""
        transactions.abandon(self)
        if self.content is not None:
            self.content.forget(self)
        consuming.forget_reply_consumer(self)
        consumers = list(self.consumers.values())
        self.consumers.clear()
        for span in self.ledger.drain():
            span.queue.requeue(span.position, span.run)
            if span.consumer is not None:
                span.consumer.settled(len(span.run.contents))
        for consumer in consumers:
            consumer.queue.unsubscribe(consumer)
        self.tallies.close(self.session.closed_channels)

    def queue(self, name: str) -> Queue:
        """The queue a method means: the one it names, or the last one declared on this channel."""
        return self.session.vhost.queue(self.queue_or_last(name), self.session)

    def queue_or_last(self, name: str) -> str:
        if name:
            return name
        if self.queue_name is None:
            raise AmqpError("NOT_FOUND", "no previously declared queue")
        return self.queue_name


def _unexpected(name: str, ids: Ids) -> AmqpError:
    if name == "channel.open":
        return AmqpError("CHANNEL_ERROR", "second 'channel.open' seen", ids)
    return AmqpError("COMMAND_INVALID", "unimplemented method", ids)
