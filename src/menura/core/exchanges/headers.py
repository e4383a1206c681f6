"""By a message's headers; what a match is, `core.headers` says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from menura.core.exchange import HEADERS, Arguments, Binding, Destination, Exchange
from menura.core.headers import HeaderMatch, x_match


class HeadersExchange(Exchange):
    """To destinations whose binding arguments the message's headers match; the routing key is not looked
    at."""

    kind = "headers"
    asks = HEADERS
    __slots__ = ("_conditions",)

    def __init__(self, name: str, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._conditions: dict[Any, tuple[HeaderMatch, Destination]] = {}

    def check(self, destination: Destination, key: str, arguments: Arguments) -> None:
        x_match(arguments)

    def add(self, binding: Binding) -> None:
        self._conditions[binding.identity] = (HeaderMatch(binding.arguments), binding.destination)

    def remove(self, binding: Binding) -> None:
        del self._conditions[binding.identity]

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Destination]:
        return [destination for condition, destination in self._conditions.values() if condition(headers)]
