"""Where the core hands over messages for a client: one subscriber for each kind of queue it takes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core import content as packed
from menura.core.run import Run
from menura.protocols.mqtt import delivery
from menura.protocols.mqtt.client import Client
from menura.protocols.mqtt.message import for_subscriber, meta_of
from menura.protocols.mqtt.subscription import Subscription

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.presence import Connected
    from menura.core.tallies import Tallies
    from menura.protocols.mqtt.session import Session


class Outbox:
    """Takes from the client's own queue. `stuck_on` is a packet identifier that has to become free first."""

    __slots__ = ("client", "loose", "session", "stuck_on")

    def __init__(self, session: Session, client: Client) -> None:
        self.session = session
        self.client = client
        self.loose = LooseOutbox(session, client)
        self.stuck_on = 0

    @property
    def tallies(self) -> Tallies:
        return self.session.tallies

    def shared(self, subscription: Subscription) -> SharedOutbox:
        return SharedOutbox(self.session, self.client, subscription)

    @property
    def writable(self) -> bool:
        if self.stuck_on:
            if self.stuck_on in self.client.ids.inflight or self.stuck_on in self.client.ids.released:
                return False
            self.stuck_on = 0
        return self.session.writable

    @property
    def who(self) -> tuple[Connected | None, int]:
        return self.session.here, 1

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        delivery.deliver(self.session, self.client, self, consumer, position, run, redelivered)

    def cancelled(self, consumer: Consumer) -> None:
        """Somebody has deleted the queue."""
        self.client.queue = None
        self.session.dropped()


class LooseOutbox:
    """Takes messages for subscriptions of QoS 0; they count as settled when they are handed over."""

    __slots__ = ("client", "session")

    def __init__(self, session: Session, client: Client) -> None:
        self.session = session
        self.client = client

    @property
    def writable(self) -> bool:
        return self.session.writable

    @property
    def who(self) -> tuple[Connected | None, int]:
        return self.session.here, 1

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        delivery.deliver_loose(self.session, self.client, run)

    def cancelled(self, consumer: Consumer) -> None:
        self.client.loose = None
        if self.client.session is self.session:
            self.session.dropped()


class SharedOutbox:
    """Takes messages of a shared subscription.

    Those of QoS 2 are put into the client's own queue, since nobody else may get them once they were sent; the others
    go back to the group if the connection ends. They are put there by `dispatch`, with the queues that were touched:
    in the middle of a publish the own queue may have been given a position already that it has not taken yet.
    """

    __slots__ = ("_moving", "client", "session", "stuck", "subscription")

    def __init__(self, session: Session, client: Client, subscription: Subscription) -> None:
        self.session = session
        self.client = client
        self.subscription = subscription
        self.stuck = False  # all packet identifiers were in use
        self._moving: list[tuple[Consumer, int, Run]] = []

    @property
    def writable(self) -> bool:
        if not self.session.writable:
            return False
        if self.stuck:
            self.stuck = self.client.ids.shared_id() is None
            if self.stuck:
                return False
        queue = self.client.queue
        return self.subscription.qos < 2 or queue is None or not queue.ready_count

    @property
    def who(self) -> tuple[Connected | None, int]:
        return self.session.here, 1

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        settled = 0
        for at in range(len(run.contents)):
            piece = run if len(run.contents) == 1 else run.piece(at, at + 1)
            settled += self._deliver(consumer, position + at, piece, redelivered)
        if settled:
            consumer.settled(settled)

    def _deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> int:
        """Hand over one message; 1 if it has been settled by that."""
        subscription, client = self.subscription, self.client
        content = run.contents[0]
        block = packed.properties_of(content)
        qos = min(meta_of(block).qos, subscription.qos)
        if qos == 2:
            if not self._moving:
                client.vhost.touched.append(self)
            self._moving.append((consumer, position, run))
            return 0
        if qos == 1:
            id = client.ids.shared_id()
            if id is not None:
                delivery.deliver_shared(self.session, client, subscription, consumer, position, run, id, redelivered)
                return 0
            self.stuck = True
            consumer.queue.requeue(position, run)
            consumer.taking.deliver -= 1
            return 1
        delivery.deliver_shared(self.session, client, subscription, consumer, position, run, 0, False)
        consumer.queue.settle(position, run)
        delivery.count_unanswered(consumer, 1)
        return 1

    def dispatch(self) -> None:
        """Put messages of QoS 2 into the client's own queue, or back if it has gone meanwhile."""
        moving, self._moving = self._moving, []
        for consumer, position, run in moving:
            if self.client.session is self.session:
                self._move(consumer, position, run)
            else:
                consumer.queue.requeue(position, run)
            consumer.settled(1)

    def _move(self, consumer: Consumer, position: int, run: Run) -> None:
        shared = consumer.queue
        vhost, own = self.client.vhost, self.client.require_queue()
        content = run.contents[0]
        block = for_subscriber(packed.properties_of(content), 2, False, self.subscription.id)
        moved = packed.with_properties(content, block)
        with vhost.together():
            vhost.append(own, Run(run.route, [moved], len(moved), len(moved), True))
            shared.settle(position, run)
        consumer.taking.deliver -= 1  # that is still to come, from the other queue

    def cancelled(self, consumer: Consumer) -> None:
        self.subscription.consumer = None
