"""From an exchange and a routing key to queues.

A `Route` is what a publisher names; it remembers the queues it led to for as long as the virtual host's
topology stays the same (`version`). Exchanges are walked, each once, so cycles end; an exchange
that knows no destination for a message hands it to its alternate exchange.

Where one of the exchanges on the way asks for more than the key, the answer is not the same for all messages: it is
remembered by the encoded headers, or not at all. Such a route is `special`, and so is one that passes an exchange that
records its messages, or ends at a queue with rules for what comes; all other routes are spared the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from menura.core import fields, properties
from menura.core.content import properties_of
from menura.core.exchange import HEADERS, KEY, Asked, Exchange
from menura.core.tallies import UNRESOLVED, Sending

if TYPE_CHECKING:
    from menura.core.queue import Queue

HEADER_ANSWERS_MAX = 1024
_NO_HEADERS: Mapping[str, Any] = {}
_NO_PROPERTIES = b"\0\0"


class Found(NamedTuple):
    """The queues a message goes to, each once; the exchanges on the way that record it; what it was asked for."""

    queues: list[Queue]
    recorders: list[Exchange]
    asks: int


class Route:
    """An exchange's name, a routing key, and further keys the message is to be routed by as well.

    What goes this way is counted in `sending`: that of a client, or the exchange's own.
    """

    __slots__ = (
        "address", "answers", "exchange", "found", "further_keys", "key", "queues", "sending", "special", "version",
    )  # fmt: skip

    def __init__(
        self, exchange: str, key: str, further_keys: tuple[str, ...] = (), sending: Sending = UNRESOLVED
    ) -> None:
        self.exchange = exchange
        self.key = key
        self.further_keys = further_keys
        self.sending = sending
        # Both names in their commonest wire form, each behind one octet of length.
        self.address = _short(exchange) + _short(key)
        self.version = -1
        self.special = False
        self.queues: list[Queue] = []
        self.answers: dict[bytes | None, Found] = {}
        self.found = Found([], [], KEY)

    def resolve(self, exchanges: Mapping[str, Exchange], start: Exchange, version: int) -> None:
        """Find the queues anew, for topology `version`."""
        if self.sending.by is None:
            self.sending = start.own
        self.answers.clear()
        self.found = found = walk(exchanges, start, Asked(self._keys, _NO_HEADERS, _NO_PROPERTIES))
        self.queues = found.queues
        self.special = (
            found.asks != KEY
            or bool(found.recorders)
            or any(queue.rules is not None and queue.rules.selective for queue in found.queues)
        )
        self.version = version

    def find(self, exchanges: Mapping[str, Exchange], start: Exchange, content: bytes) -> Found:
        """The queues for this one message; only for routes that are `special`."""
        if self.found.asks == KEY:
            return self.found
        block = properties_of(content)
        raw = properties.headers_raw(block)
        found = self.answers.get(raw)
        if found is None:
            headers = fields.known_table(raw) if raw else _NO_HEADERS
            found = walk(exchanges, start, Asked(self._keys, headers, block))
            if found.asks <= HEADERS:
                if len(self.answers) >= HEADER_ANSWERS_MAX:
                    self.answers.clear()
                self.answers[raw] = found
        return found

    @property
    def _keys(self) -> tuple[str, ...]:
        return (self.key, *self.further_keys)


def walk(exchanges: Mapping[str, Exchange], start: Exchange, asked: Asked) -> Found:
    """What a message reaches from `start`."""
    queues: dict[Queue, None] = {}
    recorders: list[Exchange] = []
    seen = {start}
    waiting = [start]
    asks = KEY
    while waiting:
        exchange = waiting.pop()
        if exchange.asks > asks:
            asks = exchange.asks
        if exchange.records:
            recorders.append(exchange)
        found = exchange.destinations(asked)
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
    return Found(list(queues), recorders, asks)


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded
