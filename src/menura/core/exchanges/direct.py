"""By the routing key as it stands; the nameless exchange is one of these, bound to every queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from menura.core.exchange import Binding, Destination, Exchange
from menura.core.exchanges.fanout import Counted

if TYPE_CHECKING:
    from menura.core.queue import Queue


class DirectExchange(Exchange):
    """To the destinations bound under exactly the routing key."""

    kind = "direct"
    __slots__ = ("_by_key",)

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._by_key: dict[str, Counted] = {}

    def add(self, binding: Binding) -> None:
        self._by_key.setdefault(binding.key, Counted()).add(binding.destination)

    def remove(self, binding: Binding) -> None:
        bound = self._by_key[binding.key]
        bound.remove(binding.destination)
        if not bound.counts:
            del self._by_key[binding.key]

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Destination]:
        bound = self._by_key.get(key)
        return bound.counts if bound else ()


class DefaultExchange(DirectExchange):
    """The nameless exchange: every queue is bound to it under its own name, and nothing else can be."""

    __slots__ = ("_queues", "_reply_queues")

    def __init__(self, queues: Mapping[str, Queue], reply_queues: Mapping[str, Queue]) -> None:
        super().__init__("", durable=True)
        self._queues = queues
        self._reply_queues = reply_queues

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Destination]:
        queue = self._queues.get(key) or self._reply_queues.get(key)
        return (queue,) if queue is not None else ()
