"""SUBSCRIBE, UNSUBSCRIBE, ACK and NACK.

A subscription goes by a tag: T_ and its id, or Q_ and its destination if it has none, as 1.0 allows. A message's id is
tag, session and number, so an acknowledgement says by itself what it is about. Numbers are never used twice on a
connection, even where a subscription ends and another of the same id begins; what was sent and not settled stays
outstanding until the connection ends. In the mode `client` an acknowledgement covers everything sent before to the same
subscription (1.2, section SUBSCRIBE, "ack").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from menura.core.access import Verb
from menura.core.consumer import Consumer
from menura.core.errors import PreconditionFailed
from menura.core.ledger import Ledger, Span, UnknownTag
from menura.core.queue import Queue
from menura.protocols.stomp.delivery import Writer
from menura.protocols.stomp.destinations import (
    AMQ_QUEUE,
    QUEUE,
    REPLY_QUEUE,
    TEMP_PREFIX,
    TEMP_QUEUE,
    TOPIC,
    Destination,
    parse_destination,
)
from menura.protocols.stomp.errors import StompError
from menura.protocols.stomp.frames import encode_frame, number, shown, truth
from menura.protocols.stomp.queues import Queues, described, is_durable

if TYPE_CHECKING:
    from menura.core.presence import Connected
    from menura.core.run import Run
    from menura.protocols.stomp.session import Session

SEPARATOR = "@@"
_MODES = {"auto": (False, False), "client": (True, True), "client-individual": (True, False)}
"""Whether messages are settled by the client, and whether that is cumulative."""


class Deliveries:
    """What was sent under one subscription's tag and is to be settled. `held` counts what transactions have taken."""

    __slots__ = ("cumulative", "held", "ledger", "tag")

    def __init__(self, tag: str, next_tag: int) -> None:
        self.tag = tag
        self.ledger = Ledger()
        self.ledger.next_tag = next_tag
        self.cumulative = False
        self.held = 0

    def settle(self, spans: list[Span], requeue: bool | None) -> None:
        """The client is done with these (None), or does not want them: back to their queues (True), or dropped."""
        for span in spans:
            consumer, count = span.consumer, len(span.run.contents)
            assert consumer is not None
            if requeue:
                span.queue.requeue(span.position, span.run, failed=True)
            elif requeue is None:
                span.queue.settle(span.position, span.run)
                consumer.taking.ack += count
            else:
                span.queue.reject(span.position, span.run)
            consumer.settled(count)


class Subscription:
    """A subscriber of the core."""

    __slots__ = ("consumer", "deliveries", "destination", "id", "session", "tag", "topic", "writer")

    consumer: Consumer

    def __init__(self, session: Session, tag: str, id: str | None, destination: str, deliveries: Deliveries) -> None:
        self.session = session
        self.tag = tag
        self.id = id
        self.destination = destination
        self.deliveries = deliveries
        self.topic = False

    def start(self, queue: Queue, *, settles: bool, priority: int = 0, prefetch: int = 0) -> None:
        session = self.session
        token = f"{self.tag}{SEPARATOR}{session.id}{SEPARATOR}"
        self.writer = Writer(self.id, token, session.dialect, acks=settles)
        self.consumer = Consumer(
            self.tag, queue, self, settles=settles, priority=priority, prefetch=prefetch, tallies=session.tallies
        )
        queue.subscribe(self.consumer)

    @property
    def writable(self) -> bool:
        return self.session.writable

    @property
    def who(self) -> tuple[Connected | None, int]:
        return self.session.here, 1

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        ledger = self.deliveries.ledger
        if consumer.settles:
            first = ledger.add(consumer, consumer.queue, position, run)
        else:
            first = ledger.skip(len(run.contents))
        self.session.send(self.writer.write(self.session, first, run, redelivered))

    def cancelled(self, consumer: Consumer) -> None:
        """The queue has gone. The connection and its other subscriptions go on, as they do with RabbitMQ."""
        self.session.subscriptions.forget(self)
        self.session.forget_sends()
        headers = [("message", "Server cancelled subscription"), ("content-type", "text/plain")]
        if self.id is not None:
            headers.append(("subscription", self.id))
        description = described(self.id, self.destination)
        body = f'The server has canceled a subscription.\nNo more messages will be delivered for "{description}".\n'
        self.session.send(encode_frame("ERROR", headers, body.encode(), self.session.dialect))


class Subscriptions:
    """The subscriptions of a connection."""

    def __init__(self, session: Session) -> None:
        self.queues = Queues(session)
        self._session = session
        self._by_tag: dict[str, Subscription] = {}
        self._deliveries: dict[str, Deliveries] = {}
        self._replies: dict[str, Queue] = {}
        self._next_tag = 1

    def __len__(self) -> int:
        return len(self._by_tag)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._by_tag.values())

    # -- beginning -------------------------------------------------------------------------------------------

    def subscribe(self, headers: Mapping[str, str]) -> None:
        id = headers.get("id")
        if id is None and is_durable(headers):
            raise StompError("Missing Header", "Header 'id' is required for durable subscriptions")
        text = headers.get("destination")
        if text is None:
            raise StompError("Missing destination", "\"SUBSCRIBE\" must include a 'destination' header\n")
        destination = parse_destination(text)
        if destination.kind == TEMP_QUEUE:
            raise StompError("Invalid destination", f"'{shown(text)}' is not a valid destination for 'SUBSCRIBE'\n")
        if "selector" in headers:
            raise StompError("Invalid header", "'selector' is not supported on 'SUBSCRIBE'.\n")
        settles, cumulative = _mode(headers)
        prefetch = number(headers, "prefetch-count", 0, 0xFFFF) or 0
        priority = number(headers, "x-priority", -(1 << 31), (1 << 31) - 1) or 0
        tag = self._new_tag(id, text)
        queue = self._queue(destination, id, headers)
        subscription = self._add(tag, id, text, cumulative)
        subscription.topic = destination.kind == TOPIC
        try:
            subscription.start(queue, settles=settles, priority=priority, prefetch=prefetch)
        except Exception:
            self.forget(subscription)
            raise

    def _new_tag(self, id: str | None, destination: str) -> str:
        if id is not None and id.startswith(TEMP_PREFIX):
            raise StompError("Invalid id", f"SUBSCRIBE 'id' may not start with {TEMP_PREFIX}\n")
        tag = _tag(id, destination)
        if tag in self._by_tag:
            raise StompError(
                "Duplicated subscription identifier", f"A subscription identified by '{shown(tag)}' already exists."
            )
        return tag

    def _queue(self, destination: Destination, id: str | None, headers: Mapping[str, str]) -> Queue:
        """The queue to consume from, made or found."""
        session = self._session
        if destination.kind in (AMQ_QUEUE, REPLY_QUEUE, QUEUE):
            session.access.require(Verb.READ, "queue", destination.name)
            if destination.kind == QUEUE:
                return self.queues.shared(destination.name, headers, sending=False)
            return session.vhost.queue(destination.name, session)
        return self.queues.own(destination, id, headers)

    def _add(self, tag: str, id: str | None, destination: str, cumulative: bool) -> Subscription:
        limit = self._session.limits.subscriptions_max
        if len(self._by_tag) >= limit:
            raise StompError("Too many subscriptions", f"A connection may have {limit}\n")
        deliveries = self._deliveries.get(tag)
        if deliveries is None:
            deliveries = self._deliveries[tag] = Deliveries(tag, self._next_tag)
        deliveries.cumulative = cumulative
        subscription = self._by_tag[tag] = Subscription(self._session, tag, id, destination, deliveries)
        return subscription

    def reply_queue(self, name: str) -> str:
        """The queue behind /temp-queue/`name`, subscribed to under that id; its name."""
        queue = self._replies.get(name)
        if queue is None or not queue.alive:
            id = TEMP_PREFIX + name
            queue = self._replies[name] = self.queues.private()
            subscription = self._add(_tag(id, ""), id, id, False)
            subscription.start(queue, settles=False)
        return queue.name

    # -- end -------------------------------------------------------------------------------------------------

    def unsubscribe(self, headers: Mapping[str, str]) -> None:
        id = headers.get("id")
        if id is None and is_durable(headers):
            raise StompError("Missing Header", "Header 'id' is required for durable subscriptions")
        destination = headers.get("destination")
        if id is None and destination is None:
            raise StompError("Missing destination or id", "UNSUBSCRIBE must include a 'destination' or 'id' header")
        if id is not None and id.startswith(TEMP_PREFIX):
            raise StompError("Invalid id", f"UNSUBSCRIBE 'id' may not start with {TEMP_PREFIX}\n")
        subscription = self._by_tag.get(_tag(id, destination or ""))
        if subscription is None:
            raise StompError(
                "No subscription found",
                "UNSUBSCRIBE must refer to an existing subscription.\n"
                f'Subscription to "{described(id, destination or "")}" not found.\n',
            )
        self._end(subscription)
        if subscription.topic and is_durable(headers) and subscription.consumer.queue.alive:
            self.queues.delete(subscription.consumer.queue)

    def _end(self, subscription: Subscription) -> None:
        self.forget(subscription)
        queue = subscription.consumer.queue
        queue.unsubscribe(subscription.consumer)
        if not queue.alive:
            self._session.receipts.uncertain()

    def forget(self, subscription: Subscription) -> None:
        """It gets nothing more; what it got may still be settled."""
        self._by_tag.pop(subscription.tag, None)
        deliveries = subscription.deliveries
        self._next_tag = max(self._next_tag, deliveries.ledger.next_tag)
        self.tidy(deliveries)

    def tidy(self, deliveries: Deliveries) -> None:
        """Forget deliveries of an ended subscription once all are settled for good."""
        if deliveries.tag not in self._by_tag and not deliveries.ledger.outstanding and not deliveries.held:
            self._deliveries.pop(deliveries.tag, None)

    def shut(self) -> None:
        """Return what was not settled, and end all subscriptions."""
        for deliveries in self._deliveries.values():
            deliveries.settle(deliveries.ledger.drain(), requeue=True)
        self._deliveries.clear()
        for subscription in list(self._by_tag.values()):
            self._end(subscription)

    def touch(self) -> None:
        """There is room for deliveries again."""
        for subscription in self._by_tag.values():
            subscription.consumer.queue.touch()

    # -- settling --------------------------------------------------------------------------------------------

    def settle(self, command: str, headers: Mapping[str, str]) -> None:
        """ACK or NACK, at once or as part of a transaction."""
        transaction = headers.get("transaction")
        if transaction is not None:
            self._session.transactions.require(transaction)
        tag, number = self.named(command, headers)
        requeue = None if command == "ACK" else truth(headers, "requeue") is not False
        deliveries = self._deliveries[tag]
        if command == "ACK" and transaction is None:
            self.accept(tag, number, number)
            return
        ledger = deliveries.ledger
        try:
            spans = ledger.take_up_to(number) if deliveries.cumulative else ledger.take(number, number)
        except UnknownTag:
            raise PreconditionFailed(f"unknown delivery tag {number}") from None
        if transaction is not None:
            self._session.transactions.settle(transaction, deliveries, spans, requeue)
            return
        deliveries.settle(spans, requeue)
        self.tidy(deliveries)

    def accept(self, tag: str, first: int, last: int) -> None:
        """Carry out ACK frames for first .. last, one after another as far as errors go."""
        deliveries = self._deliveries.get(tag)
        if deliveries is None:
            raise PreconditionFailed(f"unknown delivery tag {first}")
        ledger = deliveries.ledger
        try:
            if deliveries.cumulative:
                deliveries.settle(ledger.take_up_to(first), None)
                first += 1
            if first <= last:
                deliveries.settle(ledger.take(first, last), None)
        except UnknownTag as unknown:
            if unknown.tag > first:
                deliveries.settle(ledger.take(first, unknown.tag - 1), None)
            raise PreconditionFailed(f"unknown delivery tag {unknown.tag}") from None
        self.tidy(deliveries)

    def named(self, command: str, headers: Mapping[str, str]) -> tuple[str, int]:
        """Tag and number of the delivery that an ACK or NACK is about."""
        name = "id" if self._session.dialect.version == "1.2" else "message-id"
        text = headers.get(name)
        if text is None:
            raise StompError("Missing header", f'"{command}" must include the "{name}" header\n')
        parts = text.rsplit(SEPARATOR, 2)
        if len(parts) < 3 or not (parts[2].isascii() and parts[2].isdigit() and len(parts[2]) < 20):
            raise StompError("Invalid header", f'"{command}" must include a valid "{name}" header\n')
        if parts[1] != self._session.id or parts[0] not in self._deliveries:
            raise StompError("Subscription not found", f'Message with id "{shown(text)}" has no subscription\n')
        return parts[0], int(parts[2])


def _tag(id: str | None, destination: str) -> str:
    return f"T_{id}" if id is not None else f"Q_{destination}"


def _mode(headers: Mapping[str, str]) -> tuple[bool, bool]:
    mode = headers.get("ack", "auto")
    if mode not in _MODES:
        raise StompError("Invalid header", f"'ack' must be one of {', '.join(_MODES)}, not '{shown(mode)}'\n")
    return _MODES[mode]
