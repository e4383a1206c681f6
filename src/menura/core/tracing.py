"""The firehose: a copy of every message that clients publish and are sent, for whoever is bound to one exchange.

While a virtual host is traced it has a `Tracer`. Sessions tell it what is published; what is delivered it learns by
standing in front of the subscribers, so that nothing asks for it while it is not there. A copy is transient, has the
body of the message, and says the rest in its headers. Copies are published when the queues that were touched are
served, and not in the middle of another publish. They are not traced themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from menura.core import fields, properties
from menura.core.content import body_of, pack, properties_of
from menura.core.properties import PROPERTIES, TABLE
from menura.core.routing import Route
from menura.core.run import Run

if TYPE_CHECKING:
    from menura.core.consumer import Consumer
    from menura.core.ports import Subscriber
    from menura.core.presence import Connected
    from menura.core.queue import Queue
    from menura.core.vhost import VHost

EXCHANGE = "amq.rabbitmq.trace"
_KEY_BYTES_MAX = 255
_raw = fields.encode_value
Table = dict[str, bytes]


class Tracer:
    """Traces one virtual host. `node` is what the broker calls itself."""

    def __init__(self, vhost: VHost, node: str) -> None:
        self._vhost = vhost
        self._node = node
        self._copies: list[tuple[str, bytes]] = []

    # -- on and off ------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._vhost.tracer = self
        for queue in (*self._vhost.queues.values(), *self._vhost.reply_queues.values()):
            for consumer in queue.consumers.all:
                self.watch(consumer)

    def stop(self) -> None:
        self._vhost.tracer = None
        for queue in (*self._vhost.queues.values(), *self._vhost.reply_queues.values()):
            for consumer in queue.consumers.all:
                if isinstance(consumer.subscriber, Watched):
                    consumer.subscriber = consumer.subscriber.inner

    def watch(self, consumer: Consumer) -> None:
        """Stand in front of a consumer's subscriber."""
        consumer.subscriber = Watched(self, consumer.subscriber)

    # -- what happens ----------------------------------------------------------------------------------------

    def published(self, by: Connected | None, channel: int, run: Run) -> None:
        """A client is about to publish these."""
        route, vhost = run.route, self._vhost
        exchange = vhost.exchanges.get(route.exchange)
        if exchange is None:
            return
        if route.version != vhost.version:
            route.resolve(vhost.exchanges, exchange, vhost.version)
        for content in run.contents:
            queues = route.find(vhost.exchanges, exchange, content).queues
            names = [queue.name for queue in queues if vhost.queues.get(queue.name) is queue]
            self._copy(f"publish.{route.exchange}", run, content, {}, by, channel, {"routed_queues": _raw(names)})

    def delivered(self, to: Connected | None, channel: int, queue: Queue, run: Run, redelivered: bool) -> None:
        """A client is sent these."""
        if run.route.exchange == EXCHANGE or self._vhost.queues.get(queue.name) is not queue:
            return
        for content in run.contents:
            self._copy(f"deliver.{queue.name}", run, content, {"redelivered": _number(redelivered)}, to, channel, {})

    def _copy(
        self, key: str, run: Run, content: bytes, how: Table, who: Connected | None, channel: int, where: Table
    ) -> None:
        route, block = run.route, properties_of(content)
        table = {
            "exchange_name": _raw(route.exchange),
            "routing_keys": _raw([route.key, *route.further_keys]),
            "properties": b"F" + fields.pack_raw_table(_table(block)),
            "node": _raw(self._node),
            **how,
            "vhost": _raw(self._vhost.name),
            "connection": _raw(who.address if who is not None else ""),
            "channel": _number(channel),
            "user": _raw(who.user if who is not None else ""),
            **where,
        }
        headers = properties.replace_headers(b"\0\0", fields.pack_raw_table(table))
        if not self._copies:
            self._vhost.touched.append(self)
        self._copies.append((key, pack(headers, body_of(content))))

    def dispatch(self) -> None:
        """Publish the copies."""
        copies, self._copies = self._copies, []
        if self._vhost.tracer is not self:
            return
        for key, content in copies:
            route = Route(EXCHANGE, key.encode()[:_KEY_BYTES_MAX].decode(errors="ignore"))
            self._vhost.publish(route, Run(route, [content], len(content), len(content), False))
        self._vhost.take_refused()


class Watched:
    """A subscriber with a tracer in front of it."""

    def __init__(self, tracer: Tracer, inner: Subscriber) -> None:
        self._tracer = tracer
        self.inner = inner

    @property
    def writable(self) -> bool:
        return self.inner.writable

    @property
    def who(self) -> tuple[Connected | None, int]:
        return self.inner.who

    def deliver(self, consumer: Consumer, position: int, run: Run, redelivered: bool) -> None:
        self._tracer.delivered(*self.who, consumer.queue, run, redelivered)
        self.inner.deliver(consumer, position, run, redelivered)

    def cancelled(self, consumer: Consumer) -> None:
        self.inner.cancelled(consumer)


def _number(value: int) -> bytes:
    return b"I" + value.to_bytes(4, "big") if value < 1 << 31 else b"l" + value.to_bytes(8, "big")


def _table(block: bytes) -> Table:
    """Properties as a table, but for what cannot be read."""
    table: Table = {}
    try:
        for name, kind in reversed(PROPERTIES.items()):
            value = properties.field(block, name)
            if value is None:
                continue
            if kind == TABLE:
                table[name] = b"F" + properties.octets(block, name)
            else:
                table[name] = _number(value) if isinstance(value, int) else _raw(value)
    except properties.PropertiesError:
        pass
    return table
