"""By the routing keys' hash, modulo the number of bindings.

The hash and the order of the bindings are RabbitMQ's, so that both brokers choose the same queue: Erlang's `phash2` of
the list of keys, and destinations ordered by their kind and name. The hash of octets within it is Bob Jenkins's
"lookup2" of 1996. As with any modulus, another binding sends most keys elsewhere; where that matters,
`consistent_hash` is the kind to use.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from menura.core.exchange import Asked, Binding, Destination, Exchange

_UINT32 = 0xFFFF_FFFF
_GOLDEN = 0x9E37_79B9
_OF_OCTETS = 13 * _GOLDEN & _UINT32
_OF_THE_END = 2 * _GOLDEN + 2 & _UINT32
_RANGE = 1 << 27


class ModulusHashExchange(Exchange):
    """To one of the bindings' destinations. One with several bindings gets as many shares."""

    kind = "x-modulus-hash"
    __slots__ = ("_bound",)

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._bound: list[Destination] = []

    def add(self, binding: Binding) -> None:
        self._bound.append(binding.destination)
        self._bound.sort(key=_place)

    def remove(self, binding: Binding) -> None:
        self._bound.remove(binding.destination)

    def destinations(self, asked: Asked) -> list[Destination]:
        if not self._bound:
            return []
        return [self._bound[phash2(asked.keys) % _RANGE % len(self._bound)]]


def _place(destination: Destination) -> tuple[str, bytes]:
    return destination.what, destination.name.encode()


def phash2(keys: Iterable[str]) -> int:
    """32 bits for a list of texts."""
    value = 0
    for key in keys:
        octets = key.encode()
        start = _OF_OCTETS + value & _UINT32
        value = _hash_of(octets, start) if octets else start
    return _mix(_OF_THE_END, _OF_THE_END - 2, value)


def _hash_of(octets: bytes, value: int) -> int:
    """Twelve octets at a time as three little-endian numbers; the length stands where the last octet would."""
    a = b = _GOLDEN
    whole = len(octets) - len(octets) % 12
    for at in range(0, whole, 12):
        a = a + int.from_bytes(octets[at : at + 4], "little") & _UINT32
        b = b + int.from_bytes(octets[at + 4 : at + 8], "little") & _UINT32
        value = value + int.from_bytes(octets[at + 8 : at + 12], "little") & _UINT32
        a, b, value = _mixed(a, b, value)
    rest = octets[whole:].ljust(11, b"\0")
    a = a + int.from_bytes(rest[:4], "little") & _UINT32
    b = b + int.from_bytes(rest[4:8], "little") & _UINT32
    return _mix(a, b, value + len(octets) + (int.from_bytes(rest[8:], "little") << 8) & _UINT32)


def _mix(a: int, b: int, c: int) -> int:
    return _mixed(a, b, c)[2]


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for first, second, third in ((13, 8, 13), (12, 16, 5), (3, 10, 15)):
        a = (a - b - c & _UINT32) ^ c >> first
        b = (b - c - a & _UINT32) ^ a << second & _UINT32
        c = (c - a - b & _UINT32) ^ b >> third
    return a, b, c
