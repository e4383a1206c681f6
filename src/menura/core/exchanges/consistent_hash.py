"""To the one destination that the message's hash belongs to, on a ring that changes little.

The binding key is a weight, a number from 1; a destination gets a share of the values in proportion to it. The value is
the routing key (the first one, if a message names several) or, by the exchange's arguments, a header or a property;
messages that lack it all have the same one. Text is hashed as UTF-8 and numbers as their decimal digits, so that `7`
as a routing key, in a header or in a property leads to the same queue.

A destination has one place on the ring: of several bindings, the oldest counts until it is removed.
"""

from __future__ import annotations

import re
from typing import Any

from menura.core import properties
from menura.core.arguments import require_string, shown, text
from menura.core.errors import PreconditionFailed
from menura.core.exchange import HEADERS, KEY, MESSAGE, Arguments, Asked, Binding, Destination, Exchange
from menura.core.exchanges.ring import Ring
from menura.core.terms import term

HASH_HEADER, HASH_PROPERTY = "hash-header", "hash-property"
HASHED_PROPERTIES = ("correlation_id", "message_id", "timestamp")
WEIGHT_MAX = 1_000
WEIGHTS_MAX = 5_000
_WEIGHT = re.compile(r"[+-]?[0-9]+")


class ConsistentHashExchange(Exchange):
    """To one destination, the same for the same value as long as it is bound."""

    kind = "x-consistent-hash"
    __slots__ = ("_bindings", "_header", "_property", "_ring", "_weights", "asks")

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._ring: Ring[Destination] = Ring()
        self._bindings: dict[Destination, list[Binding]] = {}
        # Of all bindings: each may come to count.
        self._weights = 0
        self._header = text(self.arguments, HASH_HEADER)
        self._property = text(self.arguments, HASH_PROPERTY)
        self.asks = HEADERS if self._header is not None else MESSAGE if self._property is not None else KEY

    @classmethod
    def check_arguments(cls, what: str, arguments: Arguments) -> None:
        for name in (HASH_HEADER, HASH_PROPERTY):
            require_string(name, what, arguments)
        if HASH_HEADER in arguments and HASH_PROPERTY in arguments:
            raise PreconditionFailed("hash-header and hash-property are mutually exclusive")
        named = text(arguments, HASH_PROPERTY)
        if named is not None and named not in HASHED_PROPERTIES:
            raise PreconditionFailed(f"Unsupported property: {named}")

    def check(self, destination: Destination, key: str, arguments: Arguments) -> None:
        if not _WEIGHT.fullmatch(key):
            raise PreconditionFailed(f"The binding key must be an integer: {term(key)}")
        if key.startswith("-") or not key.strip("+0"):
            raise PreconditionFailed("The binding key must be greater than 0")
        if int(key) > WEIGHT_MAX:
            raise PreconditionFailed(f"The binding key must not exceed {WEIGHT_MAX}")
        again = any(binding.key == key for binding in self._bindings.get(destination, ()))
        if not again and self._weights + int(key) > WEIGHTS_MAX:
            raise PreconditionFailed(f"The binding keys of exchange '{self.name}' must not exceed {WEIGHTS_MAX} in sum")

    def add(self, binding: Binding) -> None:
        bindings = self._bindings.setdefault(binding.destination, [])
        bindings.append(binding)
        self._weights += int(binding.key)
        if len(bindings) == 1:
            self._join(binding)

    def remove(self, binding: Binding) -> None:
        bindings = self._bindings[binding.destination]
        counts = bindings[0] is binding
        bindings.remove(binding)
        self._weights -= int(binding.key)
        if counts:
            self._ring.remove(binding.destination)
            if bindings:
                self._join(bindings[0])
        if not bindings:
            del self._bindings[binding.destination]

    def _join(self, binding: Binding) -> None:
        destination = binding.destination
        self._ring.add(destination, f"{destination.what} {destination.name}", int(binding.key))

    def destinations(self, asked: Asked) -> list[Destination]:
        destination = self._ring.member(self._value(asked))
        return [] if destination is None else [destination]

    def _value(self, asked: Asked) -> bytes:
        if self._header is not None:
            value = asked.headers.get(self._header)
            if isinstance(value, bytes):
                return value
            return b"" if value is None else shown(value).encode()
        if self._property is None:
            return asked.keys[0].encode()
        octets = properties.octets(asked.properties, self._property)
        if self._property == "timestamp":
            return b"%d" % int.from_bytes(octets, "big") if octets else b""
        return octets[1:]
