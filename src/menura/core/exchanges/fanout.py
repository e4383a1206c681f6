"""To every bound destination, whatever the key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from menura.core.exchange import Binding, Destination, Exchange


class Counted:
    """A set whose members have to be removed as often as they were added."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[Destination, int] = {}

    def add(self, destination: Destination) -> None:
        self.counts[destination] = self.counts.get(destination, 0) + 1

    def remove(self, destination: Destination) -> None:
        self.counts[destination] -= 1
        if not self.counts[destination]:
            del self.counts[destination]


class FanoutExchange(Exchange):
    """To every bound destination."""

    kind = "fanout"
    __slots__ = ("_all",)

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._all = Counted()

    def add(self, binding: Binding) -> None:
        self._all.add(binding.destination)

    def remove(self, binding: Binding) -> None:
        self._all.remove(binding.destination)

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Destination]:
        return self._all.counts
