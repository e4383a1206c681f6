"""Exchanges: a name, a kind and the bindings that start at it.

A kind is a small index from routing keys (or headers) to destinations. Destinations are queues or other
exchanges; a binding is added to the index once for every distinct (destination, key, arguments).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from menura.core.headers import HeaderMatch, x_match
from menura.core.topics import TopicTrie

if TYPE_CHECKING:
    from menura.core.queue import Queue

Arguments = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One rule of routing. `identity` tells it from all others of the virtual host."""

    source: Exchange
    destination: Exchange | Queue
    key: str
    arguments: Arguments

    @property
    def identity(self) -> tuple[str, str, str, str, frozenset[tuple[str, bytes]]]:
        return binding_identity(self.source, self.destination, self.key, self.arguments)


def binding_identity(
    source: Exchange, destination: Exchange | Queue, key: str, arguments: Arguments
) -> tuple[str, str, str, str, frozenset[tuple[str, bytes]]]:
    return (source.name, destination.what, destination.name, key, frozenset(arguments.items()))


class Exchange:
    """What all kinds share. `bindings` start here, `incoming` ones end here."""

    what: ClassVar[str] = "exchange"
    kind: ClassVar[str] = ""
    by_headers: ClassVar[bool] = False

    __slots__ = (
        "alternate", "arguments", "auto_delete", "bindings", "durable", "incoming", "internal", "name",
        "published",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Arguments | None = None,
        alternate: str | None = None,
    ) -> None:
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments or {}
        self.alternate = alternate
        self.bindings: dict[Binding, None] = {}
        self.incoming: dict[Binding, None] = {}
        self.published = 0

    def check(self, arguments: Arguments) -> None:
        """Refuse binding arguments that this kind cannot use."""

    def add(self, binding: Binding) -> None:
        raise NotImplementedError

    def remove(self, binding: Binding) -> None:
        raise NotImplementedError

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Exchange | Queue]:
        """Where a message with this key and these headers goes from here."""
        raise NotImplementedError


class _Counted:
    """A set whose members have to be removed as often as they were added."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[Exchange | Queue, int] = {}

    def add(self, destination: Exchange | Queue) -> None:
        self.counts[destination] = self.counts.get(destination, 0) + 1

    def remove(self, destination: Exchange | Queue) -> None:
        self.counts[destination] -= 1
        if not self.counts[destination]:
            del self.counts[destination]


class DirectExchange(Exchange):
    """To the destinations bound under exactly the routing key."""

    kind = "direct"
    __slots__ = ("_by_key",)

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._by_key: dict[str, _Counted] = {}

    def add(self, binding: Binding) -> None:
        self._by_key.setdefault(binding.key, _Counted()).add(binding.destination)

    def remove(self, binding: Binding) -> None:
        bound = self._by_key[binding.key]
        bound.remove(binding.destination)
        if not bound.counts:
            del self._by_key[binding.key]

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Exchange | Queue]:
        bound = self._by_key.get(key)
        return bound.counts if bound else ()


class DefaultExchange(DirectExchange):
    """The nameless exchange: every queue is bound to it under its own name, and nothing else can be."""

    __slots__ = ("_queues", "_reply_queues")

    def __init__(self, queues: Mapping[str, Queue], reply_queues: Mapping[str, Queue]) -> None:
        super().__init__("", durable=True)
        self._queues = queues
        self._reply_queues = reply_queues

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Exchange | Queue]:
        queue = self._queues.get(key) or self._reply_queues.get(key)
        return (queue,) if queue is not None else ()


class FanoutExchange(Exchange):
    """To every bound destination."""

    kind = "fanout"
    __slots__ = ("_all",)

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._all = _Counted()

    def add(self, binding: Binding) -> None:
        self._all.add(binding.destination)

    def remove(self, binding: Binding) -> None:
        self._all.remove(binding.destination)

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Exchange | Queue]:
        return self._all.counts


class TopicExchange(Exchange):
    """To destinations bound under a pattern that the routing key matches."""

    kind = "topic"
    __slots__ = ("_trie",)

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._trie: TopicTrie[Exchange | Queue] = TopicTrie()

    def add(self, binding: Binding) -> None:
        self._trie.add(binding.key, binding.destination)

    def remove(self, binding: Binding) -> None:
        self._trie.remove(binding.key, binding.destination)

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Exchange | Queue]:
        return self._trie.match(key)


class HeadersExchange(Exchange):
    """To destinations whose binding arguments the message's headers match; the routing key is not looked
    at."""

    kind = "headers"
    by_headers = True
    __slots__ = ("_conditions",)

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._conditions: dict[Any, tuple[HeaderMatch, Exchange | Queue]] = {}

    def check(self, arguments: Arguments) -> None:
        x_match(arguments)

    def add(self, binding: Binding) -> None:
        self._conditions[binding.identity] = (HeaderMatch(binding.arguments), binding.destination)

    def remove(self, binding: Binding) -> None:
        del self._conditions[binding.identity]

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Exchange | Queue]:
        return [destination for condition, destination in self._conditions.values() if condition(headers)]


KINDS: dict[str, type[Exchange]] = {
    kind.kind: kind for kind in (DirectExchange, FanoutExchange, TopicExchange, HeadersExchange)
}
