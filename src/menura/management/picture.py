"""The topology of a virtual host for a picture: exchanges, queues, what binds them, and who takes from them.

Of a large one as much is shown as can be looked at: what a name leads to, both ways, or else the busiest queues and
what leads there. It says when something was left out.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Generator, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from menura.core.consumer import Consumer
from menura.core.exchange import Binding, Destination, Exchange
from menura.core.queue import Queue
from menura.core.settings import PLAIN
from menura.core.vhost import VHost
from menura.management.views.arguments import shown
from menura.management.views.binding import properties_key

if TYPE_CHECKING:
    from menura.management.statistics import Statistics

NODES_MAX = 200
BINDINGS_MAX = 1000
CONSUMERS_MAX = 500
_AT_ONCE = 50
Picture = Generator[None, None, dict[str, Any]]


def picture(vhost: VHost, statistics: Statistics, name: str) -> Picture:
    """All of it, or what belongs to queues and exchanges with a name in their names."""
    drawing = _Drawing(vhost, statistics)
    begin = drawing.named(name.lower()) if name else drawing.busiest()
    yield from begin
    yield from drawing.spread(further=bool(name))
    return (yield from drawing.drawn())


class _Drawing:
    def __init__(self, vhost: VHost, statistics: Statistics) -> None:
        self._vhost = vhost
        self._statistics = statistics
        self._nodes: dict[Destination, None] = {}
        self._bindings: dict[Binding, None] = {}
        self._cut = False

    # -- choosing --------------------------------------------------------------------------------------------

    def named(self, name: str) -> Generator[None, None, None]:
        nodes: list[Destination] = [*self._vhost.exchanges.values(), *self._vhost.queues.values()]
        for at, node in enumerate(nodes):
            if at % _AT_ONCE == 0:
                yield
            if name in node.name.lower():
                self._add(node)

    def busiest(self) -> Generator[None, None, None]:
        ranked: list[tuple[float, int, str]] = []
        for at, queue in enumerate(list(self._vhost.queues.values())):
            if at % _AT_ONCE == 0:
                yield
            history = self._statistics.history(queue)
            rate = history.rate("publish") + history.rate("deliver_get")
            ranked.append((-rate, -queue.ready_count, queue.name))
        # Room is left for exchanges.
        for _, _, name in heapq.nsmallest(NODES_MAX // 2, ranked):
            found = self._vhost.queues.get(name)
            if found is not None:
                self._add(found)
        self._cut |= len(ranked) > NODES_MAX // 2
        yield
        for at, exchange in enumerate(list(self._vhost.exchanges.values())):
            if at % _AT_ONCE == 0:
                yield
            if not exchange.name.startswith("amq.") and exchange.name:
                self._add(exchange)

    def spread(self, *, further: bool) -> Generator[None, None, None]:
        """Add what leads to what there is, and, `further`, where it leads."""
        upward = list(self._nodes)
        downward = list(self._nodes) if further else []
        while upward:
            node = upward.pop()
            yield
            incoming = self._some(node.incoming if isinstance(node, Exchange) else node.bindings)
            upward += [binding.source for binding in incoming if self._follow(binding, binding.source)]
        while downward:
            node = downward.pop()
            yield
            if isinstance(node, Exchange):
                outgoing = [each for each in self._some(node.bindings) if self._follow(each, each.destination)]
                downward += [binding.destination for binding in outgoing]

    def _some(self, bindings: Collection[Binding]) -> list[Binding]:
        """As many as could be drawn."""
        self._cut |= len(bindings) > BINDINGS_MAX
        return list(islice(bindings, BINDINGS_MAX))

    def _follow(self, binding: Binding, end: Destination) -> bool:
        """Take in a binding and its other end; whether that is new."""
        new = end not in self._nodes
        if not self._add(end):
            return False
        if len(self._bindings) >= BINDINGS_MAX:
            self._cut |= binding not in self._bindings
            return False
        self._bindings[binding] = None
        return new

    def _add(self, node: Destination) -> bool:
        if node not in self._nodes and len(self._nodes) >= NODES_MAX:
            self._cut = True
            return False
        self._nodes[node] = None
        return True

    # -- drawing ---------------------------------------------------------------------------------------------

    def drawn(self) -> Picture:
        vhost = self._vhost
        exchanges = [node for node in self._nodes if isinstance(node, Exchange)]
        queues = [node for node in self._nodes if isinstance(node, Queue)]
        yield
        direct = self._default_bindings(queues)
        if direct and vhost.exchanges[""] not in exchanges:
            exchanges.insert(0, vhost.exchanges[""])
        found: dict[str, list[dict[str, Any]]] = {"exchanges": [], "queues": [], "consumers": []}
        for exchange in exchanges:
            found["exchanges"].append(self._exchange(exchange))
            yield
        for queue in queues:
            found["queues"].append(self._queue(queue))
            room = CONSUMERS_MAX - len(found["consumers"])
            self._cut |= len(queue.consumers) > room
            found["consumers"] += map(_consumer, queue.consumers.all[:room])
            yield
        return {
            "vhost": vhost.name,
            **found,
            "bindings": [*map(_binding, self._bindings), *direct],
            "cut": self._cut,
            "totals": {
                "exchanges": len(vhost.exchanges),
                "queues": len(vhost.queues),
                "bindings": len(vhost.bindings),
            },
        }

    def _default_bindings(self, queues: Iterable[Queue]) -> list[dict[str, Any]]:
        """The way by a queue's own name, for those that no other leads to, where the default exchange is in use."""
        if not self._vhost.exchanges[""].sent().publish:
            return []
        return [
            {
                "source": "",
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": queue.name,
                "arguments": {},
                "properties_key": properties_key(queue.name, {}),
            }
            for queue in queues
            if not queue.bindings
        ]

    def _exchange(self, exchange: Exchange) -> dict[str, Any]:
        history = self._statistics.history(exchange)
        return {
            "name": exchange.name,
            "type": exchange.kind,
            "durable": exchange.durable,
            "internal": exchange.internal,
            "alternate": exchange.alternate,
            "publish_in_rate": history.rate("publish_in"),
            "publish_out_rate": history.rate("publish_out"),
        }

    def _queue(self, queue: Queue) -> dict[str, Any]:
        history = self._statistics.history(queue)
        settings = queue.rules.settings if queue.rules is not None else PLAIN
        return {
            "name": queue.name,
            "durable": queue.durable,
            "exclusive": queue.owner is not None,
            "messages_ready": queue.ready_count,
            "messages_unacknowledged": queue.unsettled_count,
            "consumers": len(queue.consumers),
            "publish_rate": history.rate("publish"),
            "deliver_rate": history.rate("deliver_get"),
            "ack_rate": history.rate("ack"),
            "dead_letter_exchange": settings.dead_letter_exchange,
            "dead_letter_routing_key": settings.dead_letter_key,
        }


def _consumer(consumer: Consumer) -> dict[str, Any]:
    here, number = consumer.subscriber.who
    return {
        "queue": consumer.queue.name,
        "consumer_tag": consumer.tag,
        "connection": here.address if here is not None else "",
        "channel": number,
        "user": here.user if here is not None else "",
        "protocol": here.protocol if here is not None else "",
        "prefetch": consumer.prefetch,
        "unacknowledged": consumer.unsettled,
    }


def _binding(binding: Binding) -> dict[str, Any]:
    return {
        "source": binding.source.name,
        "destination": binding.destination.name,
        "destination_type": binding.destination.what,
        "routing_key": binding.key,
        "arguments": shown(binding.arguments),
        "properties_key": properties_key(binding.key, binding.arguments),
    }
