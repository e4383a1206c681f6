"""To one destination for each message, by chance.

The core has no randomness of its own, and spreading load needs none: each exchange has a sequence that begins with its
name, a linear congruential generator with Knuth's constants (MMIX), of which the upper half is used.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from menura.core.arguments import text
from menura.core.errors import PreconditionFailed
from menura.core.exchange import MESSAGE, Arguments, Asked, Binding, Destination, Exchange

_UINT64 = 0xFFFF_FFFF_FFFF_FFFF


class RandomExchange(Exchange):
    """To one of the bindings' destinations. One with several bindings gets as many shares."""

    kind = "x-random"
    asks = MESSAGE
    __slots__ = ("_bound", "_state")

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._bound: list[Destination] = []
        self._state = crc32(name.encode())

    def add(self, binding: Binding) -> None:
        self._bound.append(binding.destination)

    def remove(self, binding: Binding) -> None:
        self._bound.remove(binding.destination)

    def destinations(self, asked: Asked) -> list[Destination]:
        if not self._bound:
            return []
        self._state = self._state * 6364136223846793005 + 1442695040888963407 & _UINT64
        return [self._bound[(self._state >> 32) * len(self._bound) >> 32]]


class LocalRandomExchange(RandomExchange):
    """The same for queues that are on the node the publisher talks to: here, all of them."""

    kind = "x-local-random"
    __slots__ = ()

    def check(self, destination: Destination, key: str, arguments: Arguments) -> None:
        if key:
            raise PreconditionFailed(f"Non empty binding '{key}' key not permitted")
        if destination.what != "queue":
            raise PreconditionFailed("Destination not found")
        kind = text(destination.arguments, "x-queue-type") or "classic"
        if kind != "classic":
            raise PreconditionFailed(f"Queue type rabbit_{kind}_queue not valid for this exchange type")
