"""From an exchange and a routing key to queues.

A `Route` is what a publisher names; it remembers the queues it led to for as long as the virtual host's
topology stays the same (`version`). Exchanges are walked, each once, so cycles end; an exchange
that knows no destination for a message hands it to its alternate exchange. The answer depends on the message
itself only where a headers exchange is on the way: such a route keeps its answers by the encoded headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from menura.core import fields, properties
from menura.core.content import properties_of
from menura.core.exchange import Exchange

if TYPE_CHECKING:
    from menura.core.queue import Queue

HEADER_ANSWERS_MAX = 1024
_NO_HEADERS: Mapping[str, Any] = {}


class Route:
    """An exchange's name, a routing key, and further keys the message is to be routed by as well."""

    __slots__ = ("address", "answers", "by_headers", "exchange", "further_keys", "key", "queues", "version")

    def __init__(self, exchange: str, key: str, further_keys: tuple[str, ...] = ()) -> None:
        self.exchange = exchange
        self.key = key
        self.further_keys = further_keys
        # Both names in their commonest wire form, each behind one octet of length.
        self.address = _short(exchange) + _short(key)
        self.version = -1
        self.by_headers = False
        self.queues: list[Queue] = []
        self.answers: dict[bytes | None, list[Queue]] = {}

    def resolve(self, exchanges: Mapping[str, Exchange], start: Exchange, version: int) -> None:
        """Find the queues anew, for topology `version`."""
        self.answers.clear()
        self.queues, self.by_headers = walk(exchanges, start, (self.key, *self.further_keys), _NO_HEADERS)
        self.version = version

    def queues_for(self, exchanges: Mapping[str, Exchange], start: Exchange, content: bytes) -> list[Queue]:
        """The queues for this one message; only for routes that lead `by_headers`."""
        raw = properties.headers_raw(properties_of(content))
        queues = self.answers.get(raw)
        if queues is None:
            headers = fields.decode_table(raw)[0] if raw else _NO_HEADERS
            queues, _ = walk(exchanges, start, (self.key, *self.further_keys), headers)
            if len(self.answers) >= HEADER_ANSWERS_MAX:
                self.answers.clear()
            self.answers[raw] = queues
        return queues


def walk(
    exchanges: Mapping[str, Exchange], start: Exchange, keys: tuple[str, ...], headers: Mapping[str, Any]
) -> tuple[list[Queue], bool]:
    """The queues reached from `start`, each once, and whether headers had a say."""
    queues: dict[Queue, None] = {}
    seen = {start}
    waiting = [start]
    by_headers = False
    while waiting:
        exchange = waiting.pop()
        by_headers = by_headers or exchange.by_headers
        found = [destination for key in keys for destination in exchange.match(key, headers)]
        if not found and exchange.alternate is not None:
            alternate = exchanges.get(exchange.alternate)
            if alternate is not None:
                found.append(alternate)
        for destination in found:
            if not isinstance(destination, Exchange):
                queues[destination] = None
            elif destination not in seen:
                seen.add(destination)
                waiting.append(destination)
    return list(queues), by_headers


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded
