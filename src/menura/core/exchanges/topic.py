"""By patterns of words; the index is `topics`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from menura.core.exchange import Binding, Destination, Exchange
from menura.core.topics import TopicTrie


class TopicExchange(Exchange):
    """To destinations bound under a pattern that the routing key matches."""

    kind = "topic"
    __slots__ = ("_trie",)

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._trie: TopicTrie[Destination] = TopicTrie()

    def add(self, binding: Binding) -> None:
        self._trie.add(binding.key, binding.destination)

    def remove(self, binding: Binding) -> None:
        self._trie.remove(binding.key, binding.destination)

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Destination]:
        return self._trie.match(key)
