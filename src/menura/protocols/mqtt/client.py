"""A client: what outlives its connections, which the specification calls the session state (4.1).

    queue       messages of subscriptions of QoS 1 and 2: durable if the client outlives its connection, else its own
    loose       messages of subscriptions of QoS 0: its own, and gone with the connection
    ids         packet identifiers in use, as far as needed in a durable queue of their own

Subscriptions are bindings of `queue`. Those of QoS 0 are bindings of `loose`, which lives no longer than the
connection; so that they are kept, an internal exchange that nobody can publish to is bound to `queue` for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from menura.core import fields
from menura.core.arguments import number
from menura.core.consumer import Consumer, Limit
from menura.core.presence import Remembered
from menura.core.topics import TopicTrie
from menura.protocols.mqtt import wills, wire
from menura.protocols.mqtt.identifiers import Identifiers
from menura.protocols.mqtt.reporting import session_of
from menura.protocols.mqtt.subscription import Subscription, restored
from menura.protocols.mqtt.topics import EXCHANGE, filter_of, hidden

if TYPE_CHECKING:
    from menura.core.agenda import Entry
    from menura.core.node import Node
    from menura.core.queue import Queue
    from menura.core.vhost import VHost
    from menura.protocols.mqtt.outbox import Outbox
    from menura.protocols.mqtt.session import Session

PREFIX = "mqtt-subscription-"
STATE_PREFIX = "mqtt-state-"
SHARED = "x-mqtt-shared"
MEMORY_EXCHANGE = "mqtt-subscriptions"
EXPIRY = "x-mqtt-session-expiry"
NEVER = 0xFFFFFFFF
_PLANS_MAX = 1024


class Plan(NamedTuple):
    """How a message of one topic is sent; `qos` is -1 if it is not. `ids` are encoded subscription identifiers."""

    qos: int
    retain_as_published: bool
    ids: bytes


class Client:
    """`id` is the client identifier; `persistent`: it outlives its connections."""

    def __init__(self, node: Node, vhost: VHost, id: str, persistent: bool) -> None:
        self.node = node
        self.vhost = vhost
        self.id = id
        self.persistent = persistent
        self.expiry_seconds = 0
        self.session: Session | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.limit = Limit()
        self.queue: Queue | None = None
        self.loose: Queue | None = None
        self.outbox: Outbox | None = None
        self.consumers: list[Consumer] = []
        self.ids = Identifiers(vhost, f"{STATE_PREFIX}{id}" if persistent else "")
        self.leaving: Entry | None = None
        # A will that waits for its delay, and when that will be over.
        self.last_will: Callable[[], None] | None = None
        self.will: Entry | None = None
        self._trie: TopicTrie[Subscription] = TopicTrie()
        self._plans: dict[tuple[str, bool], Plan] = {}
        self.away_since_ms = node.agenda.wall_ms
        self.remembered = Remembered(
            id,
            vhost.name,
            lambda: self.session is not None,
            lambda: len(self.subscriptions),
            lambda: session_of(self),
        )
        node.presence.remember(self.remembered)
        self.plans_version = object()
        """Another one whenever plans may have changed."""

    @property
    def queue_name(self) -> str:
        return f"{PREFIX}{self.id}qos1"

    @property
    def loose_name(self) -> str:
        return f"{PREFIX}{self.id}qos0"

    # -- beginning and end -----------------------------------------------------------------------------------

    def begin(self, expiry_seconds: int) -> None:
        """A client that was not known."""
        if self.persistent:
            self.expiry_seconds = expiry_seconds
            self.queue = self.vhost.declare_queue(self.queue_name, durable=True, arguments=self._arguments())

    def _arguments(self) -> dict[str, bytes]:
        return {EXPIRY: fields.encode_value(self.expiry_seconds)}

    def set_expiry(self, seconds: int) -> None:
        """How long it is to be remembered once its connection is gone."""
        if seconds != self.expiry_seconds:
            self.expiry_seconds = seconds
            if self.queue is not None and self.persistent:
                self.vhost.redefine(self.queue, self._arguments())

    def restore(self, queue: Queue) -> None:
        """Begin with what outlived the process."""
        self.queue = queue
        self.expiry_seconds = number(queue.arguments, EXPIRY) or 0
        for binding in queue.bindings:
            if binding.source.name in (EXCHANGE, MEMORY_EXCHANGE):
                subscription = restored(filter_of(binding.key), binding.arguments)
                if subscription is not None:
                    self._add(subscription)
        self.ids.restore()

    def attach(self, session: Session, outbox: Outbox, inflight_max: int) -> None:
        """It has a connection again, which takes over."""
        self.session = session
        self.outbox = outbox
        self.limit = Limit(inflight_max)
        if self.leaving is not None:
            self.leaving.cancel()
            self.leaving = None
        for subscription in self.subscriptions.values():
            if subscription.share is None and not subscription.qos:
                self.vhost.bind(EXCHANGE, self.require_loose(), subscription.pattern, subscription.arguments)
        if self.queue is not None:
            self._consume(self.queue)
        for subscription in self.subscriptions.values():
            if subscription.share is not None:
                self.join(subscription)

    def detach(self) -> None:
        """The connection is gone: what was not settled waits for the next one, or for others who share."""
        self.session = None
        self.away_since_ms = self.node.agenda.wall_ms
        self.outbox = None
        self.ids.disconnect()
        consumers, self.consumers = self.consumers, []
        for consumer in consumers:
            consumer.queue.unsubscribe(consumer)
        for subscription in self.subscriptions.values():
            subscription.consumer = None
        if self.loose is not None:
            self.vhost.remove_queue(self.loose)

    def end(self) -> None:
        """Forget it."""
        self.node.presence.forget(self.remembered)
        if self.vhost.attached.get("mqtt", {}).get(self.id) is self:
            del self.vhost.attached["mqtt"][self.id]
        if self.leaving is not None:
            self.leaving.cancel()
        for subscription in list(self.subscriptions.values()):
            if subscription.share is not None:
                self.leave(subscription)
        for queue in (self.queue, self.loose):
            if queue is not None:
                self.vhost.remove_queue(queue)
        self.ids.end()

    def leave_will(self, publish: Callable[[], None], delay_seconds: int) -> None:
        """Publish the will of a connection that is gone, at once or after its delay (section 3.1.3.2.2)."""
        self.last_will = publish
        if delay_seconds and self.expiry_seconds:
            self.will = self.node.agenda.after(delay_seconds, self._publish_will)
        else:
            self._publish_will()

    def _publish_will(self) -> None:
        publish = self.last_will
        with self.vhost.together():
            self.cancel_will()
            if publish is not None:
                publish()

    def cancel_will(self) -> None:
        """It has come back in time."""
        self.last_will = None
        self.ids.forget_will()
        if self.will is not None:
            self.will.cancel()
            self.will = None

    def end_with_will(self) -> None:
        """Forget it; a will that still waits is published now."""
        self._publish_will()
        self.end()

    def disown(self, queue: Queue) -> None:
        """One of its own queues is gone (core.ports.Owner)."""
        if queue is self.loose:
            self.loose = None
        elif queue is self.queue:
            self.queue = None

    # -- queues ----------------------------------------------------------------------------------------------

    def require_queue(self) -> Queue:
        if self.queue is None:
            self.queue = self.vhost.declare_queue(self.queue_name, owner=self, exclusive=True)
            self._consume(self.queue)
        return self.queue

    def require_loose(self) -> Queue:
        if self.loose is None:
            self.loose = self.vhost.declare_queue(self.loose_name, owner=self, exclusive=True)
            if self.outbox is not None:
                consumer = Consumer("", self.loose, self.outbox.loose, settles=False, tallies=self.outbox.tallies)
                self.consumers.append(consumer)
                self.loose.subscribe(consumer)
        return self.loose

    def _consume(self, queue: Queue) -> None:
        if self.outbox is not None:
            consumer = Consumer("", queue, self.outbox, limit=self.limit, tallies=self.outbox.tallies)
            self.consumers.append(consumer)
            queue.subscribe(consumer)

    # -- subscriptions ---------------------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription) -> bool:
        """Add a subscription in place of the one with the same filter; whether there was none."""
        old = self.subscriptions.get(subscription.filter)
        if old is not None and old.arguments == subscription.arguments:
            return False
        self._bind(subscription)
        if old is not None:
            if subscription.share is not None:
                self.leave(old, keep=True)
            self._unbind(old)
            self._drop(old)
        self._add(subscription)
        if subscription.share is not None:
            self.join(subscription)
        return old is None

    def unsubscribe(self, filter: str) -> bool:
        """Remove a subscription; whether there was one."""
        subscription = self.subscriptions.get(filter)
        if subscription is None:
            return False
        self._unbind(subscription)
        self._drop(subscription)
        if subscription.share is not None:
            self.leave(subscription)
        return True

    def _add(self, subscription: Subscription) -> None:
        self.subscriptions[subscription.filter] = subscription
        if subscription.share is None:
            self._trie.add(subscription.pattern, subscription)
        self._forget_plans()

    def _drop(self, subscription: Subscription) -> None:
        del self.subscriptions[subscription.filter]
        if subscription.share is None:
            self._trie.remove(subscription.pattern, subscription)
        self._forget_plans()

    def _forget_plans(self) -> None:
        self._plans.clear()
        self.plans_version = object()

    def _bind(self, subscription: Subscription) -> None:
        pattern, arguments = subscription.pattern, subscription.arguments
        remembered = self.persistent and (subscription.share is not None or not subscription.qos)
        if remembered:
            exchange = self._memory_exchange()
            self.vhost.bind(exchange, self.require_queue(), pattern, arguments)
        if subscription.share is None:
            queue = self.require_queue() if subscription.qos else self.require_loose()
            self.vhost.bind(EXCHANGE, queue, pattern, arguments)

    def _unbind(self, subscription: Subscription) -> None:
        pattern, arguments = subscription.pattern, subscription.arguments
        for queue in (self.queue, self.loose):
            if queue is not None:
                self.vhost.unbind(EXCHANGE, queue, pattern, arguments)
                if self.persistent:
                    self.vhost.unbind(MEMORY_EXCHANGE, queue, pattern, arguments)

    def _memory_exchange(self) -> str:
        if MEMORY_EXCHANGE not in self.vhost.exchanges:
            self.vhost.declare_exchange(MEMORY_EXCHANGE, "direct", durable=True, internal=True)
        return MEMORY_EXCHANGE

    def plan(self, key: str, own: bool) -> Plan:
        """How a message of this routing key is sent; `own`: the client has published it itself."""
        plan = self._plans.get((key, own))
        if plan is None:
            matching = [
                each for each in self._trie.match(key) if not (own and each.no_local) and not hidden(key, each.pattern)
            ]
            qos = max((each.qos for each in matching), default=-1)
            as_published = any(each.retain_as_published for each in matching)
            ids = sorted(each.id for each in matching if each.id)
            encoded = wire.encode_properties({"subscription_identifier": ids}) if ids else b""
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()
            plan = self._plans[key, own] = Plan(qos, as_published, encoded)
        return plan

    # -- shared subscriptions --------------------------------------------------------------------------------

    def shared_queue_name(self, subscription: Subscription) -> str:
        return subscription.filter

    def join(self, subscription: Subscription) -> None:
        """Take messages of a group, in turn with its other members."""
        name = self.shared_queue_name(subscription)
        queue = self.vhost.queues.get(name)
        if queue is None:
            queue = self.vhost.declare_queue(name, durable=True, arguments={SHARED: fields.encode_value(True)})
            self.vhost.bind(EXCHANGE, queue, subscription.pattern, {})
        if self.outbox is not None:
            outbox = self.outbox.shared(subscription)
            consumer = Consumer("", queue, outbox, limit=self.limit, tallies=self.outbox.tallies)
            subscription.consumer = consumer
            self.consumers.append(consumer)
            queue.subscribe(consumer)

    def leave(self, subscription: Subscription, keep: bool = False) -> None:
        """Take no more messages of a group, whose queue goes with the last member unless it is to be kept."""
        consumer, subscription.consumer = subscription.consumer, None
        if consumer is not None:
            self.ids.requeue([id for id, flight in self.ids.inflight.items() if flight.consumer is consumer])
            self.consumers.remove(consumer)
            consumer.queue.unsubscribe(consumer)
        members = self.vhost.attached.get("mqtt", {}).values()
        queue = self.vhost.queues.get(self.shared_queue_name(subscription))
        if queue is None or keep or len(queue.consumers):
            return
        if not any(subscription.filter in member.subscriptions for member in members if member is not self):
            self.vhost.remove_queue(queue)


# -- all clients of a virtual host ---------------------------------------------------------------------------


def clients_of(node: Node, vhost: VHost) -> dict[str, Client]:
    """By client identifier; the first time, those that outlived the process are found."""
    clients: dict[str, Client] | None = vhost.attached.get("mqtt")
    if clients is None:
        clients = vhost.attached["mqtt"] = {}
        for name, queue in list(vhost.queues.items()):
            if name.startswith(PREFIX) and queue.durable and EXPIRY in queue.arguments:
                client = Client(node, vhost, name[len(PREFIX) : -len("qos1")], persistent=True)
                clients[client.id] = client
                client.restore(queue)
                leave_later(client)
                wills.restore(client)
        wanted = {filter for client in clients.values() for filter in client.subscriptions}
        for name, queue in list(vhost.queues.items()):
            if SHARED in queue.arguments and name not in wanted:
                vhost.remove_queue(queue)
    return clients


def leave_later(client: Client) -> None:
    """Forget a client without a connection when its time has come."""
    if client.expiry_seconds < NEVER:
        client.leaving = client.node.agenda.after(client.expiry_seconds, client.end_with_will)
